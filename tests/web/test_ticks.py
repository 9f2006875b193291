"""The next runs over all schedules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from web_world import RUNS, MadeUpView, flow

from aicore_sync.core.model import Health, ObjectRow, Status
from aicore_sync.web.index import Index

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def hour(number: int) -> datetime:
    return NOW.replace(hour=number, minute=0, second=0)


def timed(name: str, cron: str, start: datetime | None = None, end: datetime | None = None) -> Status:
    schedule = ObjectRow("schedule", f"team-a.{name}.s", "s-1", "ACTIVE", cron, start, end)
    return replace(flow(name, "dev", Health.HEALTHY, *RUNS), objects=(schedule,))


def test_one_schedule_may_give_several_of_the_next_ticks_and_none_outside_its_time() -> None:
    view = MadeUpView(
        (
            timed("hourly", "0 * * * *", NOW - timedelta(days=9)),
            timed("daily", "0 8 * * *"),
            timed("late", "0 * * * *", start=hour(9)),
            timed("over", "0 * * * *", end=hour(7)),
            timed("foreign", "foreign; 0 * * * *"),
            replace(
                timed("paused", "0 * * * *"),
                objects=(ObjectRow("schedule", "s", "1", "INACTIVE", "0 * * * *"),),
            ),
        )
    )
    index = Index(view)
    expected = [
        (6, "hourly"),
        (6, "over"),
        (7, "hourly"),
        (7, "over"),
        (8, "daily"),
        (8, "hourly"),
        (9, "hourly"),
        (9, "late"),
    ]
    assert [(t.at.hour, t.flow) for t in index.ticks(NOW, 8)] == sorted(expected)
    assert [t.at for t in index.ticks(NOW, 1)] == [hour(6)]
    assert [(t.at.hour, t.flow) for t in index.ticks(hour(6), 2)] == [(7, "hourly"), (7, "over")], "later"
    late = index.flow("late", "dev")
    assert late
    assert index.ticks_of(late, NOW, 2) == {"team-a.late.s": (hour(9), hour(10))}


def test_ticks_of_one_time_stand_in_the_order_of_their_names() -> None:
    view = MadeUpView([timed(name, "0 6 * * *") for name in "cab"])
    assert [t.flow for t in Index(view).ticks(NOW, 4)] == ["a", "b", "c", "a"]
