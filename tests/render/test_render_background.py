"""Installing takes minutes: it is done once, whoever asks, and holds up nobody."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aicore_sync.controller.desire import _problem_hold
from aicore_sync.core.actions import Plan
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.model import Mark, Wait
from aicore_sync.core.report import verdict
from aicore_sync.render import Environment, EnvironmentBuilding, Renderer, RenderOptions
from aicore_sync.render import environments as module
from aicore_sync.render.background import AGAIN, SOON, Background, Slow
from aicore_sync.render.installer import Install

pytest_plugins = ("render_rooms",)
pytestmark = pytest.mark.asyncio(loop_scope="session")


class Installer:
    """Stands in for pip: every installation takes until `done` is set."""

    def __init__(self) -> None:
        self.done, self.started, self.running = asyncio.Event(), 0, 0
        self.error: SyncError | None = None

    async def __call__(self, order: Install) -> None:
        self.started, self.running = self.started + 1, self.running + 1
        try:
            await self.done.wait()
            if self.error:
                raise self.error
            (order.home / "bin").mkdir(parents=True)
            (order.home / "bin/python").symlink_to(sys.executable)
        finally:
            self.running -= 1


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    made = Installer()
    monkeypatch.setattr(module, "install", made)
    yield made
    assert made.running == 0


async def test_a_build_outlives_the_passes_that_ask_for_it(
    python: Path, tmp_path: Path, installer: Installer
) -> None:
    ready = {"ready": Environment(python)}
    renderer = Renderer(RenderOptions(tmp_path, environments=ready))
    renderer.hurry()
    for _ in range(3):
        with pytest.raises(EnvironmentBuilding, match="the rendering environment native is being installed"):
            async with asyncio.timeout(2):  # a pass never waits, so none is cut off
                await renderer.version("native")
    assert await asyncio.wait_for(renderer.version("native", "ready"), 60)
    waiting = asyncio.create_task(module.environment_python(RenderOptions(tmp_path), "native"))
    installer.done.set()
    built = await asyncio.wait_for(waiting, 5)
    assert installer.started == 1
    assert (built.parent.parent / ".ready").exists()
    renderer._toolchains.preparing.patient = True
    with pytest.raises(Stalled, match="No module named 'metaflow"):  # nothing was really installed
        await renderer.version("native")
    await renderer.aclose()


async def test_the_end_of_the_service_ends_a_build(tmp_path: Path, installer: Installer) -> None:
    renderer = Renderer(RenderOptions(tmp_path))
    renderer.begin("native")
    renderer.begin("native")
    asked = asyncio.create_task(renderer.version("native"))  # a command: it waits
    await asyncio.sleep(0.2)
    assert (installer.running, asked.done()) == (1, False)
    async with asyncio.timeout(2):
        await renderer.aclose()
    assert installer.running == 0
    await asyncio.wait({asked})
    assert asked.cancelled()


@pytest.mark.parametrize(
    ("error", "pause"),
    [(Stalled("no such package", reason="EnvironmentFailed"), AGAIN), (Transient("dns"), SOON)],
)
async def test_a_failed_build_is_not_repeated_by_every_flow(error: SyncError, pause: float) -> None:
    now, done, runs = 0.0, asyncio.Event(), 0

    async def work(slow: Slow) -> str:
        nonlocal runs
        runs += 1
        slow("it")
        await done.wait()
        raise error

    async def ask() -> object:
        return (await asyncio.gather(shared.get("key", work), return_exceptions=True))[0]

    shared = Background[str, str](lambda: now)
    shared.patient = False
    assert isinstance(await ask(), EnvironmentBuilding)
    done.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [await ask() for _ in range(3)] == [error] * 3
    now += pause
    done.clear()
    assert [await ask() for _ in range(3)] == [
        error
    ] * 3  # what is wrong is still said while it is tried again
    assert runs == 2
    await shared.aclose()


async def test_quick_work_is_waited_for() -> None:
    async def work(slow: Slow) -> str:
        await asyncio.sleep(0.01)
        return "made"

    shared = Background[str, str]()
    shared.patient = False
    assert await asyncio.gather(*(shared.get("key", work) for _ in range(2))) == ["made", "made"]


async def test_a_flow_that_waits_for_an_installer_needs_nobody() -> None:
    hold = _problem_hold(EnvironmentBuilding("the rendering environment ml"))
    assert verdict(Plan(holds=(hold,)), ()) == Wait("EnvironmentBuilding", 15.0)
    assert hold.mark is Mark.WAIT
