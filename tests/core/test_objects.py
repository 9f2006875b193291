"""The rows of a flow's objects: what is in use and what is new, however much AI Core has kept."""

from __future__ import annotations

from run_worlds import SCHEDULE, ago, run, seen, want

from aicore_sync.core.objects import NEWEST, objects
from aicore_sync.core.world import Configuration, Deployment, Schedule

OLD = tuple(
    Configuration(f"c-{n}", f"team.churn.main.{n:012x}", "churn", "scene", created_at=ago(days=n))
    for n in range(10_000)
)
RARE = Configuration("c-rare", "team.churn.rare.0123", "churn", "scene", created_at=ago(days=8_000))
USES = Schedule("s-1", "team.churn.main", "0 2 * * *", "c-7000", created_at=ago(days=1))
SERVES = Deployment("d-1", "c-6000", "churn", "scene", "RUNNING")


def shown(configurations: tuple[Configuration, ...]) -> list[str]:
    world = seen(configurations=configurations, schedules=(USES,), deployments=(SERVES,))
    return [row.id for row in objects(want(), world) if row.kind == "configuration"]


def test_old_configurations_that_nothing_uses_get_no_rows() -> None:
    newest = [f"c-{n}" for n in range(NEWEST)]
    assert shown((*OLD, RARE)) == [*newest, "c-6000", "c-7000", "c-rare"]
    few = OLD[5_000 : 5_000 + NEWEST]
    assert shown(few) == [c.id for c in few]


def test_a_configuration_is_current_or_retained() -> None:
    found = objects(want(), seen(run("e-1"), schedules=(SCHEDULE,)))
    states = {row.id: row.state for row in found if row.kind == "configuration"}
    assert states == {"c-new": "current", "c-old": "retained"}
