"""Documents to bytes and back: same document, same bytes, and no string that another YAML reader misreads."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import yaml

from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.template.walk import Document

Format = Literal["yaml", "json"]

# etcd refuses objects of about 1.5 MB; Argo keeps a copy of the template in every workflow.
SIZE_LIMIT = 1_000_000
_MAX_NODES = 200_000
_MAX_DEPTH = 100

# Plain is what every YAML reader takes for the same string; 1.1 and 1.2 disagree on 1e3, 0o7, 12:30, y, = …
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


class _Dumper(yaml.SafeDumper):
    """Writes equal parts twice instead of anchors and quotes whatever is not certainly a string."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    block = "|" if _reads_as_block(text) else '"'
    style = None if _PLAIN.match(text) and text.lower() not in _WORDS else block
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _reads_as_block(text: str) -> bool:
    """True for texts of several ordinary lines, for which a literal block is both exact and readable."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and bool(lines[0].strip())
        and not lines[0].startswith(" ")
        and all(line == line.rstrip() and line.isprintable() for line in lines)
        and not text.endswith("\n\n")
    )


_Dumper.add_representer(str, _represent_str)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.1 as Kubernetes reads it: dates and 12:30 stay text, 1e3 is a number, a key occurs once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in seen:
                message = f"the key {key.value!r} occurs twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_MERGE = "tag:yaml.org,2002:merge"
_INT, _FLOAT, _TIME = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT, _TIME)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INT_TEXT = r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)\Z"
_FLOAT_TEXT = r"(?:[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan)\Z"
_Loader.add_implicit_resolver(_INT, re.compile(_INT_TEXT), list("-+0123456789"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(_FLOAT_TEXT, re.IGNORECASE), list("-+0123456789."))


def to_bytes(document: Mapping[str, Any], format: Format = "yaml") -> bytes:  # noqa: A002
    """The file's content: sorted keys, UTF-8, one newline at the end. Reading it gives the document again.

    Raises InvalidInput when the file would be 1 MB or more, or when a text is not valid Unicode.
    """
    name = str((document.get("metadata") or {}).get("name", "template"))
    try:
        # Compact sizes decide: what the server stores is JSON.
        stored = len(json.dumps(document, ensure_ascii=False, allow_nan=False).encode())
        data = (_yaml(document) if format == "yaml" else _json(document)).encode()
    except (UnicodeEncodeError, ValueError) as error:
        cure = "remove the broken character or the number that is not finite"
        raise InvalidInput(
            [Problem(name, 0, "", str(error), "valid text and finite numbers", cure)]
        ) from None
    if max(stored, len(data)) >= SIZE_LIMIT:
        cure = "split the flow, or give fewer branches by a foreach"
        found = f"a template of {max(stored, len(data)):,} bytes"
        raise InvalidInput(
            [Problem(name, 0, "", found, f"less than {SIZE_LIMIT:,} bytes", cure)], reason="LintFailed"
        )
    return data


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.dump(
        dict(document),
        Dumper=_Dumper,
        sort_keys=True,
        allow_unicode=True,
        default_flow_style=False,
        width=math.inf,  # a folded line would hide a change in a long command
    )


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def parse_document(data: bytes | str, file: str) -> Document:
    """The single document of a YAML or JSON file as plain JSON values.

    Raises InvalidInput that names file and line: syntax errors, duplicate keys, several documents, keys that
    are no strings, values that JSON cannot hold, anchors that expand without bound.
    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
        value = _load(text)
    except UnicodeDecodeError as error:
        raise _invalid(file, 0, f"bytes that are not UTF-8 at offset {error.start}", "UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _invalid(file, line, error.problem or "a syntax error", "one YAML or JSON document") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _invalid(file, 0, str(error).split("\n")[0], "one YAML or JSON document") from None
    if not isinstance(value, dict):
        raise _invalid(
            file, 0, f"a {type(value).__name__}", "a mapping with apiVersion, kind, metadata and spec"
        )
    _check(value, file)
    return value


def _load(text: str) -> Any:
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(text)  # JSON may hold tabs, which YAML refuses
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader


def _check(value: Document, file: str) -> None:
    for count, (place, found, depth) in enumerate(_nodes(value, "", 0)):
        if count > _MAX_NODES or depth > _MAX_DEPTH:
            raise _invalid(
                file, 0, "a document that expands without bound", "a template of ordinary size", place
            )
        if found is not None:
            raise _invalid(file, 0, found, "text, a finite number, true, false or null; quote it", place)


def _nodes(value: Any, place: str, depth: int) -> Iterator[tuple[str, str | None, int]]:
    """(place, what is wrong or None, depth) of every node; the caller stops when the walk grows too large."""
    yield place, _not_json(value), depth
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield place, f"the key {key!r}", depth
            yield from _nodes(item, f"{place}.{key}" if place else str(key), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nodes(item, f"{place}[{index}]", depth + 1)


def _not_json(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"the number {value}"
    known = value is None or isinstance(value, str | int | float | dict | list)
    return None if known else f"a {type(value).__name__}"


def _invalid(file: str, line: int, found: str, expected: str, key: str = "") -> InvalidInput:
    return InvalidInput([Problem(file, line, key, found, expected)], reason="LintFailed")
