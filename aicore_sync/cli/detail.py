"""What a flow said for itself when it failed: the end of its traceback or of stderr, for the person who mends it."""

from __future__ import annotations

from collections.abc import Iterator

from aicore_sync.telemetry import Masker
from aicore_sync.terminal import err

_MOST = 4000  # characters


def print_detail(text: str, masker: Masker) -> None:
    """Print it to stderr, indented: without secrets, and without what would command the terminal."""
    for line in _lines(masker(text)):
        err.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _lines(text: str) -> Iterator[str]:
    cut = text if len(text) <= _MOST else f"…{text[-_MOST:]}"
    for line in cut.splitlines():
        yield "".join(c if c.isprintable() or c == "\t" else "�" for c in line)
