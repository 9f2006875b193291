"""The annotated example and the documentation's key tables, both made from the models."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aicore_sync.config.model import SCHEMA_ADDRESS, Settings
from aicore_sync.core.fields import Strict, duration_text, parse_duration, parse_share, parse_size, size_text

_WIDTH = 100
_HEAD = f"""\
# yaml-language-server: $schema={SCHEMA_ADDRESS}
#
# Configuration of aicore-sync. Keys that begin with # are optional and show their default or an example.
# Durations are 90s, 3m, 1h30m, 7d or seconds. Secrets never stand here: write {{env: NAME}} or {{file: PATH}}.
# Relative paths start at this file's directory. Every key: docs/configuration.md
"""
_CHOSEN = {"directory"}  # optional, because something else may stand instead; the example needs one of them
_SHOWN = {"cacheDir": ".cache", "stateDir": ".state"}  # real defaults depend on the user's home directory


def example_yaml() -> str:
    """The text of `config.example.yaml`: loads as it is, every optional key commented out."""
    lines = [_HEAD.rstrip()]
    for name, field in Settings.model_fields.items():
        lines += ["", *_entry(field.alias or name, field, 0, True)]
    return "\n".join(lines) + "\n"


def _entry(key: str, field: FieldInfo, depth: int, active: bool) -> Iterator[str]:
    """One key with its description; `active` is False below a key that is commented out."""
    indent = "  " * depth
    yield from textwrap.wrap(
        field.description or "", _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
    )
    active = active and (field.is_required() or key in _CHOSEN)
    mark = "" if active else "#"
    inner = part_of(field)
    if inner is None or inner.__name__ == "SecretRef" or field.examples:
        yield f"{indent}{mark}{key}: {_inline(_example(key, field))}".rstrip()
        return
    yield f"{indent}{mark}{key}:"
    lists = is_list(field)
    lines = [
        line
        for name, child in fields_of(inner)
        for line in _entry(child.alias or name, child, depth + 1 + lists, active)
    ]
    yield from _dashed(lines, indent) if lists else lines


def _dashed(lines: list[str], indent: str) -> Iterator[str]:
    """The lines of a list's item with the dash before its first key; the comment above moves along."""
    first = next(at for at, line in enumerate(lines) if not line.lstrip().startswith("# "))
    for at, line in enumerate(lines):
        text = line.lstrip()
        if at < first:
            yield f"{indent}  {text}"
        elif at == first:
            yield f"{indent}  #- {text[1:]}" if text.startswith("#") else f"{indent}  - {text}"
        else:
            yield line


def fields_of(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """The fields of a model, its own before those of its bases."""
    return sorted(model.model_fields.items(), key=lambda item: item[0] not in model.__annotations__)


def part_of(field: FieldInfo) -> type[Strict] | None:
    """The model that a field holds, also inside a list or an optional field; None for plain values."""
    return _model(field.annotation)


def _model(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    if get_origin(annotation) in (dict, Mapping):
        return None
    return next(filter(None, map(_model, get_args(annotation))), None)


def is_list(field: FieldInfo) -> bool:
    """True for lists."""
    annotation = field.annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) is tuple


def _example(key: str, field: FieldInfo) -> Any:
    if field.examples:
        return field.examples[0]
    return _SHOWN.get(key, default_of(field))


def default_of(field: FieldInfo) -> Any:
    """A field's default in the notation of the file; None when it has none."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None:
        return None
    checks = [item.func for item in field.metadata if isinstance(item, BeforeValidator)]
    if parse_duration in checks:
        return duration_text(value)
    if parse_size in checks:
        return size_text(value)
    if parse_share in checks:
        return f"{value * 100:g}%"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return None
    return list(value) if isinstance(value, tuple) else value


def _inline(value: Any) -> str:
    if value is None:
        return ""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def key_table(model: type[BaseModel], prefix: str = "") -> str:
    """A Markdown table of all keys of a model: key, type, default, meaning. The documentation embeds it."""
    head = "| Key | Type | Default | Meaning |\n|---|---|---|---|\n"
    return head + "".join(f"{row}\n" for row in _rows(model, prefix))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in fields_of(model):
        key = prefix + (field.alias or name)
        inner = part_of(field)
        mapped = get_origin(field.annotation) in (dict, Mapping)
        if mapped:
            inner = _model(get_args(field.annotation)[1])
        yield f"| `{key}` | {_kind(field, inner, mapped)} | {_default_cell(field)} | {_cell(field.description or '')} |"
        if inner is not None and inner.__name__ != "SecretRef":
            yield from _rows(inner, key + (".*." if mapped else "[]." if is_list(field) else "."))


def _default_cell(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = default_of(field)
    if isinstance(value, str) and value.startswith(str(Path.home())):  # no two machines agree
        return "below the user's home"
    if (
        value in (None, "", [], {})
        or "factory" in str(field.default_factory or "")
        or isinstance(value, dict)
    ):
        return ""
    return f"`{_cell(_inline(value) if not isinstance(value, str) else value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _kind(field: FieldInfo, inner: type[Strict] | None, mapped: bool) -> str:
    if inner is not None and inner.__name__ == "SecretRef":
        return "secret"
    if mapped:
        return "mapping"
    if is_list(field):
        return "list"
    if inner is not None:
        return "section"
    checks = [item.func for item in field.metadata if isinstance(item, BeforeValidator)]
    for check, word in ((parse_duration, "duration"), (parse_size, "size"), (parse_share, "share")):
        if check in checks:
            return word
    return _plain_kind(field.annotation)


def _plain_kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if get_args(annotation):
        inner = [arg for arg in get_args(annotation) if arg is not NoneType]
        return _plain_kind(inner[0])
    return {bool: "boolean", int: "number", float: "number", Path: "path"}.get(annotation, "text")
