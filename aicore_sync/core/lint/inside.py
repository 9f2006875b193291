"""Where pods are described: the steps of a workflow, and the blocks of text inside a serving template."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aicore_sync.core.document import plain, read_document
from aicore_sync.core.template.walk import Document, containers, entries, is_serving, mapping, spec, steps

_TAG = re.compile(r"\{\{(.*?)\}\}")
_INNER = "spec.template"
Placed = tuple[str, Mapping[str, Any]]


def block(text: object) -> Mapping[str, Any]:
    """The mapping in a block of a serving template, {} where there is none. Placeholders stand in it without quotes,
    where YAML has braces of its own: they are kept as text."""
    if not isinstance(text, str):
        return {}
    root, _ = read_document(_TAG.sub("⟦\\1⟧", text), _INNER)
    return mapping(_with_tags(plain(root))) if root else {}


def _with_tags(node: Any) -> Any:
    if isinstance(node, str):
        return node.replace("⟦", "{{").replace("⟧", "}}")
    if isinstance(node, dict):
        return {key: _with_tags(item) for key, item in node.items()}
    return [_with_tags(item) for item in node] if isinstance(node, list) else node


def predictors(document: Document) -> Iterator[Placed]:
    """The pods of a serving template: its predictor and what stands beside it."""
    if is_serving(document):
        for key, part in block(mapping(spec(document).get("template")).get("spec")).items():
            if isinstance(part, Mapping):
                yield f"{_INNER}.spec.{key}", part


def all_containers(document: Document) -> Iterator[Placed]:
    """Every container of a document, of either kind."""
    for step in steps(document):
        yield from containers(step)
    for place, part in predictors(document):
        for container in entries(part.get("containers")):
            yield f"{place}.containers[{container.get('name', '')}]", container


def all_metadata(document: Document, key: str) -> Iterator[Placed]:
    """The labels or annotations of the document, and of everything that starts pods."""
    body = spec(document)
    yield f"metadata.{key}", mapping(mapping(document.get("metadata")).get(key))
    if is_serving(document):
        inner = mapping(mapping(body.get("template")).get("metadata")).get(key)
        yield f"{_INNER}.metadata.{key}", block(inner)
        return
    for part in ("podMetadata", "workflowMetadata"):
        yield f"spec.{part}.{key}", mapping(mapping(body.get(part)).get(key))
    places = [("spec.templateDefaults", mapping(body.get("templateDefaults")))]
    for place, node in (*places, *((step.place, step.body) for step in steps(document))):
        yield f"{place}.metadata.{key}", mapping(mapping(node.get("metadata")).get(key))
