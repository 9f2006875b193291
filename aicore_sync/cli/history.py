"""Commands about what was published: history, rollback."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from aicore_sync.cli.ask import answers
from aicore_sync.cli.complete import flow_names
from aicore_sync.cli.get import Columns, at, print_answers
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import Service, actor
from aicore_sync.cli.sync import settled, verdict
from aicore_sync.cli.work import (
    DEFAULT_CONFIG,
    ConfigFile,
    Output,
    load,
    show_act,
    tell_left_out,
    tell_progress,
)
from aicore_sync.core.answers import ActAnswer, VersionAnswer, Where
from aicore_sync.core.errors import Transient
from aicore_sync.terminal import Exit, Form, err

if TYPE_CHECKING:
    from aicore_sync.app import App, Applied

Flow = Annotated[
    str,
    typer.Argument(
        help="Executable id of the flow; FLOW@TENANT for its template in one tenant.",
        autocompletion=flow_names,
    ),
]
PATIENCE = 600.0  # seconds until a rollback is live


commands = typer.Typer()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.registered_commands += commands.registered_commands


@commands.command()
def history(
    flow: Flow,
    limit: Annotated[int, typer.Option(min=1, help="Most versions to show.")] = 10,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """The commits that changed a flow's template: when, by whom, and what they changed, in words."""
    found = answers(config, VersionAnswer, Where(flow, limit=limit), "reading the history")
    titles = ("COMMIT", "AT", "TENANT", "VERSION", "LIVE", "CHANGE", "AUTHOR", "SOURCE", "SUBJECT")
    print_answers(output, "versions", found, (Columns(titles, 3), _row))


def _row(found: VersionAnswer) -> tuple[str, ...]:
    change = escape("; ".join(found.changes) or "nothing that matters")
    known = (found.commit[:12], at(found.at), found.tenant, found.version, "live" if found.live else "")
    return (*known, change, escape(found.author), escape(found.source), escape(found.subject))


@commands.command()
def rollback(
    flow: Flow,
    to: Annotated[
        str, typer.Option("--to", help="Commit of `history`; the version before when absent.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="End a rollback: publish the source again.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Publish an earlier version of a flow's template and keep it until the source changes. Exit code 3: timeout."""
    wish = _Wish(flow, to, reason, undo)

    async def rolled() -> Exit:
        async with actor(config) as found:
            if found:
                return await _asked(found, wish, output)
        return await _alone(config, wish, output)

    raise typer.Exit(asyncio.run(rolled()))


@dataclass(frozen=True)
class _Wish:
    """A rollback of FLOW or FLOW@TENANT, or its end."""

    flow: str
    to: str
    reason: str
    undo: bool


async def _asked(found: Service, wish: _Wish, output: Form) -> Exit:
    """Have the service do it, and wait until it is live."""
    async with progress("asking the service"):
        if wish.undo:
            said, since = await found.begin("rollback/undo", flow=wish.flow)
        else:
            said, since = await found.begin("rollback", flow=wish.flow, to=wish.to, reason=wish.reason)
    show_act(ActAnswer(message=said), output)
    rows, in_time = await settled(found.statuses, {wish.flow.partition("@")[0]}, PATIENCE, since)
    return verdict(rows, PATIENCE, in_time=in_time)


async def _alone(config: Path, wish: _Wish, output: Form) -> Exit:
    from aicore_sync.app.build import BuildOptions, build
    from aicore_sync.app.rollback import end_rollback, roll_back, told, told_end

    settings, masker = load(config, "warning")
    async with build(settings, BuildOptions(masker=masker, history=False)) as app:
        async with progress("reading the history"):
            if wish.undo:
                ended = await end_rollback(app, wish.flow)
                keys, said = ended.keys(), told_end(ended)
            else:
                decided = await roll_back(app, wish.flow, wish.to, wish.reason)
                keys, said = decided.keys(), told(decided)
        show_act(ActAnswer(message=said), output)
        async with progress("publishing"):
            applied = await _carry_out(app, frozenset(key.executable for key in keys))
    tell_left_out(applied)
    if not applied.settled:
        return Exit.TIMEOUT
    return Exit.PARTIAL if applied.left_out else Exit.OK


async def _carry_out(app: App, executables: frozenset[str]) -> Applied:
    """Do it here, or leave it to the service that holds the lock."""
    from aicore_sync.app.once import Applied, apply_flows

    try:
        return await apply_flows(app, executables, PATIENCE, tell_progress)
    except Transient as error:
        if error.reason != "LockHeld":
            raise
        err.print("a running service holds the lock; it has been told and does it in its next pass")
        return Applied(settled=True)
