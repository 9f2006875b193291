"""Saves logs of executions before these are deleted: one text file or object each, whole or not at all."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from aicore_sync.aicore import Group, LogLine, NotFound
from aicore_sync.core.errors import Transient
from aicore_sync.core.world import Deployment, Execution
from aicore_sync.datastore import DataStore

_BATCH = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SKEW = timedelta(minutes=10)  # clocks of nodes and of the API need not agree


async def archive_log(group: Group, execution: Execution, file: Path) -> None:
    """Write the whole log of an ended execution to `file`; one that is there already is kept.

    A line is `<time> <container> <text>`. Raises Transient when the log cannot be read or written: then nothing is
    deleted.
    """
    if await asyncio.to_thread(file.exists):
        return
    draft = file.with_name(f".{file.name}.part")
    try:
        out = await asyncio.to_thread(_open, draft)
        try:
            await _copy(group, execution, out)
        finally:
            await asyncio.to_thread(out.close)
        await asyncio.to_thread(_publish, draft, file)
    except OSError as error:
        raise Transient(
            f"the log of execution {execution.id} cannot be saved to {file}: {error.strerror or error}; "
            "make the directory writable, and see that there is room",
            reason="LogNotSaved",
        ) from None


async def store_log(group: Group, execution: Execution, store: DataStore, name: str, draft: Path) -> None:
    """The same, to an object store; `draft` is where it is put together. Raises Stalled when the store refuses."""
    if await store.holds(name):
        return
    await archive_log(group, execution, draft)
    await store.keep(name, draft)
    await asyncio.to_thread(draft.unlink, missing_ok=True)


async def _copy(group: Group, execution: Execution, out: IO[str]) -> None:
    batch: list[str] = []
    try:
        async for line in group.logs.read(execution.id, log_start(execution)):
            batch.append(written(line))
            if len(batch) >= _BATCH:
                await asyncio.to_thread(out.writelines, batch)
                batch = []
    except NotFound:
        batch.append("# AI Core had no log any more\n")
    await asyncio.to_thread(out.writelines, batch)


def log_start(one: Execution | Deployment) -> datetime:
    """Before the first line that an execution or a deployment can have written."""
    return one.created_at - _SKEW if one.created_at else _EPOCH


def written(line: LogLine) -> str:
    """One line of a log as text."""
    return f"{line.time.isoformat()} {line.pod or '-'}/{line.container or '-'} {line.text.rstrip()}\n"


def _open(draft: Path) -> IO[str]:
    draft.parent.mkdir(parents=True, exist_ok=True)
    return draft.open("w", encoding="utf-8")


def _publish(draft: Path, file: Path) -> None:
    with draft.open("rb") as content:
        os.fsync(content.fileno())
    draft.replace(file)
