"""Rules about what a workflow calls: templates that exist, tasks that come in an order, inputs that are given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.problems import did_you_mean
from aicore_sync.core.template.walk import (
    Document,
    Step,
    entries,
    is_serving,
    mapping,
    spec,
    steps,
    tasks,
)

_BODIES = (
    "container",
    "containerSet",
    "script",
    "dag",
    "steps",
    "suspend",
    "resource",
    "http",
    "data",
    "plugin",
)
_TERM = re.compile(r"([A-Za-z0-9_-]+)(?:\.([A-Za-z]+))?")
_ENDS = (
    "Succeeded",
    "Failed",
    "Errored",
    "Skipped",
    "Omitted",
    "Daemoned",
    "AnySucceeded",
    "AllFailed",
)


def references(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC112: the entry point, templates and dependencies exist, each once, and each step does one thing."""
    if is_serving(document):
        return
    body = spec(document)
    named = [str(t["name"]) for t in entries(body.get("templates")) if t.get("name")]
    yield from _unknown("spec.entrypoint", "the entry point", body.get("entrypoint"), named)
    for name, count in sorted(Counter(named).items()):
        if count > 1:
            place = f"spec.templates[{name}]"
            yield Finding("AC112", "error", f"{count} steps are called {name}", place, "rename them")
    for step in steps(document):
        bodies = [key for key in _BODIES if key in step.body]
        if len(bodies) != 1:
            message = f"the step has {' and '.join(bodies)}" if bodies else "the step has nothing to run"
            yield Finding(
                "AC112", "error", message, step.place, "give it one of container, script, dag, steps"
            )
        yield from _calls(step, named)
        yield from _dag(step)


def _calls(step: Step, named: list[str]) -> Iterator[Finding]:
    siblings = [str(t.get("name")) for t in tasks(step.body)]
    for task in tasks(step.body):
        name = str(task.get("name", ""))
        if "inline" not in task and "templateRef" not in task:
            yield from _unknown(place_of(step, name), f"what {name} calls", task.get("template"), named)
    for name, count in sorted(Counter(siblings).items()):
        if count > 1:
            yield Finding("AC112", "error", f"{count} tasks are called {name}", step.place, "rename them")


def _dag(step: Step) -> Iterator[Finding]:
    dag = mapping(step.body.get("dag"))
    every = entries(dag.get("tasks"))
    siblings = [str(task.get("name")) for task in every]
    for target in str(dag.get("target") or "").split():
        yield from _unknown(step.place, "the target", target, siblings)
    ways = {key for task in every for key in ("depends", "dependencies") if task.get(key)}
    if len(ways) > 1:
        cure = "use one of them for all tasks"
        yield Finding("AC112", "error", "some tasks have dependencies and some depends", step.place, cure)
    for task in every:
        name = str(task.get("name", ""))
        for dependency in needed(task):
            yield from _unknown(place_of(step, name), f"a dependency of {name}", dependency, siblings)
        yield from _formula(name, place_of(step, name), str(task.get("depends") or ""))


def _formula(name: str, place: str, depends: str) -> Iterator[Finding]:
    for _, end in _TERM.findall(depends):
        if end and end not in _ENDS:
            cure = did_you_mean(end, _ENDS)
            yield Finding("AC112", "error", f"depends of {name}: there is no end {end}", place, cure)
    if _TERM.sub("", depends).translate({ord(c): None for c in "&|!() \t\n"}):
        cure = 'write it like "a.Succeeded && (b || c.Failed)"'
        yield Finding("AC112", "error", f"depends of {name} cannot be read: {depends}", place, cure)


def _unknown(place: str, what: str, found: object, known: list[str]) -> Iterator[Finding]:
    if not found:
        yield Finding(
            "AC112", "error", f"{what} is not named", place, f"name one of {', '.join(known) or 'none'}"
        )
    elif "{{" not in str(found) and found not in known:
        yield Finding(
            "AC112", "error", f"{what}, {found}, does not exist", place, did_you_mean(str(found), known)
        )


def place_of(step: Step, task: str) -> str:
    """Where a task is written; of one in `steps` only the template, as those are lists in lists without names."""
    return f"{step.place}.dag.tasks[{task}]" if "dag" in step.body else step.place


def needed(task: Mapping[str, Any]) -> list[str]:
    """The tasks that a task of a DAG waits for, by either key."""
    listed = task.get("dependencies")
    names = [str(n) for n in listed] if isinstance(listed, list) else []
    return [*names, *(name for name, _ in _TERM.findall(str(task.get("depends") or "")))]


def before(every: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """All tasks that have ended when a task of this DAG starts; in a ring a task comes before itself."""
    direct = {str(task.get("name")): frozenset(needed(task)) for task in every}
    found = {}
    for name in direct:
        seen: set[str] = set()
        todo = list(direct[name])
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += direct.get(one, ())
        found[name] = frozenset(seen)
    return found


def rings(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC118: tasks of a DAG do not wait for each other."""
    for step in steps(document):
        earlier = before(entries(mapping(step.body.get("dag")).get("tasks")))
        ring = sorted(name for name, names in earlier.items() if name in names)
        if ring:
            message = f"these tasks wait for each other: {', '.join(ring)}"
            cure = "take one of the dependencies away"
            yield Finding("AC118", "error", message, f"{step.place}.dag.tasks", cure)


def open_inputs(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC117: an input parameter without a value of its own is given one by whoever calls the template."""
    body = spec(document)
    open_ = {step.name: _open(step.body) for step in steps(document)}
    entry = str(body.get("entrypoint") or "")
    yield from _missing("the entry point", "spec.arguments.parameters", open_.get(entry, ()), body)
    for step in steps(document):
        for task in tasks(step.body):
            called = _open(task["inline"]) if isinstance(task.get("inline"), Mapping) else None
            names = open_.get(str(task.get("template")), ()) if called is None else called
            name = str(task.get("name"))
            yield from _missing(name, place_of(step, name), names, task)


def _open(template: Mapping[str, Any]) -> tuple[str, ...]:
    declared = entries(mapping(template.get("inputs")).get("parameters"))
    own = ("value", "default", "valueFrom")
    return tuple(str(p.get("name")) for p in declared if all(p.get(key) is None for key in own))


def _missing(what: str, place: str, names: Sequence[str], caller: Mapping[str, Any]) -> Iterator[Finding]:
    given = {str(p.get("name")) for p in entries(mapping(caller.get("arguments")).get("parameters"))}
    for name in (n for n in names if n not in given):
        cure = f"add {name} to its arguments, or give the parameter a default"
        yield Finding("AC117", "error", f"{what} does not give the parameter {name}", place, cure)
