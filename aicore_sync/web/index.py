"""The board as rows, made anew only as far as it has changed; 10,000 flows are looked through in milliseconds."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aicore_sync.core.cron import CronError, next_ticks
from aicore_sync.core.model import FlowKey, Health, Key, Status, TemplateKey, TenantKey
from aicore_sync.web.rows import Row, Table, Timed, summary
from aicore_sync.web.view import View


@dataclass(frozen=True)
class Tick:
    """When a schedule fires next."""

    at: datetime
    flow: str
    environment: str
    schedule: str
    cron: str


class Index:
    """Rows of a view, with `own` of its own statuses alone.

    Every call looks whether the view's statuses are still the same objects.
    """

    def __init__(self, view: View, own: bool = False) -> None:
        self._view = view
        self._own = own
        self._statuses: Sequence[Status] = ()
        self._table = Table()
        self._rows: tuple[Row, ...] = ()
        self._next: dict[str, datetime | None] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, what needs attention first."""
        now = self._view.statuses(self._own)
        changed = [(old, new) for old, new in zip(self._statuses, now, strict=False) if old is not new]
        if len(now) != len(self._statuses) or any(old.key != new.key for old, new in changed):
            self._rows = self._table.show(now)
        elif changed:
            self._rows = self._table.change({new.key: new for _, new in changed})
        else:
            return self._rows
        self._statuses = tuple(now)
        return self._rows

    def summary(self) -> Mapping[Health, int]:
        """How many rows have which health."""
        return summary(self.rows)

    def flow(self, flow: str, environment: str) -> Row | None:
        """The row of a flow in an environment, or without one."""
        return self._row(FlowKey(flow, environment))

    def template(self, tenant: str, executable: str) -> Row | None:
        """The row of a template that no flow uses; without an executable that of the tenant itself."""
        return self._row(TemplateKey(tenant, executable) if executable else TenantKey(tenant))

    def _row(self, key: Key) -> Row | None:
        return self._table.by_key.get(key) if self.rows else None

    def ticks(self, now: datetime, count: int, rows: Sequence[Row] | None = None) -> list[Tick]:
        """The next ticks of all schedules that fire, of `rows` where they are known already; the soonest first."""
        found = (
            (at, row.name, timed)
            for row in (self.rows if rows is None else rows)
            for timed in row.timed
            if (at := self._first(timed, now))
        )
        # What is among the next so many ticks is of one of the so many schedules that fire first.
        soonest = heapq.nsmallest(count, found, key=lambda one: (*one[:2], one[2].name))
        heap = [(at, name, timed.name, rank) for rank, (at, name, timed) in enumerate(soonest)]
        ticks: list[Tick] = []
        while heap and len(ticks) < count:
            at, name, _, rank = heapq.heappop(heap)
            timed = soonest[rank][-1]
            ticks.append(Tick(at, name.flow, name.environment, timed.name, timed.cron))
            if again := _after(timed, at):
                heapq.heappush(heap, (again, name, timed.name, rank))
        return ticks

    def ticks_of(self, row: Row, now: datetime, each: int) -> dict[str, tuple[datetime, ...]]:
        """The next ticks of each schedule of a row that fires."""
        found: dict[str, tuple[datetime, ...]] = {}
        for timed in row.timed:
            at, times = self._first(timed, now), list[datetime]()
            while at and len(times) < each:
                times.append(at)
                at = _after(timed, at)
            found[timed.name] = tuple(times)
        return found

    def _first(self, timed: Timed, now: datetime) -> datetime | None:
        """The next tick; many schedules share one cron, and it stays the next until it has passed."""
        if timed.start and timed.start > now:
            return _after(timed, timed.start - timedelta(seconds=1))
        known = self._next.get(timed.cron, now)
        if known is not None and known <= now:
            if len(self._next) > 20_000:
                self._next.clear()
            known = self._next[timed.cron] = _tick(timed.cron, now)
        return _within(timed, known)


def _after(timed: Timed, at: datetime) -> datetime | None:
    return _within(timed, _tick(timed.cron, at))


def _within(timed: Timed, at: datetime | None) -> datetime | None:
    return None if at and timed.end and at > timed.end else at


def _tick(cron: str, after: datetime) -> datetime | None:
    """None for what is no cron, such as that of a foreign schedule."""
    try:
        return next(iter(next_ticks(cron, after, 1)), None)
    except CronError:
        return None
