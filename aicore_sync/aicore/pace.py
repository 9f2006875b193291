"""How fast one tenant is asked: so many requests at a time, slower after a 429, faster again while all goes well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aicore_sync.core.errors import Transient


@dataclass
class Gap:
    """Seconds between two requests, 0 when there is no hurry to slow down. A value with the clock as an argument.

    It doubles with a refusal, from `first` up to `most`, and shrinks by a tenth with every good answer. Refusals
    within a second are one: requests that were under way together say the same thing.
    """

    first: float = 0.1
    most: float = 10.0
    seconds: float = 0.0
    free_at: float = 0.0  # when the next request may go
    _slowed: float = float("-inf")

    def refused(self, now: float, retry_after: float | None) -> None:
        """AI Core said 429: nothing goes for as long as it asked for, and what goes then goes slower."""
        if now - self._slowed >= 1.0:
            self.seconds = min(self.most, max(self.first, 2 * self.seconds))
            self._slowed = now
        self.free_at = max(self.free_at, now + (self.seconds if retry_after is None else retry_after))

    def answered(self) -> None:
        """A good answer."""
        self.seconds = 0.9 * self.seconds if self.seconds > self.first / 10 else 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next request may go."""
        return max(0.0, self.free_at - now)

    def take(self, now: float) -> None:
        """A request goes now."""
        self.free_at = max(self.free_at, now + self.seconds)


class Pace:
    """Lets requests through to one tenant."""

    def __init__(self, at_once: int) -> None:
        self._gap = Gap()
        self._places = asyncio.Semaphore(at_once)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, patience: float) -> AsyncIterator[None]:
        """Wait for a place and for our turn, `patience` seconds at most. Raises Transient when that is too short."""
        await self._enter(patience)
        try:
            yield
        except Transient as error:
            if error.reason == "RateLimited":
                self._gap.refused(_now(), error.retry_after)
            raise
        else:
            self._gap.answered()
        finally:
            self._places.release()

    async def _enter(self, patience: float) -> None:
        if self._gap.wait(_now()) > patience:
            raise self._busy()
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
                try:
                    await self._my_turn()
                except BaseException:
                    self._places.release()
                    raise
        except TimeoutError:
            raise self._busy() from None

    async def _my_turn(self) -> None:
        async with self._turn:
            wait = self._gap.wait(_now())
            while wait > 0:
                await asyncio.sleep(wait)
                wait = self._gap.wait(_now())  # another refusal may have come meanwhile
            self._gap.take(_now())

    def _busy(self) -> Transient:
        message = "AI Core takes no more requests of this tenant for now; it is asked again more slowly"
        return Transient(message, reason="RateLimited", retry_after=self._gap.wait(_now()))


def _now() -> float:
    """The event loop's clock: what is waited for by it is measured by it."""
    return asyncio.get_running_loop().time()
