"""What a settled round costs: counted from the sandbox's own log of requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from controller_world import HOURLY, World
from githosts import make_remote
from sandboxes import running_sandbox

from aicore_sync.controller.observe.executables import IN_TURN

PER_GROUP, PER_TENANT = 12, 6
ROUNDS = 3
ROUND = timedelta(seconds=180)
GROUPS = ("default", "second")
SCENARIO = "/v2/lm/scenarios/"
DATA = [{"name": "data", "kind": "dataset", "url": "ai://default/data"}]


def grow(w: World, flows: int) -> None:
    """Flows in two resource groups, with a scenario of its own, a run, a schedule and an artifact each."""
    for number in range(flows):
        own = {"id": f"scenario-{number}", "name": "Of its own"}
        places = list(GROUPS)
        name = f"flow-{number}"
        w.write(name, run="onChange", schedule=HOURLY, artifacts=DATA, environments=places, scenario=own)


@asynccontextmanager
async def world_with_a_past(room: Path, count: int) -> AsyncIterator[World]:
    """AI Core has this many configurations of ours that nothing wants any more: it keeps them for ever."""
    file = room / "state.json"
    async with running_sandbox(room, "--state", str(file)) as sandbox:
        await sandbox.sync()  # saves
    state = json.loads(file.read_text())
    old = {f"{number:016x}": configuration(number) for number in range(count)}
    state["tenants"]["default"]["groups"].setdefault("default", {})["configurations"] = old
    file.write_text(json.dumps(state))
    (room / "flows").mkdir()
    remote = make_remote(room / "git", "templates.git")
    order = ("--executor", "instant", "--sync-interval", "3600", "--state", str(file))
    async with running_sandbox(room, *order, "--git", str(room / "git")) as sandbox:
        yield World(room, sandbox, remote)


def configuration(number: int) -> dict[str, Any]:
    return {
        "id": f"{number:016x}",
        "name": f"team.flow-0.main.{number:012x}",
        "executableId": "flow-0",
        "scenarioId": "scenario-0",
        "parameterBindings": [{"key": "alpha", "value": f"old {number}"}],
        "createdAt": "2020-01-01T00:00:00Z",
    }


async def settled_rounds(w: World) -> Counter[tuple[str, str]]:
    """The requests of some settled rounds an hour later, by resource group ("" for the tenant) and path."""
    async with w.service():
        await w.healthy()
        for _ in range(2):  # what was just seen for the first time is looked into once
            await w.round(ROUND)
        commits, since = w.commits(), len(await w.sandbox.requests())
        for number in range(ROUNDS):
            seen = len(await w.sandbox.requests())
            await w.round(ROUND if number else timedelta(hours=1))
            listed = [r for r in await w.sandbox.requests(seen) if r["path"].startswith(SCENARIO)]
            assert 0 < len(listed) <= IN_TURN
        requests = await w.sandbox.requests(since)
    assert {r["method"] for r in requests} == {"GET"}
    assert w.commits() == commits
    return Counter((r["resourceGroup"] if r["resourceGroup"] in GROUPS else "", r["path"]) for r in requests)


@pytest.mark.slow
async def test_a_settled_round_costs_the_same_whatever_the_number_of_flows_and_the_past(
    tmp_path: Path,
) -> None:
    async with world_with_a_past(tmp_path, 10_000) as w:
        w.environments = GROUPS
        w.reconcile |= {"interval": "3m", "maxStarts": 100}
        await w.resource_group("second")
        for group in GROUPS:
            await w.object_store(group)
        grow(w, 6)
        few = await settled_rounds(w)
        grow(w, 12)
        many = await settled_rounds(w)
        for costs in (few, many):
            total = Counter[str]()
            for (group, _), count in costs.items():
                total[group] += count
            assert 0 < total[""] <= ROUNDS * PER_TENANT, costs
            assert all(0 < total[group] <= ROUNDS * PER_GROUP for group in GROUPS), costs
        assert without_turns(few) == without_turns(many)


def without_turns(costs: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {k: n for k, n in costs.items() if k[0] and not k[1].startswith(SCENARIO)}
