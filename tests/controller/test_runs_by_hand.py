"""trigger, stop, logs and executions on a real AI Core stand-in, with and without a running service."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from controller_world import World, world

from aicore_sync.aicore import Group, LogLine
from aicore_sync.app import BuildOptions, build
from aicore_sync.app.act import trigger_run
from aicore_sync.app.follow import follow_log
from aicore_sync.app.patience import Pace
from aicore_sync.app.runs import Asked
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.world import Execution

MANUAL = [{"name": "main", "parameters": {"alpha": "1"}, "run": "manual"}]


@pytest.mark.slow
async def test_without_a_service_a_person_starts_waits_looks_and_stops(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", configurations=MANUAL)
        await w.apply()
        code, out, err = await w.command("trigger", "alpha", "--wait")
        assert (code, "COMPLETED" in out) == (0, True), err
        await w.sandbox.executor(outcome="DEAD")
        assert (await w.command("trigger", "alpha", "--wait"))[0] == 4
        await w.sandbox.executor(outcome="RUNNING")
        code, out, err = await w.command("trigger", "alpha")
        assert code == 0, err
        identity = out.split()[-1]
        code, out, _ = await w.command("get", "executions", "alpha", "-o", "json")
        rows = json.loads(out)["executions"]
        assert Counter(r["by"] for r in rows) == {"aicore-sync": 3}
        assert Counter(r["status"] for r in rows) == {"COMPLETED": 1, "DEAD": 1, "RUNNING": 1}
        assert (await w.command("stop", identity))[0] == 0
        states = {e["id"]: e["status"] for e in (await w.group()).runs("alpha")}
        assert states[identity] == "STOPPED"


@pytest.mark.slow
async def test_a_running_service_is_asked_and_does_it_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", configurations=MANUAL)
        async with w.service():
            await w.healthy()
            await w.sandbox.executor(outcome="RUNNING")
            code, _, err = await w.command("trigger", "alpha")
            assert (code, "running service" in " ".join(err.split())) == (0, True), err
            await w.seen(lambda: _running(w, 1), "the run that was asked for")
            await w.quiet()
            (run,) = (await w.group()).runs("alpha")
            assert await _asks(w) == []
            assert (await w.command("stop", run["id"]))[0] == 0
            await w.seen(lambda: _running(w, 0), "stopped")
            await w.quiet()
            assert len((await w.group()).runs("alpha")) == 1
            assert await _asks(w) == []


async def _running(w: World, count: int) -> bool:
    return [e["status"] for e in (await w.group()).runs("alpha")].count("RUNNING") == count


async def _asks(w: World) -> list[str]:
    assert w.app
    state = await w.app.estate.branches["templates"].state.read()
    return [path for path in state.files if path.startswith("asks/")]


async def test_what_cannot_be_meant_is_refused_with_words(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        two = [{"name": n, "parameters": {"alpha": "1"}, "concurrency": "forbid"} for n in ("one", "two")]
        w.write("alpha", configurations=two)
        assert "ConfigurationMissing" in await refused(w, Asked("alpha", "", "one"))
        await w.apply()
        assert "alpha/default" in await refused(w, Asked("alhpa"))
        assert "one, two" in await refused(w, Asked("alpha"))
        assert "one, two" in await refused(w, Asked("alpha", "", "three"))
        assert "known are: alpha/default" in await refused(w, Asked("alpha", "prod"))
        await w.sandbox.executor(outcome="RUNNING")
        assert await refused(w, Asked("alpha", "default", "one")) == ""
        assert "ConcurrencyHeld" in await refused(w, Asked("alpha", "default", "one"))
        w.write("alpha", configurations=two, declares=["alpha", "beta"])
        await w.apply()
        assert "BindingInvalid" in await refused(w, Asked("alpha", "default", "two"))
        assert len((await w.group()).runs("alpha")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "clean"),
    [({"applyThenReset": True}, False), ({"status": 400}, True)],
    ids=["lost", "refused"],
)
async def test_after_a_start_without_an_answer_the_next_holder_of_the_lock_waits(
    tmp_path: Path, outcome: dict[str, object], clean: bool
) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", configurations=MANUAL)
        await w.apply()
        w.reconcile["settle"] = "10m"
        await w.sandbox.faults({"route": "/lm/executions$", "method": "POST", "count": 1} | outcome)
        async with build(w.settings(), BuildOptions(history=False)) as app:
            with pytest.raises(SyncError):
                await trigger_run(app, Asked("alpha"), lambda text: None)
        assert len((await w.group()).runs("alpha")) == (0 if clean else 1)
        async with build(w.settings(), BuildOptions(history=False)) as app:
            (branch,) = app.estate.branches.values()
            assert (await branch.lock.acquire()).clean is clean


async def refused(w: World, asked: Asked) -> str:
    """What a person is told; "" when the run was started."""
    async with build(w.settings(), BuildOptions(history=False)) as app:
        try:
            await trigger_run(app, asked, lambda text: None)
        except Stalled as error:
            return f"{error.reason}: {error.message}"
        return ""


@pytest.mark.slow
async def test_a_run_of_somebody_else_is_listed_read_and_not_stopped(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", configurations=MANUAL)
        app = await w.apply()
        await w.sandbox.executor(outcome="RUNNING")
        (configuration,) = (await w.group()).configurations
        async with _client(w) as group:
            identity = await group.executions.create(configuration["id"])
        code, _, err = await w.command("stop", identity)
        assert (code, "Contested" in err) == (2, True), err
        assert (await w.group()).runs("alpha")[0]["status"] == "RUNNING"
        assert app.estate.owner == "team"
        code, out, _ = await w.command("get", "executions", "-o", "json")
        assert [r["by"] for r in json.loads(out)["executions"]] == ["foreign"]
        write_log(tmp_path, identity, 12_345)
        code, out, _ = await w.command("logs", identity)
        lines = [line.rpartition(" ")[2] for line in out.splitlines()]
        assert (code, lines) == (0, [f"line-{i}" for i in range(12_345)])


@asynccontextmanager
async def _client(w: World) -> AsyncIterator[Group]:
    async with build(w.settings(), BuildOptions(history=False)) as app:
        yield app.estate.tenants["t"].client.group("default")


def write_log(room: Path, execution: str, count: int, first: int = 0) -> None:
    """Lines of an execution, a hundred of them in the same millisecond."""
    (directory,) = (room / "sandbox").rglob("logs")
    start = datetime.now(UTC) - timedelta(seconds=30)
    with (directory / f"{execution}.jsonl").open("a") as file:
        for i in range(first, first + count):
            time = start + timedelta(milliseconds=i // 100)
            entry = {
                "timestamp": time.isoformat(),
                "msg": f"line-{i}",
                "container": "main",
                "pod": "p",
                "stream": "o",
            }
            file.write(json.dumps(entry) + "\n")


async def test_following_ends_with_the_run_and_loses_and_doubles_no_line(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", configurations=MANUAL)
        await w.apply()
        await w.sandbox.executor(outcome="RUNNING")
        (configuration,) = (await w.group()).configurations
        async with _client(w) as group:
            execution: Execution = await group.executions.get(
                await group.executions.create(configuration["id"])
            )
            looks, lines = 0, list[LogLine]()

            async def pause(_seconds: float) -> None:
                nonlocal looks
                looks += 1
                if looks < 4:
                    write_log(tmp_path, execution.id, 500, first=500 * looks)
                elif looks == 4:
                    write_log(tmp_path, execution.id, 100, first=0)  # late: of a pod whose lines came last
                    await group.executions.stop(execution.id)

            write_log(tmp_path, execution.id, 400, first=100)
            async with asyncio.timeout(20):
                async for line in follow_log(group, execution, Pace(sleep=pause)):
                    lines.append(line)
        assert Counter(line.text for line in lines) == Counter(f"line-{i}" for i in range(2000))
