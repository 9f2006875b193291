"""The command `logs`: of the service, which may restart meanwhile, or of AI Core itself."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from aicore_sync.cli.act import ENDED, ExecutionId, InEnvironment
from aicore_sync.cli.service import AGAIN, Away, Service, no_configuration, optional, service
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile
from aicore_sync.config import Settings
from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.telemetry import Masker

FOLLOW = 4.0  # seconds at most until a new line of a log is seen
OVERLAP = timedelta(
    minutes=2
)  # lines of several pods come out of order; late ones are looked for so far back


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(logs)


def logs(
    execution: ExecutionId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    environment: InEnvironment = "",
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Print the log of an execution from its start: time, pod and container, text."""

    async def printed() -> None:
        async for line in _lines(config, execution, environment, follow=follow):
            sys.stdout.write(f"{line}\n")
            if follow:
                sys.stdout.flush()

    asyncio.run(printed())


async def _lines(config: Path, execution: str, environment: str, *, follow: bool) -> AsyncIterator[str]:
    settings, masker = optional(config)
    async with service(settings) as found:
        if found:
            async for line in _served(found, execution, environment, follow=follow):
                yield line
            return
    if settings is None:
        raise no_configuration()
    async for line in _alone((settings, masker), execution, environment, follow=follow):
        yield line


async def _served(found: Service, execution: str, environment: str, *, follow: bool) -> AsyncIterator[str]:
    """The service's lines. One that is followed goes on where it was cut off: by a restart, a proxy, or its time."""
    given, away = Given(), Away()
    path, going_on = f"executions/{execution}", follow
    while True:
        query = {"environment": environment, "follow": str(going_on).lower(), "since": given.since}
        try:
            async for line in found.lines(f"{path}/log", **query):
                away.over()
                if given.is_new(line):
                    yield line
            if not going_on:
                return
            going_on = await _goes_on(
                found, path, environment
            )  # once more at its end: what came after the cut
        except Transient as error:
            if not follow or not given.begun:
                raise
            await away.bear(error)
        given.again()


async def _goes_on(found: Service, path: str, environment: str) -> bool:
    """Whether there may be more than what was read, because the run is not over."""
    try:
        run = await found.get(path, environment=environment)
    except Stalled as error:
        if error.reason != "NotFound":
            raise
        return False
    if run.get("status") in ENDED:
        return False
    await asyncio.sleep(AGAIN)
    return True


class Given:
    """The lines that were given lately, so that none comes twice when they are asked for again from `since` on."""

    def __init__(self) -> None:
        self._lately: list[tuple[datetime, str]] = []
        self._twice: Counter[str] = Counter()
        self._at: datetime | None = None  # of a line's first part; a text with line breaks has it only once

    @property
    def begun(self) -> bool:
        """True after the first line."""
        return self._at is not None

    @property
    def since(self) -> str:
        """From when on to ask again; "" at first."""
        edge = self._edge()
        return edge.isoformat() if edge else ""

    def again(self) -> None:
        """The next lines begin at `since`."""
        edge = self._edge()
        self._twice = Counter(line for at, line in self._lately if edge and at >= edge)

    def is_new(self, line: str) -> bool:
        """False for one that was given; equal ones are counted."""
        if self._twice[line]:
            self._twice[line] -= 1
            return False
        self._at = _time(line) or self._at
        if self._at:
            self._lately.append((self._at, line))
            if len(self._lately) % 1000 == 0 and (edge := self._edge()):
                self._lately = [one for one in self._lately if one[0] >= edge]
        return True

    def _edge(self) -> datetime | None:
        newest = max((at for at, _ in self._lately), default=None)
        return (newest - OVERLAP).replace(microsecond=0) if newest else None


def _time(line: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(line.partition(" ")[0])
    except ValueError:
        return None
    return at if at.tzinfo else None


async def _alone(
    known: tuple[Settings, Masker], execution: str, environment: str, *, follow: bool
) -> AsyncIterator[str]:
    from aicore_sync.app.build import BuildOptions, build
    from aicore_sync.app.follow import follow_log, whole_log
    from aicore_sync.app.patience import Pace
    from aicore_sync.app.runs import find, group_of
    from aicore_sync.controller.archive import written

    settings, masker = known
    async with build(settings, BuildOptions(masker=masker, history=False)) as app:
        found = await find(app, execution, environment)
        group = group_of(app, found.place)
        lines = (
            follow_log(group, found.execution, Pace(FOLLOW)) if follow else whole_log(group, found.execution)
        )
        async for line in lines:
            yield written(line).removesuffix("\n")
