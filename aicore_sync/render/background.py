"""Long work that several ask for: done once, in a task of its own that goes on when those who asked give up.

the first get ──→ task ──slow()──→ long: a service says EnvironmentBuilding, commands wait
                    └→ its result, or its error; that of long work is kept for a while
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.render.model import EnvironmentBuilding

AGAIN, SOON = 300.0, 30.0  # seconds until long work is tried again that a person must mend, or that time may

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
Slow = Callable[[str], None]  # "this takes long, and it is …"


class _Task(Generic[T]):
    """One piece of work under way."""

    def __init__(self) -> None:
        self.what = ""
        self.long = asyncio.Event()
        self.task: asyncio.Task[T]

    def slow(self, what: str) -> None:
        self.what = what
        self.long.set()


class Background(Generic[K, T]):
    """Work by key. `patient` callers wait for long work, others are told that it is being done.

    Results are not kept here: equal work must find what it made before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.patient = True
        self._clock = clock
        self._tasks: dict[K, _Task[T]] = {}
        self._failed: dict[K, tuple[SyncError, float]] = {}

    async def get(self, key: K, work: Callable[[Slow], Coroutine[Any, Any, T]]) -> T:
        """The result of `work`, which calls `slow` before anything long.

        Raises what the work raises; EnvironmentBuilding, at once, for an impatient caller of long work. While long
        work that failed is tried again, its error stands.
        """
        failure, until = self._failed.get(key, (None, 0.0))
        if failure is not None and self._clock() < until:
            raise failure.with_traceback(None)
        doing = self.begin(key, work)
        if self.patient:
            return await asyncio.shield(doing.task)
        long = asyncio.create_task(doing.long.wait())
        try:
            await asyncio.wait({doing.task, long}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            long.cancel()
        if not doing.task.done():
            raise failure.with_traceback(None) if failure else EnvironmentBuilding(doing.what)
        return doing.task.result()

    def begin(self, key: K, work: Callable[[Slow], Coroutine[Any, Any, T]]) -> _Task[T]:
        """Start it unless it is under way."""
        doing = self._tasks.get(key)
        if doing is None:
            doing = self._tasks[key] = _Task[T]()
            doing.task = asyncio.create_task(work(doing.slow))
            doing.task.add_done_callback(lambda task: self._ended(key, doing, task))
        return doing

    def _ended(self, key: K, doing: _Task[T], task: asyncio.Task[T]) -> None:
        self._tasks.pop(key, None)
        self._failed.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SyncError) and doing.long.is_set():
            pause = AGAIN if isinstance(error, Stalled) else SOON
            self._failed[key] = (error, self._clock() + pause)

    async def aclose(self) -> None:
        """Cancel what is under way, and wait until it has stopped."""
        tasks = [doing.task for doing in self._tasks.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task
