"""The command `status`: what the running service knows."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import typer

from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import no_configuration, optional, service
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, show_statuses
from aicore_sync.config import Settings
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import Health, Status
from aicore_sync.core.report import joined
from aicore_sync.core.statuses import StatusAnswer, status_answer, statuses_in
from aicore_sync.store import Store
from aicore_sync.terminal import Exit, Form, Sheet, err, show


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(status)


def status(config: ConfigFile = DEFAULT_CONFIG, output: Output = Form.TABLE) -> None:
    """Show how every flow is, as the running service knows it. Exit code 4 when something needs attention."""
    answer = asyncio.run(_known(config))
    lines = joined(statuses_in(answer))
    if output in (Form.JSON, Form.YAML):
        show(output, Sheet(answer.model_dump(mode="json", by_alias=True), (), ()))
    else:
        show_statuses(lines, output)
    if any(line.health is Health.ATTENTION for line in lines):
        raise typer.Exit(Exit.PARTIAL)


async def _known(config: Path) -> StatusAnswer:
    """What the service says, or said last."""
    settings, _ = optional(config)
    async with service(settings) as found:
        if found:
            async with progress("looking"):
                return await found.status()
    if settings is None:
        raise no_configuration()
    known = await last_known(settings)
    counted = Counter(line.health for line in joined(known))
    return status_answer(known, {health: counted[health] for health in Health}, {"owner": settings.owner})


async def last_known(settings: Settings) -> tuple[Status, ...]:
    """What the service of this machine knew. Raises Stalled where none has ever known anything: that is no calm."""
    store = Store(settings.state_dir / "history.db")
    try:
        known = await store.all()
    finally:
        await store.close()
    if not known:
        cure = "start it with `aicore-sync run`, or name it with --url"
        words = f"no service answers, and none has left its history in {settings.state_dir}; {cure}"
        raise Stalled(words, reason="ServiceUnreachable")
    err.print("no service answers; this is what it last knew")
    return known
