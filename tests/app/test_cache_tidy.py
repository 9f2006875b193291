"""The cache does not grow for ever: what nobody uses and what dead processes left goes, daily."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from aicore_sync.app.service import tidy
from aicore_sync.controller.kept import read_rendered, write_rendered
from aicore_sync.render import Rendered, Renderer, RenderOptions, claimed

DAY = 86400.0


async def test_kept_renders_go_when_unused_and_snapshots_with_their_process(tmp_path: Path) -> None:
    rendered, snapshots = tmp_path / "rendered", tmp_path / "snapshots"
    for name in ("used", "unused"):
        write_rendered(rendered / f"{name}.json", Rendered({}))
        os.utime(rendered / f"{name}.json", (0, time.time() - 15 * DAY))
    assert read_rendered(rendered / "used.json") == Rendered({})
    (snapshots / "dead" / "flow").mkdir(parents=True)
    with claimed(snapshots / "alive"):
        await Renderer(RenderOptions(tmp_path)).clean()
        assert [path.name for path in rendered.iterdir()] == ["used.json"]
        assert [path.name for path in snapshots.iterdir()] == ["alive"]


async def test_cleaning_goes_on_after_what_cannot_be_removed() -> None:
    calls = 0
    thrice = asyncio.Event()

    async def clean() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            thrice.set()
        raise PermissionError("busy")

    work = asyncio.create_task(tidy(clean, pause=0))
    async with asyncio.timeout(30):
        await thrice.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert work.cancelled()
