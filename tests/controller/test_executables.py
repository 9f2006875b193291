"""Lists of executables that rest are read again in turns, and one that cannot be read stops nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aicore_sync.controller.observe.executables import Executables
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.errors import Transient
from aicore_sync.core.world import Executable

NAMES = ("bad", "worse", "c", "d", "e")


class Scenarios:
    """Those of a tenant, some of which AI Core fails to list."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.read: list[str] = []

    async def executables(self, scenario: str) -> tuple[Executable, ...]:
        self.read.append(scenario)
        if scenario in self.failing:
            raise Transient("no answer")
        return ()


async def test_a_scenario_that_cannot_be_listed_leaves_the_turn_to_others() -> None:
    now, scenarios = [datetime(2026, 3, 1, tzinfo=UTC)], Scenarios()

    def clock() -> datetime:
        return now[0]

    group = SimpleNamespace(scenarios=scenarios)
    tenant = cast(Any, SimpleNamespace(name="t", client=SimpleNamespace(group=lambda name: group)))
    estate = SimpleNamespace(
        clock=clock, timings=SimpleNamespace(round_age=0.0), environments_of=lambda name: ()
    )
    kept = Executables(cast(Any, estate), Snapshots(lambda: clock().timestamp()))

    async def wanted() -> Iterable[str]:
        return NAMES

    for name in NAMES:
        await kept.find(tenant, cast(Any, SimpleNamespace(executable="x", scenario=name)))
    scenarios.read.clear()
    scenarios.failing = {"bad", "worse"}
    now[0] += timedelta(hours=2)
    for _ in range(3):
        now[0] += timedelta(minutes=2)
        await kept.turn(tenant, wanted)
    assert scenarios.read == ["bad", "worse", "c", "d", "e"]
    with pytest.raises(Transient):
        await kept.find(tenant, cast(Any, SimpleNamespace(executable="x", scenario="bad")), age=60.0)
    scenarios.failing.clear()
    now[0] += timedelta(minutes=58)
    await kept.turn(tenant, wanted)
    assert scenarios.read[-2:] == ["bad", "worse"], "asked again in their turn"
