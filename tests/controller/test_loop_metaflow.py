"""A Metaflow flow through the whole line: rendered for real, broken, corrected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from controller_world import HOURLY, World, replace, world
from platformdirs import user_cache_path

from aicore_sync.render import RenderOptions
from aicore_sync.render.environments import environment_python
from aicore_sync.render.installer import Install, install

FLOW = """
from metaflow import FlowSpec, step


class TrainFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print({number})


if __name__ == "__main__":
    TrainFlow()
"""


def save(w: World, number: int, *, suspend: bool = False, text: str = FLOW) -> None:
    configuration = {"name": "main", "run": "onChange", "schedule": HOURLY | {"suspend": suspend}}
    manifest = {
        "flow": "flow.py",
        "executable": {"id": "train"},
        "scenario": {"id": "tests", "name": "Tests"},
        "environments": ["default"],
        "image": "docker.io/library/python:3.11-slim",
        "configurations": [configuration],
    }
    directory = w.source / "train"
    directory.mkdir(parents=True, exist_ok=True)
    replace(directory / "flow.py", text.replace("{number}", str(number)))
    replace(directory / "aicore.yaml", yaml.safe_dump(manifest))


@pytest.mark.slow
async def test_a_syntax_error_keeps_the_flow_running_and_obeys_suspend(tmp_path: Path) -> None:
    python = await environment_python(RenderOptions(user_cache_path("aicore-sync")), "native")
    async with world(tmp_path, "--s3") as w:
        w.render = {"environments": {"native": {"python": str(python)}}}
        save(w, 1)
        w.write("alpha")
        async with w.service():
            await w.healthy("train", "alpha")
            published, version = w.file("train"), w.version("train")
            save(w, 1, suspend=True, text=FLOW.replace("class TrainFlow(", "class TrainFlow(("))
            w.write("alpha", text="print(2)")

            async def status(wanted: str) -> bool:
                return bool((await w.group()).schedules["team.train.main"]["status"] == wanted)

            await w.seen(lambda: status("INACTIVE"), "suspended")
            await w.healthy("alpha")
            assert w.file("train") == published
            assert "RenderFailed" in w.reasons("train")
            save(w, 2)
            await w.until(lambda: w.version("train") not in ("", version), "the next version", 90)
            await w.healthy("train")
            assert await status("ACTIVE")
        group = await w.group()
        group.check()
        assert len(group.runs("train")) == 2


@pytest.mark.slow
async def test_an_environment_that_takes_long_holds_up_only_its_flows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes go on while it is installed, whatever they last; the service stops in time, and begins it anew."""
    done = asyncio.Event()

    async def slow(order: Install) -> None:
        await done.wait()
        await install(order)

    monkeypatch.setattr("aicore_sync.render.environments.install", slow)
    async with world(tmp_path, "--s3") as w:
        save(w, 1)
        w.write("alpha")
        async with w.service():
            await w.healthy("alpha")
            await w.until(lambda: "EnvironmentBuilding" in w.reasons("train"), "the build is told")
        done.set()
        async with w.service():
            await w.healthy("train", "alpha")


@pytest.mark.slow
@pytest.mark.parametrize(
    "vanish", [Path.unlink, lambda path: path.write_text("")], ids=["removed", "emptied"]
)
async def test_a_metaflow_flow_that_loses_its_manifest_first_keeps_its_schedule(
    tmp_path: Path, vanish: Callable[[Path], object]
) -> None:
    python = await environment_python(RenderOptions(user_cache_path("aicore-sync")), "native")
    async with world(tmp_path, "--s3") as w:
        w.render = {"environments": {"native": {"python": str(python)}}}
        save(w, 1, text=FLOW.replace("TrainFlow", "Train"))  # by itself it has the same executable id
        async with w.service():
            await w.healthy("train")
            published = w.file("train")
            vanish(w.path("train", "aicore.yaml"))
            await w.until(lambda: bool(w.fingerprint("train")), "held for confirmation")
            await w.quiet()
            assert "team.train.main" in (await w.group()).schedules
            assert w.file("train") == published
