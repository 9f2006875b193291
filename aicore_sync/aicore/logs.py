"""Reading logs of executions and deployments: pages without a cursor, joined so that no line is lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Literal

import structlog

from aicore_sync.aicore.calls import Call
from aicore_sync.aicore.group import Place
from aicore_sync.aicore.values import LogLine
from aicore_sync.aicore.wire.basics import write_instant
from aicore_sync.aicore.wire.lifecycle import read_log

PAGE = 5000  # the most that AI Core gives
_STEP = timedelta(milliseconds=1)

log = structlog.get_logger()


class Logs:
    """`/lm/{of}/{id}/logs`. Without a start AI Core looks back one hour only, so a start is always given."""

    def __init__(self, place: Place, of: Literal["executions", "deployments"] = "executions") -> None:
        self._at = place
        self._route = f"/lm/{of}/{{id}}/logs"

    async def read(
        self, execution: str, start: datetime, end: datetime | None = None, page: int = PAGE
    ) -> AsyncIterator[LogLine]:
        """The lines from `start` on, oldest first. `page` is 1 to 5000 lines per request.

        There is no cursor: the next page starts just before the newest line, and what was given before is left out,
        equal lines counted.
        """
        cursor, given = _floor(start), Counter[LogLine]()
        while True:
            lines = sorted(
                await self._page(execution, {"$order": "asc"} | _window(cursor, end, page)), key=_time
            )
            for line in fresh(lines, given):
                yield line
            if len(lines) < page:
                return
            following = _floor(lines[-1].time) - _STEP
            if following <= cursor:
                # More lines in two milliseconds than one page holds: a gap is better than an endless loop.
                log.warning("aicore_log_gap", execution=execution, at=write_instant(cursor))
                following = cursor + _STEP
            cursor, given = following, Counter(line for line in lines if line.time >= following)

    async def tail(self, execution: str, start: datetime, lines: int = 100) -> list[LogLine]:
        """The last lines since `start`, oldest first, at most 5000."""
        query = {"$order": "desc"} | _window(_floor(start), None, min(lines, PAGE))
        return sorted(await self._page(execution, query), key=_time)

    async def _page(self, execution: str, query: dict[str, str]) -> list[LogLine]:
        call = Call("GET", self._route, read_log, group=self._at.group, path={"id": execution}, query=query)
        return await self._at.sender.send(call)


def fresh(lines: Iterable[LogLine], given: Counter[LogLine]) -> list[LogLine]:
    """The lines that are not in `given`; a line that was given once and is there twice comes once more."""
    left = Counter(given)
    new = []
    for line in lines:
        if left[line]:
            left[line] -= 1
        else:
            new.append(line)
    return new


def _window(start: datetime, end: datetime | None, page: int) -> dict[str, str]:
    window = {"start": write_instant(start), "$top": str(page)}
    return window | {"end": write_instant(end)} if end else window


def _floor(time: datetime) -> datetime:
    """Down to a millisecond, the precision that we send."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _time(line: LogLine) -> datetime:
    return line.time
