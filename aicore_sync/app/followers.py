"""Logs that several people follow: AI Core is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable

from aicore_sync.aicore import LogLine

KEPT = 20_000  # lines of a log that wait for slow readers and for those who come later


class Followers:
    """Shares the reading of a log as long as somebody follows it."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Followed] = {}

    async def lines(
        self, key: Hashable, begin: Callable[[], AsyncIterator[LogLine]]
    ) -> AsyncIterator[LogLine]:
        """All lines from the start. Who comes when the start of a long log is not kept any more reads it anew."""
        followed = self._known.get(key)
        if followed is None or followed.dropped:
            followed = self._known[key] = _Followed(begin())
        followed.readers += 1
        try:
            async for line in followed.lines():
                yield line
        finally:
            followed.readers -= 1
            if not followed.readers:
                followed.end()
                if self._known.get(key) is followed:
                    del self._known[key]


class _Followed:
    def __init__(self, source: AsyncIterator[LogLine]) -> None:
        self.readers = 0
        self.dropped = 0  # lines from the start that are not kept any more
        self._kept: list[LogLine] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read(source))

    async def _read(self, source: AsyncIterator[LogLine]) -> None:
        async for line in source:
            self._kept.append(line)
            if len(self._kept) > KEPT:
                self.dropped += KEPT // 2
                del self._kept[: KEPT // 2]
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def lines(self) -> AsyncIterator[LogLine]:
        """From the start to the end of the log. Ends early for who is so slow that lines were dropped."""
        at = 0
        while at >= self.dropped:
            if at - self.dropped < len(self._kept):
                yield self._kept[at - self.dropped]
                at += 1
            elif self._reading.done():
                await self._reading  # raises what broke it
                return
            else:
                news = asyncio.create_task(self._news.wait())
                try:
                    await asyncio.wait({news, self._reading}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    news.cancel()

    def end(self) -> None:
        """Nobody reads any more."""
        self._reading.cancel()
