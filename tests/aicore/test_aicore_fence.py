"""Writes end before the Lease that entitles to them, and do not begin without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from test_aicore_sockets import client, say, server
from wires import KEY

from aicore_sync.aicore import AICore
from aicore_sync.core.errors import Transient


@asynccontextmanager
async def fenced(left: Iterator[float]) -> AsyncIterator[tuple[AICore, list[str]]]:
    """A client whose time is what `left` gives at each look, and the requests that have reached AI Core."""
    arrived: list[str] = []
    hung = asyncio.Event()

    async def answer(first_line: str, writer: asyncio.StreamWriter) -> None:
        if "/oauth/token" in first_line:
            await say(writer, {"access_token": "t", "expires_in": 3600})
            return
        arrived.append(first_line)
        if first_line.startswith("GET"):
            await say(writer, {"count": 0, "resources": []})
        else:
            await hung.wait()

    async with server(answer) as port:
        base = f"http://127.0.0.1:{port}"
        key = replace(KEY, api_url=f"{base}/v2", token_url=f"{base}/oauth/token")
        async with client(key, left=lambda: next(left)) as api:
            yield api, arrived
        hung.set()


async def test_a_write_is_given_up_when_the_lease_could_be_over() -> None:
    async with fenced(iter([0.2, 0.2, 0.2])) as (api, arrived):
        with pytest.raises(Transient) as caught:
            await api.group("dev").executions.create("c1")
        assert caught.value.ambiguous
        assert len(arrived) == 1


@pytest.mark.parametrize("looks", [[0.0], [30.0, 0.0], [30.0, 30.0, 0.0]])
async def test_a_write_that_was_held_up_is_not_sent(looks: list[float]) -> None:
    async with fenced(iter(looks)) as (api, arrived):
        with pytest.raises(Transient) as caught:
            await api.group("dev").executions.create("c1")
        assert (caught.value.reason, caught.value.ambiguous) == ("LockLost", False)
        assert arrived == [], "a request without its body does nothing"


async def test_reading_needs_no_lease() -> None:
    async with fenced(iter([])) as (api, arrived):
        assert await api.group("dev").schedules.list() == ()
        assert len(arrived) == 1
