"""A fight over a field of a schedule: five reverts within an hour, then people are told instead."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from simulation import OWNER, START, facts, keys

from aicore_sync.core.actions import PatchSchedule, Plan
from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantFlow, WantSchedule
from aicore_sync.core.model import Mark
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.plan.schedules import MOST_REVERTS
from aicore_sync.core.world import Schedule

Patched = dict[tuple[str, str], tuple[tuple[str | datetime, datetime], ...]]
WANT = WantFlow(
    keys("alpha")[1],
    OWNER,
    "alpha",
    "churn",
    configurations=(
        WantConfiguration(
            "main",
            (("alpha", "1"),),
            schedule=WantSchedule("0 2 * * *", START + timedelta(days=1), suspend=False),
        ),
    ),
)
THEIRS = Schedule("s-1", f"{OWNER}.alpha.main", "0 5 * * *", "c-0", start=START + timedelta(days=1))


def planned(times: int, spread: timedelta, schedule: Schedule = THEIRS) -> Plan:
    """The plan after so many reverts of the cron, the last of them now."""
    reverts = tuple(("0 2 * * *", START - spread * n) for n in reversed(range(times)))
    seen = SeenFlow(live=facts("alpha", "1"), schedules=(schedule,), patched={("s-1", "cron"): reverts})
    return plan_flow(WANT, seen, START)


def patches(plan: Plan) -> list[str]:
    return [name for a in plan.actions if isinstance(a, PatchSchedule) for name, _ in a.changes]


@pytest.mark.parametrize("times", range(MOST_REVERTS))
def test_a_change_of_somebody_else_is_set_back(times: int) -> None:
    plan = planned(times, timedelta(minutes=1))
    assert "cron" in patches(plan)
    assert not [h for h in plan.holds if h.reason == "Contested"]


def test_the_sixth_time_within_an_hour_a_person_is_told() -> None:
    plan = planned(MOST_REVERTS, timedelta(minutes=10))
    assert "cron" not in patches(plan)
    (hold,) = [h for h in plan.holds if h.reason == "Contested"]
    assert (hold.mark, hold.subject, hold.after) == (Mark.FAIL, "main", 20 * 60)
    assert "cron of schedule team.alpha.main" in hold.message


def test_reverts_of_long_ago_are_no_fight() -> None:
    assert "cron" in patches(planned(MOST_REVERTS, timedelta(minutes=15)))


def test_other_fields_are_set_back_meanwhile() -> None:
    moved = replace(THEIRS, start=START + timedelta(days=9), status="INACTIVE")
    assert patches(planned(MOST_REVERTS, timedelta(minutes=1), moved)) == ["start", "status"]


def test_a_new_value_of_the_manifest_is_no_revert() -> None:
    reverts: Patched = {("s-1", "cron"): (("0 3 * * *", START),) * MOST_REVERTS}
    seen = SeenFlow(live=facts("alpha", "1"), schedules=(THEIRS,), patched=reverts)
    assert "cron" in patches(plan_flow(WANT, seen, START))
