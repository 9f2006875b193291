"""Killed at any moment, restarted: the same end, nothing twice. The service runs as the process that people start."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from controller_world import HOURLY, World, world
from githosts import file_at

FLOWS = ("alpha", "beta", "gamma")


def write_all(w: World, text: str) -> None:
    """Every other content declares another parameter, so that schedules sleep until they are re-pointed."""
    parameter = "beta" if text.endswith(("1)", "3)", "5)")) else "alpha"
    for name in FLOWS:
        options = {"declares": [parameter], "values": {parameter: "1"}}
        w.write(name, run="onChange", schedule=HOURLY, text=text, **options)


async def kill_at(w: World, requests: int) -> None:
    """Run the service until it has sent so many requests, then kill it."""
    start = len(await w.sandbox.requests())
    async with w.process() as process:

        async def reached() -> bool:
            return len(await w.sandbox.requests(start)) >= requests or process.returncode is not None

        await w.seen(reached, f"{requests} requests")
        assert process.returncode is None
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def survive(tmp_path: Path, seed: int, kills: int, lose_disk: bool = False) -> None:
    rng = random.Random(seed)
    async with world(tmp_path) as w:
        w.reconcile["settle"] = "1s"
        write_all(w, "print(0)")
        contents = 1
        for _ in range(kills):
            await kill_at(w, rng.randint(1, 45))
            if rng.random() < 0.3:
                write_all(w, f"print({contents})")
                contents += 1
            if lose_disk and rng.random() < 0.5:
                shutil.rmtree(tmp_path / "state", ignore_errors=True)
                shutil.rmtree(tmp_path / "cache" / "git", ignore_errors=True)
        await w.apply(60)
        group = await w.group()
        group.check()
        for name in FLOWS:
            assert 1 <= len(group.runs(name)) <= contents
            current = group.current(f"team.{name}.main")
            assert [r for r in group.runs(name) if r["configurationId"] == current["id"]]
            assert f"print({contents - 1})" in (w.file(name) or "")
            assert group.schedules[f"team.{name}.main"]["status"] == "ACTIVE"
            assert group.version(name) in (w.file(name) or "")
        before = w.commits()
        sent = len(await w.sandbox.requests())
        await w.apply()
        assert (w.commits(), await w.writes(sent)) == (before, [])


async def test_killed_and_restarted(tmp_path: Path) -> None:
    await survive(tmp_path, seed=1, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 100 + int(os.environ.get("AICORE_SYNC_CRASHES", "8"))))
async def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    await survive(tmp_path, seed, kills=6, lose_disk=seed % 2 == 0)


async def test_a_signal_ends_the_service_and_gives_the_lock_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        async with w.process() as process:
            await w.seen(lambda: "alpha" in (w.file("alpha") or ""), "published")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0
        held = json.loads(file_at(w.remote, "lock.json", revision="aicore-sync/team") or b"{}")
        assert held["released"] is True
