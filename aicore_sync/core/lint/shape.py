"""Misspelt keys and values of the wrong type: Kubernetes drops or refuses them, and the run dies without a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.places import item_name
from aicore_sync.core.lint.shapes import SHAPES, Key
from aicore_sync.core.problems import did_you_mean, shown
from aicore_sync.core.template.walk import SERVING, WORKFLOW, Document

_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "text": ("text", (str,)),
    "number": ("a whole number", (int,)),
    "flag": ("true or false", (bool,)),
    "map": ("a mapping", (dict,)),
}


def unknown_keys(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC110: keys that Argo does not know; it ignores them, which is never what was meant."""
    for place, kind, node in _objects(document):
        for key in node:
            if key not in SHAPES[kind]:
                message = f"`{key}` is no key of {_kind_words(kind)}"
                cure = did_you_mean(str(key), sorted(SHAPES[kind]))
                yield Finding("AC110", "error", message, f"{place}.{key}".lstrip("."), cure)


def wrong_types(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC114: a missing key, a text where a list belongs and the like; Argo refuses the whole template."""
    for place, kind, node in _objects(document):
        for name, key in SHAPES[kind].items():
            value, where = node.get(name), f"{place}.{name}".lstrip(".")
            if value is None:
                if key.needed:
                    words = f"{_kind_words(kind)} needs `{name}`"
                    yield Finding("AC114", "error", words, place, f"add `{name}`")
            elif not _fits(value, key, key.depth):
                message = f"found {shown(value)}, expected {_words(key)}"
                cure = f"write [{shown(value)}]" if (key.depth, type(value)) == (1, str) else "correct it"
                yield Finding("AC114", "error", message, where, cure)


def _objects(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(place, kind, object) of every object whose kind is known."""
    if document.get("kind") in (WORKFLOW[1], SERVING[1]):
        yield from _below("", str(document["kind"]), document)


def _below(place: str, kind: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    yield place, kind, node
    for name, key in SHAPES[kind].items():
        if key.type in SHAPES and name in node:
            for where, item in _items(f"{place}.{name}".lstrip("."), node[name], key.depth):
                yield from _below(where, key.type, item)


def _items(place: str, value: Any, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if depth == 0:
        if isinstance(value, dict):
            yield place, value
        return
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield from _items(f"{place}[{item_name(item, index)}]", item, depth - 1)


def _fits(value: Any, key: Key, depth: int) -> bool:
    if depth:
        return isinstance(value, list) and all(_fits(item, key, depth - 1) for item in value)
    if key.type in SHAPES:
        return isinstance(value, dict)
    if not key.type:
        return True
    if key.type == "number" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[key.type][1])


def _words(key: Key) -> str:
    single = _TYPES[key.type][0] if key.type in _TYPES else "a mapping"
    plural = {"text": "texts", "a mapping": "mappings"}.get(single, single)
    return ("a list of lists of " + plural, "a list of " + plural)[key.depth == 1] if key.depth else single


def _kind_words(kind: str) -> str:
    return {
        "ObjectMeta": "metadata",
        "WorkflowSpec": "spec",
        "ServingSpec": "spec",
        "Template": "a step's template",
        "EnvVar": "an environment variable",
        "EnvFrom": "envFrom",
    }.get(kind, f"{'an' if kind[0] in 'AEIO' else 'a'} {kind}")
