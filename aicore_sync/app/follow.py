"""An execution's log from its start, and on while it runs: no line lost, none twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from aicore_sync.aicore import Group, LogLine, NotFound
from aicore_sync.aicore.logs import fresh
from aicore_sync.app.patience import Pace
from aicore_sync.controller.archive import log_start
from aicore_sync.core.world import Execution

OVERLAP = timedelta(
    minutes=2
)  # lines of several pods reach AI Core out of order; late ones are looked for so far back


async def whole_log(
    group: Group, execution: Execution, since: datetime | None = None
) -> AsyncIterator[LogLine]:
    """All lines so far, or those since then, oldest first."""
    async for line in group.logs.read(execution.id, _start(execution, since)):
        yield line


async def follow_log(
    group: Group, execution: Execution, pace: Pace, since: datetime | None = None
) -> AsyncIterator[LogLine]:
    """As `whole_log`, and then new ones, until the execution has ended and one more look found nothing."""
    cursor, given = _start(execution, since), Counter[LogLine]()
    while True:
        active = await _active(
            group, execution.id
        )  # asked before the read: what comes after its end is not missed
        lines = await _read(group, execution.id, cursor)
        new = fresh(lines, given)
        for line in new:
            pace.news()
            yield line
        if not active and not new:
            return
        if lines:
            cursor = max(cursor, lines[-1].time - OVERLAP)
        given = Counter(line for line in lines if line.time >= cursor)
        await pace.pause()


def _start(execution: Execution, since: datetime | None) -> datetime:
    start = log_start(execution)
    return max(start, since) if since else start


async def _read(group: Group, execution: str, start: datetime) -> list[LogLine]:
    try:
        return [line async for line in group.logs.read(execution, start)]
    except NotFound:  # for a moment after a start
        return []


async def _active(group: Group, execution: str) -> bool:
    try:
        return (await group.executions.get(execution)).active
    except NotFound:
        return False
