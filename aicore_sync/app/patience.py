"""Waiting for what only looking can tell: AI Core has no events. Looks come at growing distances."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
FIRST, LONGEST = 1.0, 10.0  # seconds between two looks


class Pace:
    """The distance of looks: doubles while nothing comes, and starts again with every news."""

    def __init__(
        self, longest: float = LONGEST, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._longest = longest
        self._sleep = sleep
        self._next = FIRST

    def news(self) -> None:
        """Something came: look again soon."""
        self._next = FIRST

    async def pause(self) -> None:
        """Until the next look is due."""
        pause, self._next = self._next, min(2 * self._next, self._longest)
        await self._sleep(pause)


async def until(look: Callable[[], Awaitable[T | None]], longest: float = LONGEST) -> T:
    """What `look` answers, asked again as long as it is None. The caller sets the deadline (`asyncio.timeout`)."""
    pace = Pace(longest)
    while (found := await look()) is None:
        await pace.pause()
    return found
