"""Whether what a child calls a template is one, deep enough that the repairs can walk it without asking again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from aicore_sync.render.model import RenderFailed


def template_of(document: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """The document when it is the template called `name`. Raises RenderFailed."""
    metadata = (document or {}).get("metadata")
    good = (
        document is not None
        and document.get("kind") == "WorkflowTemplate"
        and isinstance(metadata, dict)
        and _is_metadata(metadata)
        and metadata.get("name") == name
        and _is_spec(document.get("spec"))
    )
    if not good or document is None:
        raise RenderFailed(f"the render did not produce a WorkflowTemplate called {name}")
    return document


def _is_metadata(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(
        isinstance(metadata.get(key), dict | None) for key in ("labels", "annotations")
    )


def _is_spec(spec: Any) -> bool:
    """Deep enough that the repairs can walk it without asking again."""
    if not isinstance(spec, dict) or not isinstance(spec.get("arguments", {}), dict):
        return False
    parameters = spec.get("arguments", {}).get("parameters", [])
    templates = spec.get("templates") or []
    return (
        _all_dicts(parameters)
        and all(isinstance(p.get("name"), str) for p in parameters)
        and all(isinstance(p.get(key), str | None) for p in parameters for key in ("value", "default"))
        and bool(templates)
        and _all_dicts(templates)
        and all(_is_metadata(t.get("metadata", {})) for t in templates)
        and all(_is_container(t.get("container", {})) for t in templates)
    )


def _is_container(container: Any) -> bool:
    return (
        isinstance(container, dict)
        and _all_dicts(container.get("env", []))
        and all(isinstance(e.get("name"), str) for e in container.get("env", []))
        and _all_dicts(container.get("envFrom", []))
        and all(_is_reference(s.get("secretRef", {})) for s in container.get("envFrom", []))
        and isinstance(container.get("args", []), list)
        and all(isinstance(a, str) for a in container.get("args", []))
    )


def _is_reference(reference: Any) -> bool:
    return isinstance(reference, dict) and isinstance(reference.get("name"), str | None)


def _all_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def no_dangling_package(document: dict[str, Any], urls: Iterable[str]) -> None:
    """Steps download the package by URL; one that nobody uploads fails only when the run starts."""
    known = set(urls)
    texts = [a for t in document["spec"]["templates"] for a in t.get("container", {}).get("args", [])]
    for text in texts:
        for url in re.findall(r"s3://[\w./-]+/data/[0-9a-f]{2}/[0-9a-f]{40}", text):
            if url not in known:
                raise RenderFailed(f"the template downloads {url}, which the render did not upload")
