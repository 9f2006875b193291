"""Lanes: the keys of one tenant wait in one lane, so a tenant that is slow or dead delays nobody else's keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from aicore_sync.controller.queue import Backoff, WorkQueue
from aicore_sync.core.model import Key

LOOK = 5.0  # seconds after which an idle lane shows that it lives


class Work(Protocol):
    """What lanes work for: `handle` passes over a key and must not raise, `ended` is told when one is done."""

    async def handle(self, key: Key) -> None: ...
    def ended(self) -> None: ...


class Lane:
    """A queue and what works on it: `width` keys at the same time at most."""

    def __init__(self, width: int, backoff: Backoff, clock: Callable[[], float]) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(backoff)
        self._width = width
        self._clock = clock
        self._under_way = 0
        self._news = asyncio.Event()

    def add(self, key: Key, after: float) -> None:
        """Look at this key in `after` seconds."""
        self.queue.add(key, self._clock(), after)
        self._news.set()

    def poke(self) -> None:
        """Look at the queue and at `stop` again."""
        self._news.set()

    async def run(self, stop: asyncio.Event, work: Work) -> None:
        """Hand out keys until `stop` is set; those under way are finished."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                self._news.clear()
                now = self._clock()
                key = self.queue.pop(now) if self._under_way < self._width else None
                if key is None:
                    await self._sleep(now)
                    continue
                self._under_way += 1
                group.create_task(self._one(key, work))

    async def _one(self, key: Key, work: Work) -> None:
        try:
            await work.handle(key)
        finally:
            self._under_way -= 1
            self.queue.done(key, self._clock())
            self._news.set()
            work.ended()

    async def _sleep(self, now: float) -> None:
        due = self.queue.next_due() if self._under_way < self._width else None
        wait = LOOK if due is None else min(LOOK, max(0.0, due - now))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):  # wait_for of Python 3.11 may swallow a cancellation
                await self._news.wait()
