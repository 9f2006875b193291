"""The command `events`: what happened, and what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.markup import escape

from aicore_sync.cli.get import at
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import Away, Service, no_configuration, optional, service
from aicore_sync.cli.status import last_known
from aicore_sync.cli.sync import name_of
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output
from aicore_sync.core.chronicle import Event
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import Status
from aicore_sync.core.problems import unknown
from aicore_sync.core.statuses import EventAnswer, event_answer, event_in
from aicore_sync.store import EventQuery, Store
from aicore_sync.terminal import Form, Sheet, coloured, err, out, show

LOOK = 3.0  # seconds at most until a new event is seen
_COLUMNS = ("AT", "WHERE", "STAGE", "REASON", "MESSAGE", "BY")
Read = Callable[[EventQuery], Awaitable[Sequence[Event]]]


class EventList(BaseModel):
    """The answer of /api/v1/events."""

    items: tuple[EventAnswer, ...]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(events)


def events(
    flow: Annotated[str, typer.Argument(help="Executable id of a flow; all when absent.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with what happens from now.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most events to begin with.")] = 50,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """What happened, oldest first: conditions that came up, and what people did."""
    if watch and output in (Form.YAML, Form.NAME):
        words = "an endless list is text, or json with one event in a line"
        raise typer.BadParameter(words, param_hint="--output")
    asyncio.run(_events(config, EventQuery(flow=flow, limit=limit), output, watch=watch))


async def _events(config: Path, query: EventQuery, output: Form, *, watch: bool) -> None:
    settings, _ = optional(config)
    async with service(settings) as found:
        read: Read
        if found:
            read, known = _of_service(found), None
        elif settings:
            known = await last_known(settings)
            read = Store(settings.state_dir / "history.db").events
        else:
            raise no_configuration()
        async with progress("looking"):
            first = await _sorted(read, query)
        if not first and query.flow:
            known = await found.statuses() if found else known
            _require(query.flow, known or (), watch=watch)
        if not watch:
            _print(first, output)
            return
        async for event in _followed(read, query, first):
            _tell(event, output)


def _of_service(found: Service) -> Read:
    async def read(query: EventQuery) -> Sequence[Event]:
        asked: dict[str, Any] = {"flow": query.flow, "limit": query.limit}
        if query.after is not None:
            asked["after"] = query.after
        return [event_in(item) for item in (await found.read("events", EventList, **asked)).items]

    return read


async def _sorted(read: Read, query: EventQuery) -> list[Event]:
    """Oldest first."""
    return sorted(await read(query), key=lambda event: (event.at, event.id))


def _require(flow: str, known: tuple[Status, ...], *, watch: bool) -> None:
    """A typo must not look as if nothing had happened; who watches may wait for a flow that is to come."""
    names = {name_of(status.key) for status in known}
    if flow in names:
        return
    error = unknown("flow", flow, names)
    if not watch:
        raise error
    err.print(f"{error.message}; waiting for its first event", markup=False, soft_wrap=True)


async def _followed(read: Read, query: EventQuery, first: list[Event]) -> AsyncIterator[Event]:
    """These and, as they come, those after them; ids count up, so none is lost and none comes twice."""
    from aicore_sync.app.patience import Pace

    pace, away, last, new, again = Pace(LOOK), Away(), 0, first, False
    while True:
        for event in new:
            yield event
            last = max(last, event.id)
            pace.news()
        await pace.pause()
        try:
            last = await _still(read, query, last) if again else last
            new, again = await _sorted(read, replace(query, after=last, limit=500)), False
            away.over()
        except Transient as error:
            new, again = [], True
            await away.bear(error)


async def _still(read: Read, query: EventQuery, last: int) -> int:
    """The last id after a restart: a service that has lost its history counts from the start again."""
    newest = await read(replace(query, limit=1))
    return last if newest and newest[0].id >= last else 0


def _print(found: list[Event], output: Form) -> None:
    data = {"events": [event_answer(event).model_dump(mode="json", by_alias=True) for event in found]}
    names = [str(event.id) for event in found]
    show(output, Sheet(data, _COLUMNS, [_row(event) for event in found], names=names))


def _tell(event: Event, output: Form) -> None:
    if output is Form.JSON:
        out.out(event_answer(event).model_dump_json(by_alias=True), highlight=False)
        return
    out.print("  ".join(filter(None, _row(event))), soft_wrap=True)


def _row(event: Event) -> tuple[str, ...]:
    where = f"{event.flow}/{event.environment}" if event.environment else event.flow
    where = f"{event.flow}@{event.tenant}" if event.tenant and not event.environment else where
    reason = coloured(event.reason, event.mark)
    words = f"{event.subject}: {event.message}" if event.subject else event.message
    return at(event.at), where, event.stage or "", reason, escape(words), escape(event.by)
