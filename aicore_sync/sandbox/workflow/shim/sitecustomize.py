"""Loaded by every Python of a pod in "shim" mode: opens the pod's own files under absolute paths.

AICORE_SANDBOX_PATHS holds JSON: `map` (absolute path → where it lies for this pod, longest first) and `leave`
(prefixes that are never mapped). Covers Python's own file functions; C libraries see the machine's paths.
"""

from __future__ import annotations

import builtins
import functools
import io
import json
import os
from collections.abc import Callable
from typing import Any

_ONE_PATH = (
    "access", "chmod", "listdir", "lstat", "makedirs", "mkdir", "open", "readlink", "remove", "removedirs",
    "rmdir", "scandir", "stat", "truncate", "unlink", "utime", "walk", "chdir",
)  # fmt: skip
_TWO_PATHS = ("rename", "renames", "replace", "link")


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _translator(places: dict[str, str], leave: list[str]) -> Callable[[Any], Any]:
    def translate(path: Any) -> Any:
        try:
            name = os.fspath(path)
        except TypeError:
            return path
        if not isinstance(name, str) or any(_below(name, prefix) for prefix in leave):
            return path
        return next((to + name[len(at) :] for at, to in places.items() if _below(name, at)), path)

    return translate


def _wrap(function: Callable[..., Any], translate: Callable[[Any], Any], paths: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return function(*map(translate, arguments[:paths]), *arguments[paths:], **options)

    return wrapped


def install(places: dict[str, str], leave: list[str]) -> None:
    translate = _translator(places, leave)
    builtins.open = io.open = _wrap(builtins.open, translate, 1)
    for name in _ONE_PATH:
        setattr(os, name, _wrap(getattr(os, name), translate, 1))
    for name in _TWO_PATHS:
        setattr(os, name, _wrap(getattr(os, name), translate, 2))


if "AICORE_SANDBOX_PATHS" in os.environ:
    _paths = json.loads(os.environ["AICORE_SANDBOX_PATHS"])
    install(_paths["map"], _paths["leave"])
