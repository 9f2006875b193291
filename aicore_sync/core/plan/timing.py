"""When a schedule runs: cron, start and end as changes of what AI Core has. Names no moment that has passed.

AI Core keeps what a PATCH leaves out, and nothing says that it can clear a field: what the manifest names no more is
set to what comes closest, a start as soon as can be and an end that never comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from aicore_sync.core.desired import WantSchedule
from aicore_sync.core.world import Schedule

Change = tuple[str, str | datetime]
NEVER = datetime(2999, 12, 31, tzinfo=UTC)


def soonest(now: datetime, settle: float) -> datetime:
    """The first moment that a schedule may begin at: a lost answer and lists that lag are over by then."""
    return now.replace(microsecond=0) + 2 * timedelta(seconds=settle)


def is_over(spec: WantSchedule, now: datetime) -> bool:
    """Whether the manifest's end has passed."""
    return spec.end is not None and spec.end <= now


def ended(schedule: Schedule, spec: WantSchedule, now: datetime, soon: datetime) -> bool:
    """Whether it sleeps because its own end has come (or was set to come), not because somebody stopped it.

    Who stops it shortly before the manifest's end is somebody.
    """
    if schedule.status == "ACTIVE" or schedule.end is None:
        return False
    return schedule.end <= now or (schedule.end <= soon and schedule.end != spec.end)


def time_changes(schedule: Schedule, spec: WantSchedule, now: datetime, soon: datetime) -> list[Change]:
    """What to set so that it runs when the manifest says."""
    if is_over(spec, now):
        return _end_soon(schedule, soon)
    end = spec.end or (NEVER if schedule.end and schedule.end < NEVER else None)
    changes: list[Change] = [("cron", spec.cron)] if schedule.cron != spec.cron else []
    start = _start(schedule, spec, soon, again=bool(changes))
    begins = schedule.start
    if start and (end or schedule.end or NEVER) > start:
        changes.append(("start", start))
        begins = start
    if end and schedule.end != end and (begins is None or begins < end):  # else it is over before it begins
        changes.append(("end", end))
    return changes


def _end_soon(schedule: Schedule, soon: datetime) -> list[Change]:
    """An end that has passed may not be taken. One that is near tells later that nobody stopped it by hand."""
    if schedule.end is not None and schedule.end <= soon:
        return []
    begins = schedule.start is None or schedule.start < soon
    start: list[Change] = [] if begins else [("start", soon - timedelta(seconds=1))]  # no end comes before it
    return [*start, ("end", soon)]


def _start(schedule: Schedule, spec: WantSchedule, soon: datetime, *, again: bool) -> datetime | None:
    """`again`: it gets another cron, whose ticks of the past must not be made up for."""
    if spec.start and spec.start > soon:
        return spec.start if schedule.start != spec.start else None
    late = schedule.start is not None and schedule.start > soon
    return soon if late or again else None


def is_done(schedule: Schedule, changes: Iterable[Change], soon: datetime | None) -> bool:
    """Whether a schedule is already as a patch would make it; what was set to `soon` a moment ago counts as well."""
    return all(_holds(getattr(schedule, field), value, soon) for field, value in changes)


def _holds(there: str | datetime | None, value: str | datetime, soon: datetime | None) -> bool:
    if value == soon and isinstance(there, datetime):
        return there <= soon
    return there == value
