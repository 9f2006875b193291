"""At most one seat for this process: taken, renewed, given back; the others are followed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.seats import Record, Seen, Sign, Step, cleared, is_over, next_step, taken

log = structlog.get_logger()


class Leases(Protocol):
    """The API server; see `KubernetesLeases`."""

    async def get(self, name: str) -> Record: ...
    async def replace(self, record: Record, sign: Sign) -> Record: ...
    def changes(self, record: Record) -> AsyncIterator[Record]: ...


@dataclass(frozen=True)
class SeatOptions:
    """`me` names this process and no other that may live. Times are in seconds: retry < renew_deadline < duration.

    Nothing is written later than `renew_deadline` after the last renewal; another process may take the seat
    `duration` after it. The time between the two allows for clocks that do not run equally fast. While the API server
    answers, a process that waits takes it by `duration + retry`, even when its watch died or one request failed (or got
    no answer, if a request may take no longer than `retry`).
    """

    seats: tuple[str, ...]
    me: str
    address: str = ""
    duration: float = 35.0
    renew_deadline: float = 30.0
    retry: float = 5.0


@dataclass(frozen=True)
class Clocks:
    """`boot` counts seconds and runs while the machine sleeps."""

    boot: Callable[[], float]
    rng: random.Random


class Seats:
    """What this process knows of all seats, and the one that it holds."""

    def __init__(self, leases: Leases, options: SeatOptions, clocks: Clocks) -> None:
        self._leases = leases
        self._options = options
        self._clocks = clocks
        self._seen: dict[str, Seen] = {}
        self._mine: Record | None = None
        self._renewed = 0.0  # before the last renewal was sent
        self._acting = asyncio.Lock()
        self._news = asyncio.Event()
        self._leaving = False
        self.nudged: Callable[[], None] = lambda: None

    # --- what holds now ---

    @property
    def mine(self) -> str | None:
        """The seat of this process."""
        return self._mine.seat if self._mine and self.left() > 0 else None

    @property
    def term(self) -> str:
        """Names the present holding of our seat, "" without one."""
        return self._mine.name_of_term if self._mine and self.left() > 0 else ""

    def left(self) -> float:
        """Seconds in which a write may still be under way; 0 without a seat."""
        if self._mine is None:
            return 0.0
        return max(0.0, self._renewed + self._options.renew_deadline - self._clocks.boot())

    def over(self, term: str) -> bool:
        """Whether that term of some seat has surely ended."""
        return is_over(term, self._seen.values(), self._clocks.boot())

    def holders(self) -> Mapping[str, Record]:
        """Seats that are held, with who holds them."""
        now, mine = self._clocks.boot(), self.mine
        held = {
            name: seen.record for name, seen in self._seen.items() if seen.record.holder and now < seen.over
        }
        if self._mine:
            held.pop(self._mine.seat, None)
        return held | ({mine: self._mine} if mine and self._mine else {})

    def counted(self) -> frozenset[str]:
        """Seats that get shards: those held, and those just given back, because somebody waits for them."""
        now = self._clocks.boot()
        left = {
            name
            for name, seen in self._seen.items()
            if seen.record.term and not seen.record.holder and now < seen.since + self._options.retry
        }
        return frozenset(self.holders().keys() | left)

    async def news(self) -> None:
        """Until something here changes."""
        await self._news.wait()

    def _changed(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # --- following, taking ---

    async def run(self) -> None:
        """Follow all seats, take a free one and renew it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._options.seats:
                group.create_task(self._follow(name))
            group.create_task(self._keep())

    async def _follow(self, name: str) -> None:
        while True:
            began = self._clocks.boot()
            try:
                self._note(await self._leases.get(name), read=True)
                await self._act(name)
                await self._watch(name)
            except SyncError as error:
                log.warning("lease_not_read", lease=name, reason=error.reason, error=error.message)
                again = began + self._options.retry * (0.5 + self._clocks.rng.random() / 2)
                await asyncio.sleep(max(0.0, again - self._clocks.boot()))

    async def _watch(self, name: str) -> None:
        """Until there was no news for so long that it is time to look again, or the Lease was deleted."""
        with suppress(TimeoutError, StopAsyncIteration):
            async with aclosing(self._leases.changes(self._seen[name].record)) as changes:  # type: ignore[type-var]
                while True:
                    async with asyncio.timeout(self._patience(name)):
                        self._note(await anext(changes))
                    await self._act(name)

    def _patience(self, name: str) -> float:
        """Seconds without news after which the Lease is read again.

        It may be over then. Before that, a holder that lives is heard every `retry` seconds: a watch that misses two
        renewals may have died without a word, and the later of the two must not be seen a whole `duration` late.
        """
        seen, options = self._seen[name], self._options
        others = seen.record.holder and not (self._mine and self._mine.seat == name)
        if others and not self._leaving:
            return max(0.0, min(seen.over - self._clocks.boot(), 2 * options.retry))
        return options.duration

    def _note(self, record: Record, read: bool = False) -> None:
        now, before = self._clocks.boot(), self._seen.get(record.seat)
        self._seen[record.seat] = before.after(record, now, read) if before else Seen.first(record, now)
        record = self._seen[record.seat].record
        if self._mine and self._mine.seat == record.seat and self._mine.nudge != record.nudge:
            self._mine = replace(self._mine, nudge=record.nudge)
            self.nudged()
        if before is None or (before.record.holder, before.record.term) != (record.holder, record.term):
            self._changed()

    async def _act(self, name: str) -> None:
        async with self._acting:
            seen, mine = self._seen[name], self._mine.seat if self._mine else None
            if self._leaving:
                return
            step = next_step(seen, self._options.me, mine, self._clocks.boot())
            if step is Step.TAKE:
                await self._take(seen.record)
            elif step is Step.CLEAR:
                log.warning("lease_cleared", lease=name, holder=seen.record.holder)
                await self._swap(cleared(seen.record), Sign.NONE)

    async def _take(self, record: Record) -> None:
        options, sent = self._options, self._clocks.boot()
        wanted = taken(record, options.me, options.address, options.duration)
        written = await self._swap(wanted, Sign.TAKEN)
        if written is None:
            return
        self._mine, self._renewed = written, sent
        log.info(
            "lease_acquired", lease=record.seat, holder=options.me, term=written.term, before=record.holder
        )
        self._changed()

    async def _swap(self, record: Record, sign: Sign) -> Record | None:
        """Write it; None when somebody was faster."""
        try:
            written = await self._leases.replace(record, sign)
        except Transient as error:
            if error.reason != "LeaseChanged":
                raise
            self._note(await self._leases.get(record.seat), read=True)
            return None
        self._note(written)
        return written

    # --- keeping ---

    async def _keep(self) -> None:
        """Renew what we hold, every `retry` seconds; what cannot be renewed in time is lost."""
        while True:
            if self._mine is None:
                await self.news()
                continue
            await asyncio.sleep(min(self._options.retry, self.left()))
            await self._renew_or_lose()

    async def _renew_or_lose(self) -> None:
        if self._mine is None:
            return
        if self.left() <= 0:
            self._lost("not renewed in time")
            return
        try:
            await self._renew()
        except SyncError as error:
            left = round(self.left(), 1)
            log.warning("lease_not_renewed", reason=error.reason, error=error.message, left=left)

    async def _renew(self) -> None:
        async with self._acting:
            mine, sent = self._mine, self._clocks.boot()
            if mine is None:
                return
            try:
                async with asyncio.timeout(self.left()):
                    written = await self._swap(mine, Sign.RENEWED)
            except TimeoutError:
                return
            if written is not None:
                self._mine, self._renewed = written, sent
                return
            now = self._seen[mine.seat].record
            if now.name_of_term == mine.name_of_term and now.holder == mine.holder:
                self._mine = now  # somebody wrote a note on it; the next renewal fits
            else:
                self._lost(f"now held by {now.holder or 'nobody'}")
                return
        await self._renew()

    def _lost(self, why: str) -> None:
        if self._mine:
            log.warning("lease_lost", lease=self._mine.seat, why=why)
        self._mine = None
        self._changed()

    async def release(self) -> None:
        """Give the seat back, so that the next one need not wait. Raises as the API server does."""
        self._leaving = True
        async with self._acting:
            mine, self._mine = self._mine, None
            self._changed()
            if mine and await self._swap(cleared(mine), Sign.NONE) is None:
                now = self._seen[mine.seat].record
                if now.name_of_term == mine.name_of_term:  # a note came between
                    await self._swap(cleared(now), Sign.NONE)
            if mine:
                log.info("lease_released", lease=mine.seat)

    # --- telling the others ---

    async def nudge(self) -> None:
        """Tell the holders of seats that there is something to look at; failures are logged, as they look anyway."""
        mark = f"{self._options.me}-{self._clocks.rng.getrandbits(32):08x}"
        for record in self.holders().values():
            if record.holder == self._options.me:
                continue
            try:
                if await self._swap(replace(record, nudge=mark), Sign.NONE) is None:  # it was being renewed
                    await self._swap(replace(self._seen[record.seat].record, nudge=mark), Sign.NONE)
            except SyncError as error:
                log.warning("lease_not_nudged", lease=record.seat, reason=error.reason, error=error.message)
