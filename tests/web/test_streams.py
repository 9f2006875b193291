"""Logs that go on: how many, until when, and what a reader sees of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from web_world import NOW, MadeUpAnswers, MadeUpDesk, MadeUpRuns, MadeUpView

from aicore_sync.aicore import LogLine
from aicore_sync.store import Store
from aicore_sync.web import Parts, WebServer, create_app
from aicore_sync.web.streams import MOST, Streams


async def some(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


def chunks_of(answer: StreamingResponse) -> Any:
    """The asynchronous generator behind an answer."""
    return aiter(answer.body_iterator)


@dataclass
class Endless:
    """A log that says one line and then nothing; `ended` counts those who were let go."""

    ended: int = 0

    async def lines(self) -> AsyncIterator[str]:
        try:
            yield "first\n"
            await asyncio.Event().wait()
        finally:
            self.ended += 1


async def test_lines_come_whole_and_in_order_and_then_it_ends() -> None:
    lines = [f"{n}\n" for n in range(5000)]
    chunks = [str(c) async for c in Streams(asyncio.Event()).text(some(*lines)).body_iterator]
    assert "".join(chunks) == "".join(lines)
    assert len(chunks) < 100, "not a task for each line"


async def test_what_breaks_a_log_breaks_its_answer_after_what_came() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "first\n"
        raise RuntimeError("away")

    got = chunks_of(Streams(asyncio.Event()).text(broken()))
    assert await anext(got) == "first\n"
    with pytest.raises(RuntimeError, match="away"):
        await anext(got)


async def test_so_many_are_read_at_once_and_each_makes_room_when_it_is_left() -> None:
    streams, log = Streams(asyncio.Event()), Endless()
    answers = [chunks_of(streams.text(log.lines())) for _ in range(MOST)]
    for answer in answers:
        await anext(answer)
    with pytest.raises(HTTPException) as refused:
        streams.text(log.lines())
    assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "30"})
    await answers[0].aclose()
    streams.text(log.lines())


@dataclass
class EndlessRuns(MadeUpRuns):
    ended: Endless = field(default_factory=Endless)

    async def log(
        self, execution: str, environment: str, *, follow: bool, since: datetime | None = None
    ) -> AsyncIterator[LogLine]:
        async for line in self.ended.lines():
            yield LogLine(NOW, line, "pod", "main")


async def test_a_window_that_closes_ends_its_logs() -> None:
    runs = EndlessRuns()
    parts = Parts(MadeUpView(), MadeUpDesk(), runs, MadeUpAnswers(), Store(), lambda: NOW)
    server = WebServer(create_app(parts), "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=await server.start(), trust_env=False) as client:
        async with client.stream("GET", "/api/v1/executions/e-1/log?follow=true") as answer:
            chunks = answer.aiter_text()
            assert (await anext(chunks)).endswith("first\n")
            begun = time.monotonic()
            parts.live.closing.set()
            assert [chunk async for chunk in chunks] == [], "ended, not broken"
        await server.stop()
    assert time.monotonic() - begun < 2.5, "the server's grace was not needed"
    await asyncio.sleep(0)
    assert runs.ended.ended == 1
