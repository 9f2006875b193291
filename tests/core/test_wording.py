"""What an action of a plan is called: of a schedule also when it would run, and by which clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from run_worlds import KEY, NOW, configuration, seen, want

from aicore_sync.core.actions import CreateSchedule, PatchSchedule
from aicore_sync.core.desired import WantSchedule
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.wording import describe, lasting
from aicore_sync.core.world import Schedule

CLOCK = "UTC without daylight saving time"


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (NOW, None, "next Mon 2026-03-02 02:00, Tue 2026-03-03 02:00, Wed 2026-03-04 02:00"),
        (NOW.replace(hour=2), NOW + timedelta(hours=1), "next Sun 2026-03-01 02:00"),
        (NOW, NOW + timedelta(hours=1), "no tick before its end"),
    ],
)
def test_a_new_schedule_says_when_it_runs(start: datetime, end: datetime | None, words: str) -> None:
    made = CreateSchedule(KEY, "team.churn.main", "c", "0 2 * * *", start, end)
    assert describe(made) == f"create schedule team.churn.main (0 2 * * *, {CLOCK}; {words})"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron": "0 3 1 * *"}, f"cron → 0 3 1 * * ({CLOCK})"),
        (
            {"cron": "0 3 1 * *", "start": NOW, "end": NOW + timedelta(days=40)},
            f"cron → 0 3 1 * * ({CLOCK}; next Wed 2026-04-01 03:00), "
            "start → 2026-03-01T12:00:00+00:00, end → 2026-04-10T12:00:00+00:00",
        ),
        ({"configuration": "c", "status": "ACTIVE"}, "configuration → c, status → ACTIVE"),
    ],
)
def test_a_patch_says_what_it_sets_and_when_a_new_cron_runs(changes: dict[str, Any], words: str) -> None:
    patch = PatchSchedule("dev", "s", "team.churn.main", tuple(changes.items()))
    assert describe(patch) == f"patch schedule team.churn.main: {words}"


@pytest.mark.parametrize(
    ("spec", "there"),
    [
        (WantSchedule("0 3 * * *"), ()),
        (WantSchedule("0 3 * * *"), ("0 2 * * *",)),
        (WantSchedule("0 3 * * *", end=NOW - timedelta(days=1)), ("0 2 * * *",)),
    ],
)
def test_what_a_fingerprint_names_does_not_move_with_the_clock(
    spec: WantSchedule, there: tuple[str, ...]
) -> None:
    known = (configuration("c-new", "new", timedelta(days=1), run="manual"),)
    schedules = tuple(Schedule("s-1", "team.churn.main", cron, "c-new") for cron in there)
    flow, world = want(run="manual", schedule=spec), seen(configurations=known, schedules=schedules)
    first, later = (plan_flow(flow, world, NOW + timedelta(hours=n)).actions for n in range(2))
    assert first != later
    assert [lasting(a) for a in first] == [lasting(a) for a in later] != []
