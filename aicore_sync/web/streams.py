"""Logs as answers that go on: so many at once, none longer than an hour or than the window itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

LONGEST = 3600.0  # seconds; then whoever reads asks again, with a login that may have ended
MOST = 50  # at once
AHEAD = 1000  # lines that are read before they are sent
END = ""


class Streams:
    """`closing` ends all of them: the server waits for its answers before it stops."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._open = 0

    def text(self, lines: AsyncIterator[str]) -> StreamingResponse:
        """These lines as they come. Raises HTTPException (503) when too many are read already."""
        if self._open >= MOST:
            raise HTTPException(503, f"{MOST} logs are being read already; try again.", {"Retry-After": "30"})
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._chunks(lines), media_type="text/plain; charset=utf-8", headers=headers)

    async def _chunks(self, lines: AsyncIterator[str]) -> AsyncIterator[str]:
        """What has come since the last chunk, joined: a task for each line would cost more than the line."""
        self._open += 1
        queue = asyncio.Queue[str](AHEAD)
        reading = asyncio.create_task(_read(lines, queue))
        end = asyncio.create_task(self._closing.wait())
        last = asyncio.get_running_loop().time() + LONGEST
        try:
            while found := await _come(queue, end, last):
                yield "".join(found)
                if found[-1] == END:
                    await reading  # raises what broke it
                    return
        finally:
            self._open -= 1
            reading.cancel()
            end.cancel()


async def _read(lines: AsyncIterator[str], queue: asyncio.Queue[str]) -> None:
    try:
        async for line in lines:
            await queue.put(line)
    except Exception:
        await queue.put(END)
        raise
    await queue.put(END)


async def _come(queue: asyncio.Queue[str], end: asyncio.Task[bool], last: float) -> list[str]:
    """Lines that have come, at least one; none when it is over."""
    first = asyncio.create_task(queue.get())
    left = last - asyncio.get_running_loop().time()
    await asyncio.wait({first, end}, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
    if not first.done():
        first.cancel()
        return []
    found = [first.result()]
    while found[-1] != END and not queue.empty():
        found.append(queue.get_nowait())
    return found
