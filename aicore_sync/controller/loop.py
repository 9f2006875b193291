"""The loop: five verbs for each key, one switch that decides what happens next, nothing else that requeues."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import structlog

from aicore_sync.controller.lanes import LOOK, Lane
from aicore_sync.controller.queue import Backoff
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.model import Done, Gone, Health, Key, Retry, Stalled, Status, Verdict, Wait
from aicore_sync.core.report import failed

log = structlog.get_logger()
STUCK = 60.0  # seconds beyond the longest pass


@dataclass(frozen=True)
class Pass:
    """What came out of one pass: the status to show and what to do next with the key."""

    status: Status
    verdict: Verdict


class Reconciler(Protocol):
    """Runs the five verbs for a key. Raises SyncError when it cannot even plan."""

    async def sync_once(self, key: Key, now: datetime) -> Pass: ...

    def facts(self, key: Key) -> Mapping[str, str]: ...


class StatusStore(Protocol):
    """Where people's view of the world goes; never read for decisions."""

    async def put(self, key: Key, status: Status) -> None: ...
    async def get(self, key: Key) -> Status | None: ...
    async def delete(self, key: Key, removed: datetime | None = None) -> None: ...


class Observer(Protocol):
    """Told about every pass: metrics, notes."""

    def passed(self, key: Key, verdict: Verdict, seconds: float) -> None: ...
    async def changed(self, before: Status | None, after: Status) -> None: ...


@dataclass(frozen=True)
class LoopOptions:
    """`interval`, `pass_timeout` and `grace` are in seconds; `jitter` 0.05 varies the interval by ±5 %.

    `width` keys of one lane are handled at the same time; `lane` names the lane of a key, its tenant. `grace` is how
    long passes may go on after a stop; `mine` says whether a key is this process's to work on.
    """

    width: int = 4
    interval: float = 180.0
    jitter: float = 0.05
    backoff: Backoff = field(default_factory=Backoff)
    pass_timeout: float = 300.0
    grace: float = 6.0
    clock: Callable[[], datetime] = field(default=datetime.now)
    monotonic: Callable[[], float] = time.monotonic
    random: random.Random = field(default_factory=random.Random)
    lane: Callable[[Key], str] = lambda key: ""
    mine: Callable[[Key], bool] = lambda key: True


class Loop:
    """Takes keys from the lanes and passes over them. Every trigger calls `add`; the pass reads the world."""

    def __init__(
        self, reconciler: Reconciler, store: StatusStore, observer: Observer, options: LoopOptions
    ) -> None:
        self._reconciler = reconciler
        self._store = store
        self._observer = observer
        self._options = options
        self._lanes: dict[str, Lane] = {}
        self._start: Callable[[Lane], None] = lambda lane: None
        self._ended = asyncio.Event()  # a pass has
        self._turned = options.monotonic()  # when a key was last finished, or none was worked on

    def add(self, key: Key, after: float = 0.0) -> None:
        """Look at this key in `after` seconds."""
        self._lane(key).add(key, after)

    def _lane(self, key: Key) -> Lane:
        name, options = self._options.lane(key), self._options
        if name not in self._lanes:
            self._lanes[name] = Lane(options.width, options.backoff, options.monotonic)
            self._start(self._lanes[name])
        return self._lanes[name]

    @property
    def depth(self) -> int:
        """Keys that wait or are being worked on."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    async def rested(self) -> bool:
        """Wait until no key is being worked on or due; False when nothing had to be waited for."""
        waited = False
        while any(lane.queue.busy(self._options.monotonic()) for lane in self._lanes.values()):
            waited = True
            self._ended.clear()
            await self._ended.wait()
        return waited

    async def finished(self, concerned: Callable[[Key], bool]) -> None:
        """Wait until none of these keys is being worked on."""
        while any(map(concerned, self._in_flight())):
            self._ended.clear()
            await self._ended.wait()

    def _in_flight(self) -> frozenset[Key]:
        return frozenset[Key]().union(*(lane.queue.in_flight for lane in self._lanes.values()))

    def stuck(self) -> bool:
        """Keys are in flight, and none has been finished for longer than any pass may take: liveness."""
        silent = self._options.monotonic() - self._turned
        return bool(self._in_flight()) and silent > self._options.pass_timeout + STUCK

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; passes under way are finished, or cut off where they take too long."""
        running: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:

            def start(lane: Lane) -> None:
                running.append(group.create_task(lane.run(stop, self)))

            self._start = start
            for lane in self._lanes.values():
                start(lane)
            while not stop.is_set():
                if not self._in_flight():
                    self._turned = self._options.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await stop.wait()
            self._start = lambda lane: None
            for lane in self._lanes.values():
                lane.poke()
            if running:
                await self._give_time(running)

    async def _give_time(self, running: list[asyncio.Task[None]]) -> None:
        _, late = await asyncio.wait(running, timeout=self._options.grace)
        if late:
            log.warning("passes_cut_off", keys=[str(key) for key in self._in_flight()])
        for lane in late:
            lane.cancel()

    async def handle(self, key: Key) -> None:
        """One pass over a key, and when it is looked at again. Keys of other processes are left to them."""
        if self._options.mine(key):
            self._requeue(key, await self._pass(key))
            return
        self._lane(key).queue.forget(key)
        if await self._store.get(key):
            await self._store.delete(key)

    def ended(self) -> None:
        """A key has been dealt with."""
        self._turned = self._options.monotonic()
        self._ended.set()

    async def _pass(self, key: Key) -> Verdict:
        started = self._options.monotonic()
        now = self._options.clock()
        before = await self._store.get(key)
        with structlog.contextvars.bound_contextvars(
            key=str(key), pass_id=f"{self._options.random.getrandbits(32):08x}"
        ):
            result = await self._guarded(key, now, before)
            await self._publish_status(key, before, result)
        self._observer.passed(key, result.verdict, self._options.monotonic() - started)
        return result.verdict

    async def _guarded(self, key: Key, now: datetime, before: Status | None) -> Pass:
        """One poison never stops the others: whatever a pass raises becomes a status and a verdict."""
        try:
            async with asyncio.timeout(self._options.pass_timeout):
                return await self._reconciler.sync_once(key, now)
        except SyncError as error:
            log.warning("pass_failed", reason=error.reason, error=error.message)
            retry = Retry(error.reason, error.retry_after) if isinstance(error, Transient) else None
            return Pass(self._failed(key, error, now, before), retry or Stalled(error.reason))
        except TimeoutError:
            timeout = Transient(
                f"the pass took longer than {self._options.pass_timeout:g} s", reason="PassTimeout"
            )
            log.warning("pass_failed", reason=timeout.reason, error=timeout.message)
            return Pass(self._failed(key, timeout, now, before), Retry(timeout.reason))
        except Exception as error:
            log.exception("pass_crashed")
            internal = Transient(f"internal error: {type(error).__name__}: {error}", reason="InternalError")
            return Pass(self._failed(key, internal, now, before), Retry(internal.reason))

    def _failed(self, key: Key, error: SyncError, now: datetime, before: Status | None) -> Status:
        known = before or Status(key, Health.PROGRESSING, "")
        return failed(replace(known, facts={**known.facts, **self._reconciler.facts(key)}), error, now)

    async def _publish_status(self, key: Key, before: Status | None, result: Pass) -> None:
        try:
            if isinstance(result.verdict, Gone):
                await self._store.delete(key, self._options.clock())
            else:
                await self._store.put(key, result.status)
                await self._observer.changed(before, result.status)
        except Exception:  # people's view of the world must never stop the world
            log.exception("status_not_kept")

    def _requeue(self, key: Key, verdict: Verdict) -> None:
        """The one place that decides when a key is looked at again."""
        now, queue = self._options.monotonic(), self._lane(key).queue
        match verdict:
            case Done() | Stalled() | Wait(after=None):
                queue.forget(key)
                queue.add(key, now, self._interval())
            case Wait(after=float() | int() as after):
                queue.forget(key)
                queue.add(key, now, min(after, self._interval()))
            case Retry(after=after):
                random_ = self._options.random.random()
                queue.add_backoff(key, now, random_, at_least=after or 0.0)
            case Gone():
                queue.forget(key)

    def _interval(self) -> float:
        return self._options.interval * (1 + self._options.jitter * (2 * self._options.random.random() - 1))
