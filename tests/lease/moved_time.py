"""An event loop whose clock moves by itself: where nothing is left to do now, it is the time of what comes next.

Minutes cost nothing, and what happens when is exact. Nothing may use the network or threads.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Instant(selectors.SelectSelector):
    """Adds up for how long it was to wait, and does not."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits, and nothing will come"
        self.now += timeout
        return super().select(0)


class MovedLoop(asyncio.SelectorEventLoop):
    """`time` begins with 0."""

    def __init__(self) -> None:
        self._instant = Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now


def in_moved_time(main: Coroutine[Any, Any, T]) -> T:
    """Run it to its end."""
    with asyncio.Runner(loop_factory=MovedLoop) as runner:
        return runner.run(main)
