"""Metaflow reads its settings once, at import, and copies them far and wide; a job has its own.

The parent is started with a marker as the value of each such setting. A forked child replaces the markers, also
within derived values ("<marker>/data"), in every module, class, object and default argument of Metaflow, and
the result must not hold any marker. That spares one parent of 85 MB per image and bucket.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

Markers = Mapping[str, str]  # environment variable → marker
Places = list[tuple[Any, str, str]]  # (owner, attribute, text with markers)


def find(markers: Markers) -> Places:
    """All places in Metaflow that hold a marker. Done once, in the parent."""
    places: Places = []
    for module in [m for n, m in sorted(sys.modules.items()) if n.startswith("metaflow")]:
        places += [(module, n, t) for n, t in _texts(vars(module), markers)]
        for value in list(vars(module).values()):
            places += _within(value, markers)
    return places


def _within(value: Any, markers: Markers) -> Places:
    """Of a module's own function, class or object; what it imported is found in its own module, or twice."""
    if isinstance(value, types.FunctionType):
        return _defaults(value, markers)
    if isinstance(value, dict):
        return [(value, n, t) for n, t in _texts(value, markers)]
    if isinstance(value, type):
        methods = [f for f in vars(value).values() if isinstance(f, types.FunctionType)]
        inner = [place for f in methods for place in _defaults(f, markers)]
        return inner + [(value, n, t) for n, t in _texts(vars(value), markers)]
    if type(value).__module__.startswith("metaflow") and hasattr(value, "__dict__"):
        return [(value, n, t) for n, t in _texts(vars(value), markers)]
    return []


def _defaults(function: types.FunctionType, markers: Markers) -> Places:
    marked = any(_marked(v, markers) for v in function.__defaults__ or ())
    return [(function, "__defaults__", "")] if marked else []


def _texts(names: Mapping[Any, Any], markers: Markers) -> Iterator[tuple[str, str]]:
    return ((n, v) for n, v in list(names.items()) if isinstance(n, str) and _marked(v, markers))


def _marked(value: Any, markers: Markers) -> bool:
    return type(value) is str and any(m in value for m in markers.values())


def apply(places: Places, markers: Markers, settings: Mapping[str, str]) -> None:
    """In the child: the job's settings instead of the markers; one that the job does not have becomes None."""
    for variable in markers:
        os.environ.pop(variable, None)
    os.environ.update(settings)
    values = {marker: settings.get(variable) for variable, marker in markers.items()}
    for owner, name, text in places:
        if name == "__defaults__":
            owner.__defaults__ = tuple(_replaced(v, values) for v in owner.__defaults__)
        elif isinstance(owner, dict):
            owner[name] = _replaced(text, values)
        else:
            setattr(owner, name, _replaced(text, values))


def _replaced(text: Any, values: Mapping[str, str | None]) -> Any:
    if type(text) is not str:
        return text
    if text in values:
        return values[text]
    for marker, value in values.items():
        text = text.replace(marker, value or "")
    return text
