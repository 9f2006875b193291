"""Time from saving a file to the commit on the remote, and to the executable that AI Core lists: median of N edits.

usage: python bench/latency.py [--edits 20] [--kind template|flow]

Everything runs on loopback: git over HTTP with a password, the sandbox as AI Core with its usual sync interval of
3 minutes, so that only the refresh after a push can be what brings the new version.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from pathlib import Path

from aicore_sync.app import App, BuildOptions, build
from aicore_sync.app.service import serve
from aicore_sync.config import load_settings
from aicore_sync.core.model import Health
from aicore_sync.demo import World, prepare, sandbox
from aicore_sync.telemetry import Masker, configure_logging

FILES = {"template": "score-template/template.yaml", "flow": "churn-train/flow.py"}
IDS = {"template": "score-customers", "flow": "churn-train"}


async def main(edits: int, kind: str) -> None:
    room = Path(tempfile.mkdtemp(prefix="aicore-sync-bench-"))
    masker = Masker()
    configure_logging("error", "json", masker=masker)
    async with sandbox(room) as world:
        prepare(world, flows=(Path(FILES[kind]).parts[0],))
        async with build(load_settings(world.config, {}), BuildOptions(masker=masker)) as app:
            await app.renderer.start()
            stop = asyncio.Event()
            service = asyncio.create_task(serve(app, stop=stop))
            try:
                rows = await measure(app, world, edits, kind)
            finally:
                stop.set()
                await service
    print(f"{kind}: {edits} edits, seconds from save")
    for name, values in (
        ("commit on the remote", [r[0] for r in rows]),
        ("synced executable", [r[1] for r in rows]),
    ):
        ordered = sorted(values)
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"  {name:22} p50 {statistics.median(values):.2f}  p95 {p95:.2f}  max {ordered[-1]:.2f}")


async def measure(app: App, world: World, edits: int, kind: str) -> list[tuple[float, float]]:
    await wait_for(lambda: published(app, IDS[kind]) != "")
    rows = []
    for number in range(edits):
        before, head = published(app, IDS[kind]), world.head()
        edit(world.source / FILES[kind], number)
        saved = time.monotonic()
        committed = await wait_for(lambda head=head: world.head() != head)  # type: ignore[misc]
        live = await listed(app, IDS[kind], before)
        rows.append((committed - saved, live - saved))
    return rows


def edit(path: Path, number: int) -> None:
    """A change that matters: a number in a comment of the flow, or the template's deadline."""
    text = path.read_text()
    if path.suffix == ".py":
        path.write_text(re.sub(r"\n# edit \d+\n", "\n", text).rstrip() + f"\n# edit {number}\n")
    else:
        path.write_text(re.sub(r"description: .*", f"description: edit {number}", text, count=1))


def published(app: App, executable: str) -> str:
    """The version that the status of a healthy template shows, "" before."""
    for status in app.board.all():
        if getattr(status.key, "executable", "") == executable and status.health is Health.HEALTHY:
            return status.facts.get("version", "")
    return ""


async def listed(app: App, executable: str, before: str) -> float:
    """When AI Core itself lists another version than `before`."""
    group = app.estate.tenants["demo"].client.group("default")
    while True:
        for found in await group.scenarios.executables("churn"):
            if found.id == executable and found.version_id != before:
                now = time.monotonic()
                await wait_for(lambda: published(app, executable) not in ("", before))
                return now
        await asyncio.sleep(0.02)


async def wait_for(done: object, deadline: float = 120.0) -> float:
    assert callable(done)
    end = time.monotonic() + deadline
    while not done():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.02)
    return time.monotonic()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--kind", choices=tuple(FILES), default="flow")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.edits, arguments.kind))
