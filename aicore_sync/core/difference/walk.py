"""Where two documents differ: paths with the values on both sides; named list entries are compared by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True)
class Delta:
    """A place that differs. None is absent; a value that is there on one side only comes as a whole."""

    path: Path
    before: Any
    after: Any


def deltas(before: Any, after: Any, path: Path = ()) -> Iterator[Delta]:
    """All differences, in the order of the paths' first appearance."""
    if before == after:
        return
    one, other = _keyed(before), _keyed(after)
    if one is None or other is None:
        yield Delta(path, before, after)
        return
    for key in dict.fromkeys([*one, *other]):
        if key not in one or key not in other:
            yield Delta((*path, key), one.get(key), other.get(key))
        else:
            yield from deltas(one[key], other[key], (*path, key))
    if list(one) != list(other) and set(one) == set(other) and isinstance(before, list):
        yield Delta((*path, "order"), list(one), list(other))


def _keyed(value: Any) -> Mapping[str, Any] | None:
    """A mapping as it is, a list of uniquely named mappings by name; None for what is compared as a whole."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list) or not value:
        return None
    names = [str(item["name"]) for item in value if isinstance(item, Mapping) and "name" in item]
    if len(names) != len(value) or len(set(names)) != len(names):
        return None
    return dict(zip(names, value, strict=True))
