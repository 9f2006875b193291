"""Brakes after a restart: what they counted is read from our commits and AI Core's executions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aicore_sync.controller.estate import Timings
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.flows import FlowReader, Looks
from aicore_sync.controller.recall import Recall
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import FlowKey
from aicore_sync.core.parts import Part
from aicore_sync.core.removed import noted_removal
from aicore_sync.core.starts import starts_in
from aicore_sync.git import Revision, StateSnapshot
from aicore_sync.git.message import compose

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def commit(minutes: int, files: Mapping[str, bool], owner: str = "team") -> Revision:
    """So many minutes ago; `files` are names and whether they were written."""
    paths = [(f"templates/{name}", written) for name, written in files.items()]
    message = compose(files, paths, [("Aicore-Sync-Owner", owner)])
    return Revision("c0", "aicore-sync", NOW - timedelta(minutes=minutes), message, None)


COMMITS = (
    commit(5, {"wt-alpha.yaml": False, "wt-beta.yaml": True}),
    commit(10, {"wt-other.json": False}, owner="others"),
    commit(20, {"wt-moved.yaml": False, "wt-moved.json": True}),
    commit(59, {"wt-gamma.json": False, "README.md": False}),
    commit(61, {"wt-old.yaml": False}),
)


class Branch:
    """A published branch that cannot be read the first times."""

    def __init__(self, failures: int = 1) -> None:
        self.asked: list[str] = []
        self.failures = failures
        self.files: dict[str, bytes] = {}
        self.clone = self.home = self.state = self

    async def revisions(self, path: str, limit: int) -> tuple[Revision, ...]:
        self.asked.append(path)
        if len(self.asked) <= self.failures:
            raise Transient("no answer")
        return COMMITS

    async def read(self) -> StateSnapshot:
        return StateSnapshot("c0", self.files)


async def test_removals_of_the_last_hour_are_read_once_from_our_commits() -> None:
    branch, memory, now = Branch(), Memory(), [NOW]
    recall = Recall(estate({"t": branch}, now), memory)
    with pytest.raises(Transient):
        await recall.removals("t", ())
    assert not memory.removed
    now[0] += timedelta(seconds=61)
    await recall.removals("t", ())
    await recall.removals("t", ())
    assert memory.removed == {Part("alpha"): NOW - timedelta(minutes=5)}, "gamma is more than an hour ago now"
    assert branch.asked == ["templates"] * 2


async def test_a_repository_that_cannot_be_read_stops_its_own_tenant_only() -> None:
    dead, well, memory, now = Branch(failures=9), Branch(failures=0), Memory(), [NOW]
    recall = Recall(estate({"dead": dead, "well": well}, now), memory)
    await recall.removals("well", ())
    assert set(memory.removed) == {Part("alpha"), Part("gamma")}
    for asked in ("dead", "well", "", "dead"):
        with pytest.raises(Transient) if asked == "dead" else nullcontext():
            await recall.removals(asked, ())
    assert len(dead.asked) == 1, "not asked again for a while"
    now[0] += timedelta(seconds=61)
    await recall.removals("well", ())
    assert (len(dead.asked), len(well.asked)) == (2, 1)


async def test_a_template_that_was_put_back_is_not_removed() -> None:
    memory = Memory()
    recall = Recall(estate({"t": Branch(failures=0)}, [NOW]), memory)
    await recall.removals("t", {Part("alpha", "alpha@t"), Part("gamma", "gamma@other")})
    assert set(memory.removed) == {Part("gamma")}


async def test_schedules_that_flows_lost_within_the_hour_are_on_the_state_branch() -> None:
    branch, memory, lost = Branch(failures=0), Memory(), frozenset({"schedule main", "schedule late"})
    for minutes, flow, environment in ((61, "old", "dev"), (9, "alpha", "dev"), (9, "alpha", "elsewhere")):
        at = NOW - timedelta(minutes=minutes)
        changes = noted_removal(branch.files, FlowKey(flow, environment), lost, at)
        branch.files = {path: data for path, data in {**branch.files, **changes}.items() if data is not None}
    assert sorted(branch.files) == [
        "removed/dev/alpha.json",
        "removed/dev/old.json",
        "removed/elsewhere/alpha.json",
    ]
    await Recall(estate({"t": branch}, [NOW]), memory).removals("t", {Part("alpha", "dev", "schedule late")})
    counted = {part: at for part, at in memory.removed.items() if part.name}
    assert counted == {Part("alpha", "dev", "schedule main"): NOW - timedelta(minutes=9)}


def estate(branches: Mapping[str, Branch], now: list[datetime]) -> Any:
    tenants = {n: SimpleNamespace(name=n, branch=b, path="templates") for n, b in branches.items()}
    dev = SimpleNamespace(name="dev")
    return SimpleNamespace(
        owner="team", tenants=tenants, clock=lambda: now[0], environments_of=lambda _: [dev]
    )


def run(configuration: str, minutes: float, schedule: str = "") -> Any:
    return SimpleNamespace(
        configuration=configuration, created_at=NOW - timedelta(minutes=minutes), schedule=schedule
    )


def test_starts_of_the_round_are_those_of_our_configurations_that_no_schedule_fired() -> None:
    names = {"a": "team.alpha.main.0123", "b": "team.beta.main.0123", "x": "of somebody"}
    configurations = [cast(Any, SimpleNamespace(id=i, name=name)) for i, name in names.items()]
    runs = [run("a", 2), run("a", 1), run("b", 1, "s"), run("b", 4), run("x", 1), run("gone", 1)]
    found = starts_in("dev", runs, configurations, NOW - timedelta(minutes=3))
    assert found == {FlowKey("alpha", "dev"): NOW - timedelta(minutes=1)}


async def test_runs_of_the_round_are_counted_at_the_first_look_only() -> None:
    configurations = [
        SimpleNamespace(id=i, name=f"team.{n}.main.0123") for i, n in (("a", "alpha"), ("b", "beta"))
    ]

    async def listed(place: object) -> Any:
        return SimpleNamespace(all=configurations)

    estate: Any = SimpleNamespace(clock=lambda: NOW, timings=Timings())
    lists: Any = SimpleNamespace(configurations=listed)
    looks, memory, dev = Looks(*[cast(Any, None)] * 3), Memory(), cast(Any, SimpleNamespace(name="dev"))
    for young in (run("a", 1), run("b", 1)):
        reader = FlowReader(estate, memory, lists, looks)
        await reader._recall_starts(dev, cast(Any, SimpleNamespace(all=[young])))
    assert set(memory.starts_made) == {FlowKey("alpha", "dev")}
