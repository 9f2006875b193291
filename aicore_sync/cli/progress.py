"""A bar for what takes longer than two seconds, on a terminal only, and gone when the work is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from aicore_sync.terminal import err

PATIENCE = 2.0  # seconds before it shows


@asynccontextmanager
async def progress(what: str, patience: float = PATIENCE) -> AsyncIterator[Callable[[int, int], None]]:
    """Yields what is called with how many steps of how many are done; before the first call it only spins."""
    if not err.is_terminal:
        yield lambda done, total: None
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task(what, total=None)

    async def appear() -> None:
        await asyncio.sleep(patience)
        bar.start()

    appearing = asyncio.create_task(appear())
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        appearing.cancel()
        with suppress(asyncio.CancelledError):
            await appearing
        bar.stop()
