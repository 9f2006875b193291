"""Runs against a real AI Core stand-in: tried again, replaced, explained, deleted; never those of others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from controller_world import Group, World, world

from aicore_sync.aicore import ExecutionMetrics
from aicore_sync.controller.executions import ExecutionWriter
from aicore_sync.controller.posts import Posts
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import DeleteExecutions, StopExecution
from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.model import FlowKey, Stage


def main(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "parameters": {"alpha": "1"}, "run": "onChange"} | fields]


async def by_hand(w: World, group: Group, count: int = 1) -> list[str]:
    """Somebody starts runs of our newest configuration in the Launchpad."""
    assert w.app
    client = w.app.estate.tenants["t"].client.group("default")
    newest = max(group.configurations, key=lambda c: c["createdAt"])
    return [await client.executions.create(newest["id"]) for _ in range(count)]


async def test_a_dead_run_is_tried_again_and_a_restart_does_not_begin_to_count_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.sandbox.executor(outcome="DEAD", message="exit code 3")
        w.write("alpha", configurations=main(onFailure={"retry": {"times": 2, "backoff": "1s"}}))
        async with w.service():
            await w.seen(lambda: _runs(w, 2), "a second try")
        async with w.service():
            await w.seen(lambda: _runs(w, 3), "a third run")
            await w.until(lambda: "ExecutionDead" in w.reasons("alpha"), "given up")
            await w.quiet()
            assert "exit code 3" in (w.status("alpha") or _none()).message
        assert len((await w.group()).runs("alpha")) == 3


async def _runs(w: World, count: int) -> bool:
    return len((await w.group()).runs("alpha")) == count


def _none() -> Any:
    raise AssertionError("no status")


async def test_forbid_waits_and_replace_stops_ours_but_never_a_foreign_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.sandbox.executor(outcome="RUNNING")
        await w.sandbox.faults({"route": "/lm/metrics$", "method": "PATCH", "status": 500, "count": 2})
        w.write("alpha", configurations=main(concurrency="forbid"))
        async with w.service():
            await w.seen(lambda: _runs(w, 1), "the first run")
            w.write("alpha", configurations=main(concurrency="forbid", rerun="once more"))
            await w.until(lambda: "ConcurrencyHeld" in w.reasons("alpha"), "held")
            w.write("alpha", configurations=main(concurrency="replace", rerun="once more"))
            await w.seen(lambda: _runs(w, 2), "the run that replaces it")
            first, second = sorted((await w.group()).runs("alpha"), key=lambda e: e["createdAt"])
            assert {first["status"], second["status"]} == {"STOPPED", "RUNNING"}

            (foreign,) = await by_hand(w, await w.group())
            w.write("alpha", configurations=main(concurrency="replace", rerun="a third time"))
            await w.until(
                lambda: any("somebody else" in c.message for c in (w.status("alpha") or _none()).conditions),
                "waits for the foreign run",
            )
            await w.quiet()
            states = {e["id"]: e["status"] for e in (await w.group()).runs("alpha")}
            assert states.pop(foreign) == "RUNNING"
            assert sorted(states.values()) == ["STOPPED", "STOPPED"]
            rows = [o for o in (w.status("alpha") or _none()).objects if o.kind == "execution"]
            assert [o.id for o in rows if o.detail.startswith("foreign")] == [foreign]


async def test_old_runs_go_with_their_logs_saved_and_foreign_ones_stay(tmp_path: Path) -> None:
    async with world(tmp_path, "--s3") as w:
        manual = [{"name": "main", "parameters": {"alpha": "1"}, "run": "manual"}]
        w.reconcile["logArchive"] = "archive"
        w.write("alpha", configurations=manual)
        async with w.service() as app:
            await w.healthy()
            foreign = set(await by_hand(w, await w.group(), 3))
            ours = await started_by_us(w, 12)
            rule = {"keep": 2, "logs": "directory"}
            since = len(await w.sandbox.requests())
            in_the_way = tmp_path / "archive"
            in_the_way.write_text("a file where a directory should be")
            w.write("alpha", configurations=[manual[0] | {"retention": rule}])
            await w.until(lambda: "LogNotSaved" in w.reasons("alpha"), "logs cannot be saved")
            assert await left(w) == foreign | set(ours), "what is not saved is not deleted"
            in_the_way.unlink()
            await w.seen(lambda: _left(w, ours, 2), "two of ours are left")
            assert foreign <= await left(w)
            await w.quiet()
            assert [r for r in await w.writes(since) if "/lm/executions" in r] == ["PATCH /v2/lm/executions"]
            saved = {f.stem for f in (tmp_path / "archive/default/alpha").iterdir()}
            assert saved == set(ours) - await left(w)

            before = await left(w)
            rule |= {"foreign": True, "logs": "objectStore"}
            w.write("alpha", configurations=[manual[0] | {"retention": rule}])
            await w.seen(lambda: _left(w, [*ours, *foreign], 2), "foreign ones went too")
            store = app.estate.tenants["t"].store
            assert store
            names = {i: f"aicore-sync-logs/team/default/alpha/{i}.log" for i in {*ours, *foreign}}
            assert {i for i, name in names.items() if await store.holds(name)} == before - await left(w)
            assert not [f for f in (tmp_path / "cache/logs").rglob("*") if f.is_file()], "drafts stay"


async def started_by_us(w: World, count: int) -> list[str]:
    """Runs of ours, as starts of ours leave them."""
    assert w.app
    client = w.app.estate.tenants["t"].client.group("default")
    made = await by_hand(w, await w.group(), count)
    for identity in made:
        await client.metrics.patch(ExecutionMetrics(identity, tags={"aicore-sync.owner": "team"}))
    return made


async def left(w: World) -> set[str]:
    """Executions that are not marked for deletion."""
    return {e["id"] for e in (await w.group()).runs("alpha") if e.get("targetStatus") != "DELETED"}


async def _left(w: World, among: list[str], count: int) -> bool:
    return len(await left(w) & set(among)) == count


async def test_the_writer_looks_again_whose_a_run_is(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", configurations=[{"name": "main", "parameters": {"alpha": "1"}, "run": "manual"}])
        async with w.service() as app:
            await w.healthy()
            posts = Posts(app.estate, app.memory)
            writer = ExecutionWriter(app.estate, app.memory, Snapshots(time.monotonic), posts)
            key = FlowKey("alpha", "default")
            (foreign,) = await by_hand(w, await w.group())
            (ours,) = await started_by_us(w, 1)
            lock = app.estate.branches["templates"].lock
            await lock.release()
            with pytest.raises(Transient, match="does not hold the lock"):
                await writer.delete(DeleteExecutions(key, "main", "alpha", (foreign, ours), foreign=True))
            assert await left(w) == {foreign, ours}
            await lock.acquire()
            await writer.delete(DeleteExecutions(key, "main", "alpha", (foreign, ours)))
            assert await left(w) == {foreign}
            await writer.delete(DeleteExecutions(key, "other", "alpha", (foreign,), foreign=True))
            assert await left(w) == {foreign}, "of a configuration that the rule does not speak of"
            await w.sandbox.executor(outcome="RUNNING")
            (running,) = await by_hand(w, await w.group())
            with pytest.raises(Stalled, match="left alone"):
                await writer.stop(StopExecution(key, running, "test"))
            await writer.delete(DeleteExecutions(key, "main", "alpha", (running,), foreign=True))
            assert await left(w) == {foreign, running}, "what runs is never deleted"


@pytest.mark.slow
async def test_an_item_that_is_refused_is_reported_and_the_others_go(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        manual = [{"name": "main", "parameters": {"alpha": "1"}, "run": "manual"}]
        w.write("alpha", configurations=manual)
        async with w.service():
            await w.healthy()
            ours = await started_by_us(w, 4)
            body = {"executions": [{"id": ours[0], "error": {"code": "01010403", "message": "no"}}]}
            body["executions"] += [{"id": i, "message": "Execution deletion scheduled"} for i in ours[1:3]]
            fault = {"route": "/lm/executions$", "method": "PATCH", "status": 202, "body": body, "count": 1}
            await w.sandbox.faults(fault)
            w.write("alpha", configurations=[manual[0] | {"retention": {"keep": 1}}])
            await w.seen(lambda: _left(w, ours, 1), "all went in the end")


@pytest.mark.slow
async def test_a_run_that_does_not_begin_is_explained_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["stuckAfter"] = "1s"
        await w.sandbox.executor(outcome="UNKNOWN")
        w.write("alpha", configurations=main())
        async with w.service():
            await w.until(lambda: "RunStuck" in w.reasons("alpha"), "stuck")
            status = w.status("alpha") or _none()
            condition = status.condition(Stage.EXECUTE)
            assert condition
            assert "object store secret default" in condition.message
            (run,) = (await w.group()).runs("alpha")
            await w.quiet()
            looks = [
                r for r in await w.sandbox.requests() if r["path"].endswith(f"/lm/executions/{run['id']}")
            ]
            assert len(looks) == 1


async def test_a_settled_round_asks_for_no_tag_and_no_detail_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.sandbox.executor(outcome="DEAD")
        w.write("alpha", configurations=main())
        async with w.service():
            await w.until(lambda: "ExecutionDead" in w.reasons("alpha"), "dead")
            await by_hand(w, await w.group(), 2)
            await w.quiet()
            since = len(await w.sandbox.requests())
            await w.quiet()
            asked = {r["path"] for r in await w.sandbox.requests(since)}
            assert not [p for p in asked if p.endswith("/lm/metrics") or "/executions/" in p], asked
