"""Rules about the document as a whole: kind, name, size, secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.places import item_name
from aicore_sync.core.template.walk import SERVING, WORKFLOW, Document, mapping

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{2,61})[a-z0-9]\Z")
# A shorter secret would be found in ordinary text by chance.
_MIN_CANARY = 6


def kind(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC101: apiVersion and kind."""
    found = (document.get("apiVersion"), document.get("kind"))
    if found not in (WORKFLOW, SERVING) and found[1] != "Secret":
        cure = f"use {WORKFLOW[0]} {WORKFLOW[1]} or {SERVING[0]} {SERVING[1]}"
        yield Finding("AC101", "error", f"found {found[0]} {found[1]}", "kind", cure)


def name(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC102: metadata.name is the executable id."""
    found = mapping(document.get("metadata")).get("name")
    if not isinstance(found, str) or not _NAME.match(found):
        message = f"{found!r} cannot be an executable id"
        cure = "use 4 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
        yield Finding("AC102", "error", message, "metadata.name", cure)


def no_kubernetes_secret(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC106: one Secret in the application path stops the sync of all templates."""
    if document.get("kind") == "Secret":
        cure = "remove the file and register the secret at AI Core as a generic secret"
        yield Finding("AC106", "error", "a Kubernetes Secret blocks the whole application", "kind", cure)


def no_secret_values(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC107: no value of a secret that this service knows. The finding names the secret, never the value."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    for secret, value in options.canaries:
        # The value as it looks inside a JSON string, because that is what `text` is made of.
        if len(value) >= _MIN_CANARY and json.dumps(value, ensure_ascii=False)[1:-1] in text:
            cure = "read it at run time from a secret of AI Core"
            yield Finding("AC107", "error", f"holds the value of {secret}", _place_of(document, value), cure)


def size(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC108: what Kubernetes can store."""
    found = len(json.dumps(document, ensure_ascii=False).encode(errors="replace"))
    if found >= options.size_limit:
        cure = "split the flow, or use a foreach instead of many branches"
        message = f"{found:,} bytes, the limit is {options.size_limit:,}"
        yield Finding("AC108", "error", message, "", cure)


def _place_of(node: Any, value: str, place: str = "") -> str:
    """Dotted path of the first text that contains `value`."""
    if isinstance(node, str):
        return place if value in node else ""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in items:
        step = (
            f"{place}[{item_name(item, int(key))}]"
            if isinstance(node, list)
            else f"{place}.{key}".lstrip(".")
        )
        if found := _place_of(item, value, step):
            return found
    return ""
