"""Rules about placeholders: `{{…}}` names something that Argo, or AI Core in a serving template, can fill in.

What Argo knows: its page on workflow variables. It refuses a run for a name under a root that it knows, and leaves the
others as they are. Expressions, `{{=…}}`, are not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aicore_sync.core.lint.calls import before, place_of
from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.places import item_name
from aicore_sync.core.problems import did_you_mean
from aicore_sync.core.template.walk import Document, Step, entries, is_serving, mapping, spec, steps, tasks

_TAG = re.compile(r"\{\{(.*?)(?:\}\}|\Z)", re.DOTALL)
_ROOTS = (
    "workflow",
    "inputs",
    "outputs",
    "tasks",
    "steps",
    "item",
    "pod",
    "node",
    "retries",
    "lastRetry",
    "duration",
    "status",
    "exitCode",
    "resourcesDuration",
    "request",
    "response",
)
_WORKFLOW = (
    "name",
    "namespace",
    "mainEntrypoint",
    "serviceAccountName",
    "uid",
    "parameters",
    "outputs",
    "annotations",
    "labels",
    "creationTimestamp",
    "priority",
    "duration",
    "scheduledTime",
    "status",
    "failures",
)
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "workflow": _WORKFLOW,
    "pod": ("name",),
    "node": ("name",),
    "inputs": ("parameters", "artifacts"),
    "outputs": ("parameters", "artifacts", "result", "exitCode"),
}


class Tag(NamedTuple):
    """A placeholder: where it stands, its text, and that split at dots."""

    place: str
    text: str
    words: tuple[str, ...]


def tags(node: Any, place: str) -> Iterator[Tag]:
    """All placeholders below a node but expressions, words for people, and those of templates inside it."""
    if isinstance(node, str):
        for found in _TAG.findall(node) if "{{" in node else ():
            text = found.strip()
            if not text.startswith("="):
                yield Tag(place, text, tuple(text.split(".")))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from tags(item, f"{place}[{item_name(item, index)}]")
    elif isinstance(node, dict):
        for key, item in node.items():
            if key not in ("inline", "description"):
                yield from tags(item, f"{place}.{key}")


def known_roots(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC116: a placeholder begins with a word that Argo knows."""
    roots = ("inputs",) if is_serving(document) else _ROOTS
    for tag in sorted(set(tags(spec(document), "spec"))):
        root, second = tag.words[0], tag.words[1] if len(tag.words) > 1 else ""
        shown = f"{{{{{tag.text[:60]}}}}}"
        if root not in roots:
            close = did_you_mean(root, roots) if root.isalpha() else ""
            cure = "put a space between the braces when it is not meant for Argo"
            cure = f"{close} Or {cure}" if close.startswith("did") else cure
            severity = "error" if options.rendered else "warning"
            message = f"{shown} is no placeholder that Argo knows"
            yield Finding("AC116", "error" if severity == "error" else "warning", message, tag.place, cure)
        elif root in _MEMBERS and second not in _MEMBERS[root]:
            cure = did_you_mean(second, _MEMBERS[root]) if second else ""
            cure = cure if cure.startswith("did") else f"{root} has {', '.join(_MEMBERS[root])}"
            yield Finding("AC116", "error", f"{shown} does not exist", tag.place, cure)


def variables(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC113: what a placeholder names is declared; case counts, and Argo refuses the run otherwise."""
    if is_serving(document):
        inputs = _declared(mapping(spec(document).get("inputs")), "inputs")
        yield from _undeclared(tags(spec(document).get("template"), "spec.template"), inputs)
        return
    arguments = _declared(mapping(spec(document).get("arguments")), "workflow")
    called = {step.name: step.body for step in steps(document)}
    for step in steps(document):
        known = {**arguments}
        for section in ("inputs", "outputs"):
            known |= _declared(mapping(step.body.get(section)), section)
        yield from _undeclared(tags(step.body, step.place), known)
        yield from _read_too_early(step, called)


Known = dict[tuple[str, str], list[str]]


def _declared(section: Mapping[str, Any], root: str) -> Known:
    return {
        (root, key): [str(item.get("name")) for item in entries(section.get(key))]
        for key in ("parameters", "artifacts")
        if (root, key) != ("workflow", "artifacts")
    }


def _undeclared(found: Iterator[Tag], declared: Known) -> Iterator[Finding]:
    for tag in sorted(set(found)):
        root, key, name = (*tag.words, "", "", "")[:3]
        known = declared.get((root, key))
        if known is None or not name or name in known or (root, name) == ("workflow", "json"):
            continue
        where = "spec.arguments.parameters" if root == "workflow" else f"the {root}"
        cure = did_you_mean(name, known) if known else f"declare it under {where}"
        cure += " Case matters." if name.lower() in map(str.lower, known) else ""
        yield Finding("AC113", "error", f"{root}.{key}.{name} is not declared", tag.place, cure)


def _read_too_early(step: Step, called: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """What is read of other tasks: they exist, have that output, and have ended by then."""
    every = {str(task.get("name")): task for task in tasks(step.body)}
    earlier = _earlier(step)
    for name, task in every.items():
        for key in ("arguments", "when", "withParam", "withItems", "withSequence"):
            for tag in sorted(set(tags(task.get(key), f"{place_of(step, name)}.{key}"))):
                yield from _of_task(tag, step, every, called, earlier.get(name))
    rest = {key: value for key, value in step.body.items() if key not in ("dag", "steps")}
    for tag in sorted(set(tags(rest, step.place))):
        yield from _of_task(tag, step, every, called, None)


def _earlier(step: Step) -> dict[str, frozenset[str]]:
    groups = step.body.get("steps")
    if not isinstance(groups, list):
        return before(entries(mapping(step.body.get("dag")).get("tasks")))
    found: dict[str, frozenset[str]] = {}
    done: frozenset[str] = frozenset()
    for group in groups:
        names = [str(t.get("name")) for t in entries(group if isinstance(group, list) else [group])]
        found |= dict.fromkeys(names, done)
        done |= frozenset(names)
    return found


def _of_task(
    tag: Tag,
    step: Step,
    every: Mapping[str, Mapping[str, Any]],
    called: Mapping[str, Mapping[str, Any]],
    earlier: frozenset[str] | None,
) -> Iterator[Finding]:
    if tag.words[0] not in ("tasks", "steps") or tag.words[1:] == ("name",):
        return
    name = tag.words[1] if len(tag.words) > 1 else ""
    if name not in every:
        cure = (
            did_you_mean(name, list(every))
            if every
            else "placeholders of tasks belong where the tasks are called"
        )
        yield Finding("AC113", "error", f"{tag.text}: {step.name} calls no {name}", tag.place, cure)
    elif earlier is not None and name not in earlier:
        cure = f"let the task that reads it depend on {name}"
        yield Finding("AC113", "error", f"{tag.text} is read before {name} has ended", tag.place, cure)
    elif len(tag.words) > 4 and tag.words[2] == "outputs":
        body = called.get(str(every[name].get("template")), every[name].get("inline"))
        known = _declared(mapping(mapping(body).get("outputs")), "outputs").get(("outputs", tag.words[3]))
        if isinstance(body, Mapping) and known is not None and tag.words[4] not in known:
            cure = (
                did_you_mean(tag.words[4], known)
                if known
                else "declare it under the outputs of what it calls"
            )
            yield Finding("AC113", "error", f"{tag.text}: {name} has no such output", tag.place, cure)
