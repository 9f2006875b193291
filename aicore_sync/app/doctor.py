"""A bundle for whoever helps: versions, configuration, checks, plan, statuses, events; and no secret."""

from __future__ import annotations

import asyncio
import io
import json
import os
import platform
import tarfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from aicore_sync import __version__
from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.once import plan_once
from aicore_sync.app.readiness import readiness
from aicore_sync.core.errors import SyncError
from aicore_sync.core.wording import describe
from aicore_sync.store import EventQuery, Store

Part = Callable[[], Awaitable[Any]]


async def parts(app: App, config: Path) -> dict[str, str]:
    """File name → text. A part that cannot be made says why, and hides no other."""
    makers: dict[str, Part] = {
        "about.json": _about,
        "config.yaml": lambda: asyncio.to_thread(config.read_text, encoding="utf-8"),
        "check.json": lambda: _check(app),
        "plan.json": lambda: _plan(app),
        "state.json": lambda: _state(app),
        "events.json": lambda: _events(app),
    }
    return {name: await _made(maker) for name, maker in makers.items()}


async def _made(maker: Part) -> str:
    try:
        found = await maker()
    except (SyncError, OSError, ValueError) as error:
        found = {"failed": f"{type(error).__name__}: {error}"}
    if isinstance(found, str):
        return found
    return json.dumps(found, indent=2, ensure_ascii=False, default=str) + "\n"


async def _about() -> dict[str, Any]:
    packages = {item.metadata["Name"]: item.version for item in distributions()}
    return {
        "version": __version__,
        "at": now().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }


async def _check(app: App) -> list[dict[str, Any]]:
    return [asdict(line) for line in await readiness(app)]


async def _plan(app: App) -> list[dict[str, Any]]:
    planned = await plan_once(app)
    return [
        {
            "key": str(key),
            "actions": [describe(action) for action in plan.actions],
            "holds": [asdict(hold) for hold in plan.holds],
        }
        for key, plan in planned.plans.items()
    ]


async def _state(app: App) -> dict[str, Any]:
    found = {}
    for home in app.estate.homes():
        snapshot = await home.state.read()
        lock = snapshot.files.get("lock.json", b"").decode(errors="replace")
        found[home.name] = {"commit": snapshot.commit, "files": sorted(snapshot.files), "lock": lock}
    return found


async def _events(app: App) -> dict[str, Any]:
    store = Store(app.settings.state_dir / "history.db")
    try:
        statuses, events = await store.all(), await store.events(EventQuery(limit=500))
    finally:
        await store.close()
    return {
        "statuses": [asdict(status) for status in statuses],
        "events": [asdict(event) for event in events],
    }


def pack(files: Iterable[tuple[str, str]], at: datetime) -> bytes:
    """A compressed archive of the texts."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files:
            data = text.encode()
            entry = tarfile.TarInfo(f"aicore-sync-doctor/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(at.timestamp()), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
