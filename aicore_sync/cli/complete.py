"""Completion of flow names: what the service knows, else what it last knew. Quick, and silent about failures."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aicore_sync.cli.asked import asked_url
from aicore_sync.cli.service import service
from aicore_sync.cli.work import DEFAULT_CONFIG
from aicore_sync.config import Settings, load_settings
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import FlowKey, Status
from aicore_sync.store import Store

PATIENCE = 1.5  # seconds


def flow_names(incomplete: str) -> list[str]:
    """Names of flows that begin with what was typed."""
    asked_url.set(os.environ.get("AICORE_SYNC_URL", ""))
    try:
        known = asyncio.run(asyncio.wait_for(_known(_settings()), PATIENCE))
    except (SyncError, OSError, ValueError, TimeoutError):
        return []
    names = {status.key.flow for status in known if isinstance(status.key, FlowKey)}
    return sorted(name for name in names if name.startswith(incomplete))


def _settings() -> Settings | None:
    file = Path(os.environ.get("AICORE_SYNC_CONFIG") or DEFAULT_CONFIG)
    return load_settings(file.absolute(), os.environ) if file.exists() else None


async def _known(settings: Settings | None) -> tuple[Status, ...]:
    async with service(settings) as found:
        if found:
            return await found.statuses()
    if settings is None or not (settings.state_dir / "history.db").exists():
        return ()
    store = Store(settings.state_dir / "history.db")
    try:
        return await store.all()
    finally:
        await store.close()
