"""Statuses as people see them: kept in memory, shown as metrics, recorded as history, told as notes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from aicore_sync.app.tolive import ToLive
from aicore_sync.core import model
from aicore_sync.core.model import FlowKey, Key, Stage, Status, TemplateKey, Verdict
from aicore_sync.core.report import joined
from aicore_sync.notify import Notices
from aicore_sync.store import Store
from aicore_sync.telemetry import Metrics, Traces

RESULTS = {
    model.Done: "done",
    model.Gone: "done",
    model.Wait: "wait",
    model.Retry: "retry",
    model.Stalled: "stalled",
}


class Board:
    """The loop's status store and observer in one; what is in memory is the present, what is on disk the past."""

    def __init__(self, store: Store, metrics: Metrics, notices: Notices, traces: Traces) -> None:
        self._store = store
        self._metrics = metrics
        self._notices = notices
        self._traces = traces
        self._now: dict[Key, Status] = {}
        self.to_live = ToLive()
        self._news = asyncio.Event()
        self.revision = 0  # rises with every change that people would see
        self.others: Callable[[], Iterable[Status]] = lambda: ()  # what other replicas show

    def all(self) -> Sequence[Status]:
        """The newest status of every key."""
        return tuple(self._now.values())

    def everywhere(self) -> Sequence[Status]:
        """The same with the keys that other replicas work on."""
        return tuple(({status.key: status for status in self.others()} | self._now).values())

    def rows(self) -> tuple[Status, ...]:
        """One status per flow and environment, with the stages of its template in front."""
        return joined(self._now.values())

    def known(self, key: Key) -> Status | None:
        """The newest status of one key."""
        return self._now.get(key)

    def oldest_unsynced(self) -> float:
        """Seconds since the oldest change came that should be live and is not; 0 without one."""
        return self.to_live.oldest(time.monotonic())

    async def news(self) -> None:
        """Until a status is put or deleted."""
        self._news.clear()
        await self._news.wait()

    async def recall(self) -> None:
        """What people were told by an earlier process."""
        self._notices.recall(await self._store.all())

    async def put(self, key: Key, status: Status) -> None:
        before = self._now.get(key)
        changed = before is None or replace(before, updated=status.updated) != status
        self.revision += changed
        self._now[key] = status
        self._news.set()
        self._metrics.show(status)
        took = self.to_live.put(status, time.monotonic()) if isinstance(key, TemplateKey) else None
        if took is not None:
            self._metrics.push_to_live(took)
        if changed:  # a round in which nothing happens costs the disk nothing
            await self._store.put(key, status)

    async def get(self, key: Key) -> Status | None:
        return self._now.get(key)

    async def delete(self, key: Key, removed: datetime | None = None) -> None:
        self.revision += 1
        self._now.pop(key, None)
        self.to_live.forget(key)
        self._news.set()
        self._metrics.forget(key)
        self._notices.forget(key)
        self._traces.forget(key)
        await self._store.delete(key, removed)

    def passed(self, key: Key, verdict: Verdict, seconds: float) -> None:
        self._metrics.passed(self._furthest(key), RESULTS[type(verdict)], seconds)

    async def changed(self, before: Status | None, after: Status) -> None:
        self._notices.changed(after)
        self._traces.changed(after, self.to_live.reached(after.key))

    def _furthest(self, key: Key) -> Stage:
        """The stage that a pass of this key worked on: the first that is not well, else its last."""
        status = self._now.get(key)
        last = Stage.EXECUTE
        if not isinstance(key, FlowKey):
            last = Stage.SYNC if isinstance(key, TemplateKey) else Stage.CONFIGURE
        bad = (
            [c.stage for c in status.conditions if c.mark in (model.Mark.FAIL, model.Mark.WAIT)]
            if status
            else []
        )
        return min(bad, key=list(Stage).index, default=last)


class Window:
    """What the web pages ask for; see `aicore_sync.web.View`."""

    def __init__(self, board: Board, metrics: Metrics, info: Mapping[str, str]) -> None:
        self._board = board
        self._metrics = metrics
        self._info = info
        self.why_not_ready = "starting: the source has not been read yet"
        self.stuck: Callable[[], bool] = lambda: False
        self.depth: Callable[[], int] = lambda: 0
        self._scraping = asyncio.Lock()

    def statuses(self, own: bool = False) -> Sequence[Status]:
        return self._board.all() if own else self._board.everywhere()

    def revision(self) -> int:
        return self._board.revision

    async def news(self) -> None:
        await self._board.news()

    def ready(self) -> tuple[bool, str]:
        return not self.why_not_ready, self.why_not_ready

    def alive(self) -> bool:
        return not self.stuck()

    async def metrics(self) -> bytes:
        async with self._scraping:  # more of them at once would only be slower
            self._metrics.queue_depth(self.depth())
            self._metrics.oldest_unsynced(self._board.oldest_unsynced())
            return await asyncio.to_thread(self._metrics.expose)

    def info(self) -> Mapping[str, str]:
        return self._info


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)
