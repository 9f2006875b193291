"""Tells browsers that something has changed, as server-sent events; what it is they ask for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from aicore_sync.web.auth import reading
from aicore_sync.web.view import View

PAUSE = 1.0  # seconds between two notices at least
BEAT = 15.0  # seconds of silence after which a comment keeps proxies from closing the connection
LONGEST = 3600.0  # seconds; then the browser connects again, with a login that may have ended
MOST = 200  # browsers at once; more of them refresh by themselves


class Live:
    """`closing` ends all streams: the server waits for its answers before it stops."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._open = 0
        self.closing = asyncio.Event()

    def routes(self) -> APIRouter:
        """GET /live."""
        router = APIRouter(include_in_schema=False, dependencies=[Depends(reading)])

        @router.get("/live")
        async def live() -> StreamingResponse:
            if self._open >= MOST:
                return StreamingResponse(iter(()), 503, {"Retry-After": "60"})
            headers = {"X-Accel-Buffering": "no"}
            return StreamingResponse(self._notices(), media_type="text/event-stream", headers=headers)

        return router

    async def _notices(self) -> AsyncIterator[str]:
        self._open += 1
        try:
            seen = self._view.revision()
            yield f"retry: 2000\nid: {seen}\ndata: {seen}\n\n"
            async with asyncio.timeout(LONGEST):
                while not self.closing.is_set():
                    if await self._changed(seen):
                        seen = self._view.revision()
                        yield f"id: {seen}\ndata: {seen}\n\n"
                        await self._pause(PAUSE)
                    else:
                        yield ": still here\n\n"
        except TimeoutError:
            return
        finally:
            self._open -= 1

    async def _changed(self, seen: int) -> bool:
        """Wait for a change; False after BEAT seconds without one."""
        try:
            async with asyncio.timeout(BEAT):
                while self._view.revision() == seen and not self.closing.is_set():
                    news = asyncio.ensure_future(self._view.news())
                    end = asyncio.ensure_future(self.closing.wait())
                    try:
                        await asyncio.wait({news, end}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        news.cancel()
                        end.cancel()
        except TimeoutError:
            return False
        return self._view.revision() != seen

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return
