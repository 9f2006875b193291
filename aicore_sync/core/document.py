"""YAML text as a tree of values that remember their lines, and the merge of an overlay into it.

Scalars follow YAML 1.2's core rules (only `true`/`false` are booleans, only decimal numbers are numbers, dates
are text), so that editors and this program read the same. What YAML 1.1 readers would read differently
(`yes`, `no`, `on`, `off`) is refused: a person has to quote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from aicore_sync.core.errors import Problem

Path = tuple[str | int, ...]
Scalar = str | int | float | bool | None

MAX_TEXT = 1_000_000  # characters: far above any real file, far below what hurts
MAX_DEPTH = 100
MAX_NODES = 100_000  # visited nodes, so that nested aliases cannot explode

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where there is one: ten times as fast
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_TRAPS = frozenset({"yes", "no", "on", "off"})
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


@dataclass(frozen=True)
class Node:
    """A value, the line (from 1; 0 when unknown) it was written on and, for scalars, its source text."""

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    line: int = 0
    text: str = ""


def lift(data: Any) -> Node:
    """Plain data as a tree without lines."""
    if isinstance(data, Mapping):
        return Node({str(key): lift(item) for key, item in data.items()})
    if isinstance(data, list | tuple):
        return Node(tuple(lift(item) for item in data))
    return Node(data, text=str(data))


def plain(node: Node) -> Any:
    """The tree as plain data: dicts, lists and scalars."""
    if isinstance(node.value, Mapping):
        return {key: plain(item) for key, item in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(item) for item in node.value]
    return node.value


def nearest(node: Node, path: Path) -> tuple[Node, Path]:
    """The deepest node that exists on the way along `path`, and the part of the path that led to it."""
    for depth, part in enumerate(path):
        child = child_of(node, part)
        if child is None:
            return node, path[:depth]
        node = child
    return node, path


def child_of(node: Node, part: str | int) -> Node | None:
    """One step down, None when there is nothing."""
    if isinstance(node.value, Mapping):
        return node.value.get(str(part))
    if isinstance(node.value, tuple) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


def key_text(path: Path) -> str:
    """`("configurations", 0, "name")` as `configurations[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def read_document(
    text: str, file: str, literal: Callable[[Path], bool] = lambda path: False
) -> tuple[Node | None, tuple[Problem, ...]]:
    """The tree of the only YAML document in `text`, and all mistakes of notation found on the way.

    Scalars at paths for which `literal` holds keep their source text exactly (`1.10` stays "1.10").
    The tree is None when the text is no YAML at all; an empty text is an empty mapping.
    """
    if len(text) > MAX_TEXT:
        return None, (Problem(file, 0, "", f"{len(text)} characters", f"at most {MAX_TEXT}"),)
    try:
        if _too_deep(text):
            return None, (Problem(file, 0, "", "values nested too deeply", f"at most {MAX_DEPTH} levels"),)
        root = yaml.compose(text, Loader=_LOADER)
        if root is None:
            return Node({}, 1), ()
        reader = _Reader(file, literal)
        return reader.read(root, ()), tuple(reader.problems)
    except yaml.YAMLError as error:
        return None, (_notation(error, text, file),)


def _too_deep(text: str) -> bool:
    """Parsing is iterative, composing is not: without this a hostile file could end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return True
    return False


def _notation(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    last = len(text.splitlines()) or 1
    line = min(mark.line + 1, last) if mark is not None else 0  # the end of the text counts as its last line
    cure = "quote values that hold `: `, `#`, `@` or begin with `*`, `&`, `%`; indent with spaces"
    return Problem(file, line, "", f"text that is not YAML ({what})", "valid YAML, one document", cure)


@dataclass
class _Reader:
    file: str
    literal: Callable[[Path], bool]
    problems: list[Problem] = field(default_factory=list)
    visited: int = 0
    open: set[int] = field(default_factory=set)

    def read(self, node: yaml.Node, path: Path) -> Node:
        self.visited += 1
        if self.visited > MAX_NODES or id(node) in self.open:
            raise yaml.YAMLError("aliases that repeat themselves or too many values")
        line = node.start_mark.line + 1
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._refuse(line, path, f"the tag `{node.tag}`", "plain values", "leave the tag out")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, line)
        self.open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            value: Any = tuple(self.read(item, (*path, at)) for at, item in enumerate(node.value))
        else:
            assert isinstance(node, yaml.MappingNode)
            value = self._mapping(node, path)
        self.open.discard(id(node))
        return Node(value, line)

    def _scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> Node:
        text: str = node.value
        if node.tag.endswith(":str"):
            return Node(text, line, text)
        if text.lower() in _TRAPS:
            self._trap(line, path, text)
            return Node(text, line, text)
        if text in _CONSTANTS and _CONSTANTS[text] is None:
            return Node(None, line, text)
        return Node(text if self.literal(path) else _number_or_text(text), line, text)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path, line)
            if key == "<<" and key_node.tag.endswith(":merge"):
                merged = {**self._merged(value_node, path), **merged}
                continue
            if key in own:
                found = f"`{key}` a second time (first on line {own[key].line})"
                self._refuse(line, (*path, key), found, "every key once", "remove one of the two")
            own[key] = replace(self.read(value_node, (*path, key)), line=line)
        return {**merged, **own}

    def _key(self, node: yaml.Node, path: Path, line: int) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(line, path, "a list or mapping as a key", "a name")
            return "?"
        if not node.tag.endswith(":str") and node.value.lower() in _TRAPS:
            self._trap(line, path, node.value)
        return str(node.value)

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Node]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Node] = {}
        for source in sources:
            read = self.read(source, path)
            if isinstance(read.value, Mapping):
                result = {**read.value, **result}
            else:
                self._refuse(read.line, path, "`<<` with something else", "a mapping behind `<<`")
        return result

    def _trap(self, line: int, path: Path, text: str) -> None:
        expected = "true or false, or quoted text"
        cure = f'quote it: "{text}" (YAML readers disagree whether an unquoted {text} is a boolean)'
        self._refuse(line, path, f"unquoted {text}", expected, cure)

    def _refuse(self, line: int, path: Path, found: str, expected: str, cure: str = "") -> None:
        self.problems.append(Problem(self.file, line, key_text(path), found, expected, cure))


def _number_or_text(text: str) -> Scalar:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def merge(base: Node, over: Node, spread: frozenset[str] = frozenset(), key: str = "") -> Node:
    """`over` laid upon `base`: mappings by key, lists of named mappings by `name`, all else replaced.

    A null in `over` removes the key. Under the keys in `spread` a single text in `base` counts as the
    mapping `{"*": text}` when `over` brings a mapping.
    """
    if key in spread and isinstance(base.value, str) and isinstance(over.value, Mapping):
        base = Node({"*": base}, base.line)
    if isinstance(base.value, Mapping) and isinstance(over.value, Mapping):
        return Node(_merge_mappings(base.value, over.value, spread), over.line)
    lists = isinstance(base.value, tuple) and isinstance(over.value, tuple) and over.value
    if lists and _named(base) and _named(over):
        return Node(tuple(_merge_named(base, over, spread)), over.line)
    return over


def _merge_mappings(
    base: Mapping[str, Node], over: Mapping[str, Node], spread: frozenset[str]
) -> dict[str, Node]:
    result = dict(base)
    for key, item in over.items():
        if item.value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result[key], item, spread, key) if key in result else _pruned(item)
    return result


def _pruned(node: Node) -> Node:
    """A part that only the overlay has: its nulls remove nothing and must not stay."""
    if isinstance(node.value, Mapping):
        kept = {key: _pruned(item) for key, item in node.value.items() if item.value is not None}
        return Node(kept, node.line)
    if isinstance(node.value, tuple):
        return Node(tuple(_pruned(item) for item in node.value), node.line)
    return node


def _merge_named(base: Node, over: Node, spread: frozenset[str]) -> Iterator[Node]:
    changes = {_name(item): item for item in items_of(over)}
    for item in items_of(base):
        change = changes.pop(_name(item), None)
        yield merge(item, change, spread) if change is not None else item
    yield from (_pruned(item) for item in changes.values())


def items_of(node: Node) -> tuple[Node, ...]:
    """The items of a list, nothing for anything else."""
    return node.value if isinstance(node.value, tuple) else ()


def _named(node: Node) -> bool:
    return all(_name(item) is not None for item in items_of(node))


def _name(item: Node) -> Scalar:
    found = child_of(item, "name")
    return found.value if found is not None and isinstance(found.value, str | int | float) else None
