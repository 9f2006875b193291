"""What differs between two versions of a template. Our annotations and hashes in code packages' names are noise.

Nothing that differs is left out: what has no words of its own is named by its path.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from aicore_sync.core.difference.change import Change, from_to, kind_of, shown
from aicore_sync.core.difference.walk import Delta, Path, deltas
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.template import parse_document
from aicore_sync.core.template.canonical import canonical
from aicore_sync.core.template.decorate import SCENARIO_LABEL
from aicore_sync.core.template.digests import OURS, VERSION_LABEL
from aicore_sync.core.template.walk import Document, entries, mapping

PLAN, INSTANCE = "ai.sap.com/resourcePlan", "ai.sap.com/instanceType"
_HASH = re.compile(r"\b(?:[0-9a-f]{2}/)?[0-9a-f]{40,64}\b")
_VERSION_DIGEST = re.compile(r"-[0-9a-f]{8}$")
_NAMES = {
    "activeDeadlineSeconds": "deadline in seconds",
    "entrypoint": "entry point",
    "parallelism": "parallel pods",
    "imagePullSecrets": "registry secrets",
    SCENARIO_LABEL: "scenario",
    VERSION_LABEL: "version",
    PLAN: "resource plan",
    INSTANCE: "instance type",
}
_LISTS = {
    ("inputs", "artifacts"): "input artifact",
    ("outputs", "artifacts"): "output artifact",
    ("inputs", "parameters"): "input parameter",
    ("outputs", "parameters"): "output parameter",
}


def template_changes(before: bytes | None, after: bytes | None) -> tuple[Change, ...]:
    """The changes from one file to another; None is no file. Files that cannot be read are compared as text."""
    if before is None or after is None:
        return (
            ()
            if before is after
            else (Change("template", "new" if after else "removed", kind_of(before, after)),)
        )
    try:
        one, other = (_comparable(parse_document(data, "template")) for data in (before, after))
    except InvalidInput:
        return (
            (Change("template", "changed, and one of its versions cannot be read"),)
            if before != after
            else ()
        )
    found = [*_document(one, other), *_steps(one, other)]
    return tuple(dict.fromkeys(found))  # the new code package shows in every step, and is said once


def text_changes(before: bytes | None, after: bytes | None, file: str) -> str:
    """The same as a unified diff of the files."""
    one, other = (
        (data or b"").decode(errors="replace").splitlines(keepends=True) for data in (before, after)
    )
    a, b = (
        f"{side}/{file}" if data is not None else "/dev/null" for side, data in (("a", before), ("b", after))
    )
    return "".join(difflib.unified_diff(one, other, a, b))


def _comparable(document: Mapping[str, Any]) -> Document:
    """Without our marks and without the digest in the version."""
    made = canonical(document)
    metadata = dict(mapping(made.get("metadata")))
    annotations = mapping(metadata.get("annotations"))
    labels = dict(mapping(metadata.get("labels")))
    if VERSION_LABEL in labels:
        labels[VERSION_LABEL] = _VERSION_DIGEST.sub("", str(labels[VERSION_LABEL]))
    metadata["annotations"] = {key: text for key, text in annotations.items() if not key.startswith(OURS)}
    return {**made, "metadata": metadata | {"labels": labels}}


# --- the document around the steps ---


def _document(before: Document, after: Document) -> Iterator[Change]:
    for delta in deltas(_without_steps(before), _without_steps(after)):
        yield _document_change(delta)


def _without_steps(document: Document) -> Document:
    spec = {key: value for key, value in mapping(document.get("spec")).items() if key != "templates"}
    return {**document, "spec": spec}


def _document_change(delta: Delta) -> Change:
    before, after = delta.before, delta.after
    match delta.path:
        case ("spec", "arguments", "parameters", name):
            return _parameter(name, before, after)
        case ("spec", "arguments", "parameters", name, "default" | "value"):
            return Change(f"parameter {name}", from_to("default", before, after))
        case ("spec", "arguments", "parameters", name, detail):
            return Change(f"parameter {name}", from_to(detail, before, after))
        case ("spec", "arguments", "artifacts", name):
            return Change("flow", f"{_sign(before)} input {name}", kind_of(before, after))
        case ("metadata", "annotations", name) if name.startswith("artifacts.ai.sap.com/"):
            artifact, _, detail = name.partition("/")[2].rpartition(".")
            return Change(f"artifact {artifact}", from_to(detail, before, after), kind_of(before, after))
        case ("metadata", "labels" | "annotations", name):
            return Change("template", from_to(_NAMES.get(name, name), before, after))
        case ("spec", name):
            return Change("template", from_to(_NAMES.get(name, name), before, after))
    return Change("template", from_to(_dotted(delta.path), before, after))


def _parameter(name: str, before: Any, after: Any) -> Change:
    if before is not None:
        return Change(f"parameter {name}", "removed", "removed")
    default = mapping(after).get("default", mapping(after).get("value"))
    words = "new, mandatory" if default is None else f"new, default {shown(default)}"
    return Change(f"parameter {name}", words, "added")


# --- steps ---


def _steps(before: Document, after: Document) -> Iterator[Change]:
    one, other = _by_name(before), _by_name(after)
    for name in dict.fromkeys([*one, *other]):
        if name not in one or name not in other:
            body = one.get(name, other.get(name, {}))
            words = "removed" if name in one else f"new{_hardware(body)}"
            yield Change(f"step {name}", words, kind_of(one.get(name), other.get(name)))
            continue
        for delta in deltas(one[name], other[name]):
            yield _step_change(name, delta)


def _by_name(document: Document) -> dict[str, Mapping[str, Any]]:
    templates = entries(mapping(document.get("spec")).get("templates"))
    return {str(body.get("name") or at): body for at, body in enumerate(templates)}


def _hardware(body: Mapping[str, Any]) -> str:
    labels = mapping(mapping(body.get("metadata")).get("labels"))
    found = [f"{_NAMES[key]} {labels[key]}" for key in (PLAN, INSTANCE) if labels.get(key)]
    return f", {found[0]}" if found else ""


def _step_change(step: str, delta: Delta) -> Change:
    subject, before, after = f"step {step}", delta.before, delta.after
    match delta.path:
        case ("metadata", "labels", name):
            return Change(subject, from_to(_NAMES.get(name, name), before, after))
        case ("container" | "script", *rest):
            return _container(subject, tuple(rest), before, after)
        case ("inputs" | "outputs" as side, "artifacts" | "parameters" as kind, name, *rest):
            words = _LISTS[side, kind]
            if rest:
                return Change(subject, from_to(f"{words} {name} {_dotted(tuple(rest))}", before, after))
            return Change(subject, f"{_sign(before)}1 {words} {name}", kind_of(before, after))
        case ("inputs" | "outputs" as side, "artifacts" | "parameters" as kind):
            return Change(subject, _counted(_LISTS[side, kind], before, after), kind_of(before, after))
        case ("inputs" | "outputs" as side,):
            return Change(
                subject, f"{side} {'added' if before is None else 'removed'}", kind_of(before, after)
            )
        case ("retryStrategy", "limit"):
            return Change(subject, from_to("retries", before, after))
        case ("retryStrategy",):
            limits = [mapping(value).get("limit") for value in (before, after)]
            return Change(subject, from_to("retries", *limits))
        case ("dag", "tasks", task, *rest):
            return _task(subject, task, tuple(rest), before, after)
    name = _NAMES.get(delta.path[-1], _dotted(delta.path)) if len(delta.path) == 1 else _dotted(delta.path)
    return Change(subject, from_to(name, before, after))


def _container(subject: str, path: Path, before: Any, after: Any) -> Change:
    if path[:1] != ("image",) and _same_code(before, after):
        return Change("code", "new code package")
    match path:
        case ("image",):
            return Change(subject, from_to("image", before, after))
        case ("env", name, "value"):
            return Change(subject, from_to(f"variable {name}", before, after))
        case ("env", name):
            return Change(subject, f"{_sign(before)} variable {name}", kind_of(before, after))
        case ("command" | "args" | "source", *_):
            return Change(subject, "command changed")
    return Change(subject, from_to(_dotted(path), before, after))


def _same_code(before: Any, after: Any) -> bool:
    """Equal but for the hash in the name of a code package."""
    one, other = (_HASH.sub("#", repr(value)) for value in (before, after))
    return before is not None and after is not None and one == other


def _task(subject: str, task: str, rest: Path, before: Any, after: Any) -> Change:
    if not rest:
        return Change(subject, f"{_sign(before)} task {task}", kind_of(before, after))
    if rest == ("dependencies",) or rest == ("depends",):
        return Change(subject, f"{task} runs after {shown(after)} instead of {shown(before)}")
    return Change(subject, from_to(f"task {task} {_dotted(rest)}", before, after))


def _counted(words: str, before: Any, after: Any) -> str:
    """A whole list that came or went."""
    names = [str(entry.get("name", "")) for entry in entries(after if before is None else before)]
    return f"{_sign(before)}{len(names)} {words}{'s' if len(names) != 1 else ''} {', '.join(names)}".rstrip()


def _sign(before: Any) -> str:
    return "+" if before is None else "−"


def _dotted(path: Path) -> str:
    return ".".join(path)
