"""Paths of files in a source: relative, with slashes."""

from __future__ import annotations

from collections.abc import Iterator


def above(path: str) -> Iterator[str]:
    """The directories that a file is below, the nearest first, without the root."""
    while path := path.rpartition("/")[0]:
        yield path


def below(path: str, directory: str) -> bool:
    """Whether a file lies anywhere below `directory`; "" is the root."""
    return not directory or path.startswith(f"{directory}/")
