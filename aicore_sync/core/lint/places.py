"""From a place in a document to the line that a person wrote: in the template's text, or in the flow's class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from aicore_sync.core.document import Node, child_of, items_of, read_document
from aicore_sync.core.lint.findings import Finding

_STEP = re.compile(r"spec\.templates\[([^\]]*)\]")


def placed(findings: Iterable[Finding], file: str, text: str) -> tuple[Finding, ...]:
    """The findings with file, line and step. `text` is the template (YAML or JSON) or the flow (Python)."""
    found = list(findings)
    if not found:
        return ()
    if file.endswith(".py"):
        return tuple(_in_flow(finding, file, text) for finding in found)
    root, _ = read_document(text, file)
    lines = ((finding, line_of(root, finding.place) if root else 0) for finding in found)
    return tuple(replace(f, file=file, line=line, step=step_of(f.place)) for f, line in lines)


def item_name(item: object, index: int) -> str:
    """How a place names the item of a list: by its `name`, else by its index."""
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) and name else str(index)


def step_of(place: str) -> str:
    """The step that a place lies in, "" for none."""
    match = _STEP.match(place)
    return match[1] if match else ""


def line_of(node: Node, place: str) -> int:
    """Line of the deepest node that exists on the way along a place. Keys may hold dots; `[x]` is a name or index."""
    line = node.line
    while place:
        child, place = _child(node, place)
        if child is None:
            return line
        node, line = child, child.line or line
    return line


def _child(node: Node, place: str) -> tuple[Node | None, str]:
    if place.startswith("["):
        inner, _, rest = place[1:].partition("]")
        return _item(node, inner), rest
    place = place.removeprefix(".")
    if not isinstance(node.value, dict):
        return None, ""
    fitting = [key for key in node.value if place == key or place.startswith((f"{key}.", f"{key}["))]
    key = max(fitting, key=len, default=None)
    return (child_of(node, key), place[len(key) :]) if key is not None else (None, "")


def _item(node: Node, inner: str) -> Node | None:
    for item in items_of(node):
        name = child_of(item, "name")
        if name is not None and str(name.value) == inner:
            return item
    return child_of(node, int(inner)) if inner.isdigit() else None


def _in_flow(finding: Finding, file: str, text: str) -> Finding:
    """A flow's step `fit_all` is the template `fit-all`; its line is where the method begins."""
    step = step_of(finding.place)
    name = re.escape(step).replace(r"\-", "[-_]")
    match = re.search(rf"^[ \t]+def {name}\(", text, re.MULTILINE) if step else None
    line = text.count("\n", 0, match.start()) + 1 if match else 0
    return replace(finding, file=file, line=line, step=step)
