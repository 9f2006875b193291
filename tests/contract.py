"""Holds requests and answers against the AI-API's OpenAPI description, where a copy of it lies beside the project.

The description is not part of this repository. `contract_path()` is None when it is absent; tests then skip.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from jsonschema import Draft202012Validator, FormatChecker

_PLACE = Path("shared/contracts/ai-core-api.yaml")
_CHECKER = FormatChecker(formats=())


@_CHECKER.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    """RFC 3339: a date-time with an offset."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def contract_path() -> Path | None:
    """Where the description lies, or None."""
    path = Path(__file__).resolve().parents[2] / _PLACE
    return path if path.exists() else None


@functools.cache
def document() -> dict[str, Any]:
    """The whole description; only when it is there."""
    path = contract_path()
    assert path is not None, "the AI-API description is not there; skip on `contract_path() is None`"
    whole: dict[str, Any] = _modern(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
    return whole


def _modern(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` as the type union that JSON Schema 2020 knows."""
    if isinstance(node, list):
        return [_modern(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _modern(value) for key, value in node.items()}
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
    return node


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


@functools.cache
def _routes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Templates with fewer placeholders first, so that `/$count` is not taken for an id."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return tuple((re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))), path) for path in paths)


def template_of(path: str) -> str:
    """The path template that a concrete path (with or without `/v2`) belongs to; a template is its own."""
    bare = unquote(path.removeprefix("/v2"))
    if bare in document()["paths"]:
        return bare
    found = next((template for pattern, template in _routes() if pattern.fullmatch(bare)), None)
    assert found is not None, f"{path} is not a path of the AI-API"
    return found


def _operation(method: str, path: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    item = document()["paths"][template_of(path)]
    assert method.lower() in item, f"{method} {path} is not an operation of the AI-API"
    operation = item[method.lower()]
    return operation, [_resolve(p) for p in [*item.get("parameters", []), *operation.get("parameters", [])]]


def _validate(schema: dict[str, Any], value: Any, what: str) -> None:
    rooted = {"allOf": [schema], "components": document()["components"]}
    errors = sorted(
        Draft202012Validator(rooted, format_checker=_CHECKER).iter_errors(value), key=lambda e: e.json_path
    )
    assert not errors, f"{what}: " + "; ".join(f"{e.json_path}: {e.message}" for e in errors[:5])


def assert_response(method: str, path: str, status: int, body: Any) -> None:
    """Fail unless the AI-API describes this answer. `body` is parsed JSON, or text for `text/plain`.

    401 and 403 may also be the gateway's plain text, which stands before the API and is not described.
    """
    operation, _ = _operation(method, path)
    if status in {401, 403} and isinstance(body, str):
        return
    responses = operation["responses"]
    described = responses.get(str(status)) or responses.get("default")
    assert described is not None, f"{method} {path} answered {status}, described are {', '.join(responses)}"
    content = _resolve(described).get("content") or {}
    if not content:
        return
    media = content.get("application/json") or next(iter(content.values()))
    if media["schema"].get("type") == "integer" and isinstance(body, str):
        body = int(body)
    _validate(media["schema"], body, f"answer {status} of {method} {path}")


def assert_request(
    method: str, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], body: Any = None
) -> None:
    """Fail unless the AI-API allows this request: parameters, content type and body. `body` is parsed JSON."""
    operation, parameters = _operation(method, path)
    what = f"request {method} {path}"
    lowered = {key.lower(): value for key, value in headers.items()}
    known = {p["name"] for p in parameters if p["in"] == "query"}
    assert set(query) <= known, f"{what}: unknown query parameters {sorted(set(query) - known)}"
    for parameter in parameters:
        name = parameter["name"]
        given = query.get(name) if parameter["in"] == "query" else lowered.get(name.lower())
        if parameter["in"] in {"query", "header"}:
            assert given is not None or not parameter.get("required"), f"{what}: {name} is missing"
            if given is not None:
                _validate(
                    parameter["schema"], _typed(given, _resolve(parameter["schema"])), f"{what}: {name}"
                )
    if "requestBody" in operation:
        content = _resolve(operation["requestBody"])["content"]
        media_type = lowered.get("content-type", "").split(";")[0]
        assert media_type in content, f"{what}: content type {media_type!r}, expected {', '.join(content)}"
        _validate(content[media_type]["schema"], body, what)


def _typed(text: str, schema: dict[str, Any]) -> Any:
    """A query or header value as the type that its schema names."""
    match schema.get("type"):
        case "integer":
            return int(text)
        case "boolean":
            return {"true": True, "false": False}[text]
        case "array":
            return text.split(",")
        case _:
            return text
