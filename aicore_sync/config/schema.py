"""JSON Schemas of the configuration and of the manifest, for editors."""

from __future__ import annotations

from typing import Any, Literal

from aicore_sync.config.model import Settings
from aicore_sync.core.manifest import Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES = {"config": "aicore-sync configuration", "manifest": "aicore-sync manifest"}
_LITERAL = ("parameters", "environment", "labels")  # text exactly as written: numbers and booleans will do
_ONLY_BASE = ("flow", "template", "environments", "overlays")
Json = dict[str, Any]


def schema(kind: Literal["config", "manifest"]) -> Json:
    """The JSON Schema (draft 2020-12) of one kind of file, as text in camelCase."""
    model = Settings if kind == "config" else Manifest
    result = model.model_json_schema(by_alias=True)
    _loosen_text(result)
    for name in ("cacheDir", "stateDir"):  # defaults that differ from machine to machine
        result["properties"].get(name, {}).pop("default", None)
    if kind == "manifest":
        _describe_overlays(result)
    _tidy(result)
    return {"$schema": DIALECT, **result, "title": _TITLES[kind]}


def _loosen_text(part: Any) -> None:
    """Values that are taken as text exactly as written may look like numbers to an editor."""
    if isinstance(part, list):
        for item in part:
            _loosen_text(item)
        return
    if not isinstance(part, dict):
        return
    for name, field in part.get("properties", {}).items():
        if name in _LITERAL and "additionalProperties" in field:
            field["additionalProperties"]["type"] = ["string", "number", "boolean"]
    for item in part.values():
        _loosen_text(item)


def _describe_overlays(result: Json) -> None:
    """An overlay is the manifest with nothing required and null allowed everywhere."""
    definitions: Json = result["$defs"]
    for name, part in list(definitions.items()):
        definitions[f"{name}Overlay"] = _overlay(part)
    whole = _overlay(result)
    for name in _ONLY_BASE:
        whole["properties"].pop(name)
    whole.pop("$defs", None)
    definitions["Overlay"] = {**whole, "title": "Overlay"}
    overlays = result["properties"]["overlays"]
    names = overlays.pop("patternProperties", {})
    overlays["propertyNames"] = {"pattern": next(iter(names), overlays.pop("pattern", ".*"))}
    overlays["additionalProperties"] = {"$ref": "#/$defs/Overlay"}


def _overlay(part: Json) -> Json:
    properties = {name: _or_null(_redirect(field)) for name, field in part.get("properties", {}).items()}
    required = [name for name in part.get("required", ()) if name == "name"]
    kept = {key: item for key, item in part.items() if key not in ("required", "properties", "$defs")}
    return {**kept, "properties": properties, **({"required": required} if required else {})}


def _redirect(part: Any) -> Any:
    if isinstance(part, list):
        return [_redirect(item) for item in part]
    if not isinstance(part, dict):
        return part
    result = {key: _redirect(item) for key, item in part.items() if key != "default"}
    if "$ref" in result:
        result["$ref"] += "Overlay"
    extra = result.get("additionalProperties")
    if isinstance(extra, dict):
        result["additionalProperties"] = _or_null(extra)
    return result


def _or_null(part: Json) -> Json:
    words: Json = {key: part[key] for key in ("title", "description") if key in part}
    rest = {key: item for key, item in part.items() if key not in words}
    return {**words, "anyOf": [rest, {"type": "null"}]}


def _tidy(part: Any) -> None:
    """Drop generated titles (editors show keys) and reST from class texts."""
    if isinstance(part, list):
        for item in part:
            _tidy(item)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("title"), str):
        del part["title"]
    for item in part.values():
        _tidy(item)
