"""Rules about what a serving template holds for KServe. Source: AI Core's page on serving templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.inside import block
from aicore_sync.core.template.walk import Document, entries, is_serving, mapping, spec

_API = "serving.kserve.io/v1beta1"


def inner_form(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC149: the inner part is KServe's, in blocks of text, because placeholders stand in it without quotes."""
    if not is_serving(document):
        return
    inner = mapping(spec(document).get("template"))
    if inner.get("apiVersion") != _API:
        message = f"found apiVersion {inner.get('apiVersion')!r}"
        yield Finding("AC149", "error", message, "spec.template.apiVersion", f"write {_API}")
    parts: list[tuple[str, Any]] = [("spec", inner.get("spec"))]
    parts += [(f"metadata.{key}", value) for key, value in mapping(inner.get("metadata")).items()]
    for key, value in parts:
        if not isinstance(value, str):
            cure = f"write `{key.rpartition('.')[2]}: |` and the keys below it"
            yield Finding("AC149", "error", f"{key} is no block of text", f"spec.template.{key}", cure)
    yield from _container(inner.get("spec"))


def _container(text: object) -> Iterator[Finding]:
    predictor = mapping(block(text).get("predictor"))
    names = [str(container.get("name")) for container in entries(predictor.get("containers"))]
    if names and "kserve-container" not in names:
        message = f"no container is called kserve-container, only {', '.join(names)}"
        yield Finding(
            "AC149", "error", message, "spec.template.spec", "call the one that answers kserve-container"
        )
