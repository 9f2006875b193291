"""A short or failed look never means delete: while a tenant refuses, lists are cut, or the source goes bit by bit."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from controller_world import HOURLY, World, world

from aicore_sync.core.model import Stage

LISTS = r"/lm/(executionSchedules|configurations|artifacts|executions|scenarios)$"
LOOKS: dict[str, dict[str, Any]] = {
    "half a page": {"route": LISTS, "method": "GET", "status": 200, "body": {"count": 9, "resources": []}},
    "no items": {"route": LISTS, "method": "GET", "status": 200, "body": {}},
    "another kind": {"route": LISTS, "method": "GET", "status": 200, "body": "<html>maintenance</html>"},
    "forbidden": {"route": "/v2/", "method": "GET", "status": 403},
    "unknown": {"route": "/v2/", "method": "GET", "status": 404},
}


async def unchanged(w: World, sent: int, commits: list[str]) -> bool:
    return (await w.writes(sent), w.commits()) == ([], commits)


@pytest.mark.slow
async def test_answers_that_tell_less_than_there_is_change_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in ("alpha", "beta", "gamma", "delta"):
            w.write(name, run="onChange", schedule=HOURLY)
        async with w.service():
            await w.healthy()
            before = await w.group()
            for name, fault in LOOKS.items():
                sent, commits = len(await w.sandbox.requests()), w.commits()
                await w.sandbox.faults(fault)
                await asyncio.sleep(4)  # several rounds of a second
                assert await unchanged(w, sent, commits), name
                await w.sandbox.calm()
                await w.healthy()
                await w.quiet()
                assert await unchanged(w, sent, commits), f"after {name}"
        after = await w.group()
        after.check()
        assert after.schedules == before.schedules
        assert len(after.executions) == len(before.executions)


@pytest.mark.slow
async def test_a_flow_that_was_deleted_while_nobody_watched_goes_in_order(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["goneAfter"] = "3s"
        for name in ("alpha", "beta", "gamma", "hidden"):
            w.write(name, schedule=HOURLY)
        async with w.service():
            await w.healthy()
        shutil.rmtree(w.source / "alpha")
        shutil.move(w.source / "hidden", tmp_path / "hidden")
        (w.source / "hidden").symlink_to(tmp_path / "hidden")
        async with w.service():
            refused = "hidden: found a link that leaves the source"
            await w.until(lambda: refused in w.sentence("hidden", Stage.DESIRE), "nothing counts as gone")
            await asyncio.sleep(4)
            assert len((await w.group()).schedules) == 4
            (w.source / "hidden").unlink()
            shutil.move(tmp_path / "hidden", w.source / "hidden")

            async def retracted() -> bool:
                gone = w.file("alpha") is None
                scheduled = "team.alpha.main" in (await w.group()).schedules
                assert not (gone and scheduled), "the file went before the schedule"
                return gone

            await w.seen(retracted, "retracted")
            await w.healthy("beta", "gamma", "hidden")
        assert sorted((await w.group()).schedules) == [f"team.{n}.main" for n in ("beta", "gamma", "hidden")]


@pytest.mark.slow
async def test_a_slow_deletion_of_everything_takes_no_more_than_the_brake_lets_pass(tmp_path: Path) -> None:
    """Each flow is surely gone before the next one goes, and within a flow its manifest goes first."""
    names = [f"flow-{n}" for n in range(8)]
    async with world(tmp_path) as w:
        for name in names:
            w.write(name, schedule=HOURLY)
        async with w.service() as app:
            await w.healthy()
            floor = app.estate.limits.removal_floor
            for name in names[:floor]:
                await removed(w, name)
                await w.seen(lambda n=name: w.file(n) is None, "gone")  # type: ignore[misc]
        async with w.service():  # which knows nothing but what git tells
            for name in names[floor:]:
                await removed(w, name)
            await w.until(lambda: "NeedsConfirmation" in w.reasons(names[-1]), "held")
            await w.quiet()
            assert [name for name in names if w.file(name)] == names[floor:]
            assert sorted((await w.group()).schedules) == [f"team.{name}.main" for name in names[floor:]]


async def removed(w: World, name: str) -> None:
    for file in ("aicore.yaml", "template.yaml"):
        w.path(name, file).unlink()
        await asyncio.sleep(1.2)
    w.path(name).parent.rmdir()
