"""Commands that make things so and wait for it: sync, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from aicore_sync.cli.complete import flow_names
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import Away, Service, has_token, no_configuration, optional, service
from aicore_sync.cli.work import (
    DEFAULT_CONFIG,
    ConfigFile,
    Output,
    show_act,
    show_statuses,
    tell_left_out,
    tell_progress,
)
from aicore_sync.core.answers import ActAnswer
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import FlowKey, Health, Key, Status, TemplateKey
from aicore_sync.core.problems import unknown
from aicore_sync.core.report import joined
from aicore_sync.terminal import Exit, Form, err

if TYPE_CHECKING:
    from aicore_sync.app.build import App

LOOK = 3.0  # seconds at most between two looks at the service
Flows = Annotated[
    list[str] | None,
    typer.Argument(help="Executable ids of flows; all when absent.", autocompletion=flow_names),
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.")]
Look = Callable[[], Awaitable[tuple[Status, ...]]]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(sync)
    app.command()(wait)


@dataclass(frozen=True)
class _Wish:
    """Which flows, "" none for all; how long to wait for them, and how to print them."""

    flows: frozenset[str]
    timeout: float
    output: Form


def sync(
    flows: Flows = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is done; alone it always does.")
    ] = False,
    timeout: Timeout = 600.0,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Bring flows in line now: ask the running service, or do it here. Exit code 4: attention, 3: timeout."""
    settings, masker = optional(config)
    wish = _Wish(frozenset(flows or ()), timeout, output)

    async def synced() -> Exit:
        async with service(settings) as found:
            if found and (has_token() or settings is None):
                return await ask(found, wish.flows, timeout if wait else None, output)
        if settings is None:
            raise no_configuration()
        from aicore_sync.app.build import BuildOptions, build

        async with build(settings, BuildOptions(masker=masker, history=False)) as app:
            return await _alone(app, wish)

    raise typer.Exit(asyncio.run(synced()))


async def ask(
    found: Service, flows: Collection[str], timeout: float | None, output: Form = Form.TABLE
) -> Exit:
    """Have the service look now and, with a `timeout` in seconds, wait until what it looks at is settled."""
    said, since = [], []
    async with progress("asking the service"):
        for flow in sorted(flows) or [""]:
            message, at = await found.begin("sync", flow=flow)
            said.append(message)
            since.append(at)
    if timeout is None or output in (Form.TABLE, Form.WIDE):
        show_act(ActAnswer(message="\n".join(said)), output)
    if timeout is None:
        return Exit.OK
    return await _shown(found.statuses, _Wish(frozenset(flows), timeout, output), max(since))


async def _alone(app: App, wish: _Wish) -> Exit:
    from aicore_sync.app.once import apply_flows, apply_once, make_ready

    async with progress("making the rendering environments ready"):
        await make_ready(app)
    try:
        if wish.flows:
            done = await apply_flows(app, wish.flows, wish.timeout, tell_progress)
        else:
            done = await apply_once(app, wish.timeout, tell_progress)
    except Transient as error:
        if error.reason != "LockHeld":
            raise
        words = f"{error.message}. {_cure()}"
        raise Transient(words, reason=error.reason, retry_after=error.retry_after) from None
    rows = _chosen(app.board.rows(), wish.flows)
    show_statuses(rows, wish.output)
    tell_left_out(done)
    if not done.settled:
        return Exit.TIMEOUT
    return Exit.PARTIAL if done.left_out else _verdict(rows)


def _cure() -> str:
    """How to reach the service that holds the lock."""
    if has_token():
        return "It does not answer at the configuration's address; AICORE_SYNC_URL says where it is"
    return "Set AICORE_SYNC_TOKEN to ask that service (AICORE_SYNC_URL: elsewhere)"


def wait(
    flows: Flows = None,
    timeout: Timeout = 600.0,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Wait until flows are on their way no longer. Exit code 0: all are well, 4: one needs attention, 3: timeout."""
    settings, masker = optional(config)
    wish = _Wish(frozenset(flows or ()), timeout, output)

    async def waited() -> Exit:
        async with service(settings) as found:
            if found:
                return await _shown(found.statuses, wish)
        if settings is None:
            raise no_configuration()
        from aicore_sync.app.build import BuildOptions, build
        from aicore_sync.app.look import statuses

        async with build(settings, BuildOptions(masker=masker, history=False)) as app:
            return await _shown(lambda: statuses(app, lambda done, total: None), wish)

    raise typer.Exit(asyncio.run(waited()))


async def _shown(look: Look, wish: _Wish, since: datetime | None = None) -> Exit:
    """Wait, and print how the flows are then."""
    rows, in_time = await settled(look, wish.flows, wish.timeout, since)
    show_statuses(rows, wish.output)
    return verdict(rows, wish.timeout, in_time=in_time)


async def settled(
    look: Look, flows: Collection[str], timeout: float, since: datetime | None
) -> tuple[tuple[Status, ...], bool]:
    """Until no chosen flow is on its way, each looked at `since` then; the flows, and whether it was in time.

    A service that was there at first may be away for a while: it restarts. Who knows `since` has spoken with it.
    """
    from aicore_sync.app.patience import until

    rows, away = () if since else _chosen(joined(await look()), flows), Away(timeout)

    async def over() -> bool | None:
        nonlocal rows
        try:
            known = await look()
        except Transient as error:
            await away.bear(error)
            return None
        away.over()
        rows = _chosen(joined(known), flows)
        stale = {s.key for s in known if since and (s.updated is None or s.updated < since)}
        waits = any(row.health is Health.PROGRESSING or not stale.isdisjoint(_parts(row)) for row in rows)
        return None if waits else True

    in_time = False
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout), progress("waiting"):
            in_time = await until(over, LOOK)
    return rows, in_time


def _parts(row: Status) -> set[Key]:
    """The keys that a row is made of: the flow's own and its template's."""
    return {row.key, TemplateKey(row.facts.get("tenant", ""), executable_of(row))}


def _chosen(rows: Iterable[Status], flows: Collection[str]) -> tuple[Status, ...]:
    """The rows of these flows, all rows for none. Raises Stalled (NotFound) for one that there is not."""
    listed = tuple(rows)
    names = {name_of(row.key) for row in listed}
    for flow in sorted(set(flows) - names - {executable_of(row) for row in listed}):
        raise unknown("flow", flow, names)
    return tuple(row for row in listed if not flows or {name_of(row.key), executable_of(row)} & set(flows))


def executable_of(row: Status) -> str:
    """The executable id of its template, which `isolate` makes another one than the flow's name; "" if not known."""
    return row.facts.get("template", "")


def name_of(key: Key) -> str:
    """The flow, executable or tenant that a key is about."""
    if isinstance(key, FlowKey):
        return key.flow
    return key.executable if isinstance(key, TemplateKey) else key.tenant


def verdict(rows: Iterable[Status], timeout: float, *, in_time: bool) -> Exit:
    """How a command ends that has waited for these flows: what people must do decides, or that time ran out."""
    if not in_time:
        err.print(f"not all are settled after {timeout:g} s")
        return Exit.TIMEOUT
    return _verdict(rows)


def _verdict(rows: Iterable[Status]) -> Exit:
    return Exit.PARTIAL if any(row.health is Health.ATTENTION for row in rows) else Exit.OK
