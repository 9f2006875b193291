"""What was reserved or listed for a write is let go when the write came to nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from aicore_sync.controller.apply import Applier
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.quota import Places
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import PatchSchedule, Plan
from aicore_sync.core.desired import SeenTemplate, Template, WantTemplate
from aicore_sync.core.model import FlowKey, Hold, Stage, TemplateKey
from aicore_sync.core.world import Schedule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_a_template_that_cannot_be_pushed_gives_its_place_back() -> None:
    key, memory = TemplateKey("t", "alpha"), Memory()
    memory.reserved = {key: "WorkflowTemplate", TemplateKey("t", "beta"): "WorkflowTemplate"}
    seen = SeenTemplate(push_error=Hold(Stage.PUBLISH, "PushRejected", "a hook said no"))
    want = WantTemplate(key, cast(Template, object()))
    nothing = cast(Any, None)
    assert await Places(nothing, memory, nothing).read(want, nothing, seen) == seen
    assert set(memory.reserved) == {TemplateKey("t", "beta")}


async def test_a_list_that_does_not_show_a_change_yet_is_read_again() -> None:
    schedule = Schedule("s", "team.alpha.main", "0 * * * *", "c", "INACTIVE")

    async def get(identity: str) -> Schedule:
        return schedule

    group = SimpleNamespace(schedules=SimpleNamespace(get=get))
    tenant = SimpleNamespace(
        client=SimpleNamespace(group=lambda name: group),
        branch=SimpleNamespace(lock=SimpleNamespace(ensure_held=lambda margin: None)),
    )
    place = SimpleNamespace(tenant="t", resource_group="dev")
    estate = SimpleNamespace(
        owner="team",
        tenants={"t": tenant},
        tenant_of=lambda name: tenant,
        environment=lambda name: place,
        timings=SimpleNamespace(lock_margin=60),
    )
    snapshots = Snapshots(NOW.timestamp)
    snapshots.put(("schedules", "dev"), ())
    pause = PatchSchedule("dev", "s", schedule.name, (("status", "INACTIVE"),))
    (outcome,) = await Applier(cast(Any, estate), Memory(), snapshots).apply(
        FlowKey("alpha", "dev"), Plan((pause,))
    )
    assert outcome.error
    assert outcome.error.reason == "Settling"
    assert snapshots.age(("schedules", "dev")) == float("inf")
