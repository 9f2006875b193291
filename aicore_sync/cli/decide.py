"""Commands by which operators hold things back: suspend, resume."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aicore_sync.cli.complete import flow_names
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import told
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, load, show_act
from aicore_sync.core.answers import ActAnswer
from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.terminal import Form

if TYPE_CHECKING:
    from aicore_sync.app.build import App
    from aicore_sync.app.decide import Decided

Flow = Annotated[
    str,
    typer.Argument(
        help="Executable id of the flow; none with --environment alone or --all.", autocompletion=flow_names
    ),
]
Environment = Annotated[str, typer.Option(help="Only in this environment; every one when absent.")]
Everything = Annotated[bool, typer.Option("--all", help="The whole controller.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.")]


commands = typer.Typer()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.registered_commands += commands.registered_commands


@commands.command()
def suspend(
    flow: Flow = "",
    environment: Environment = "",
    everything: Everything = False,
    reason: Reason = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Hold back publishing, creating and starting, for a flow, an environment or everything, until `resume`."""
    scope = _scope(flow, environment, everything)
    if said := _told(config, "suspend", scope, reason):
        show_act(ActAnswer(message=said), output)
        return
    from aicore_sync.app.decide import suspend

    _decide(config, lambda app: suspend(app, scope, reason))
    show_act(ActAnswer(message=f"suspended: {scope}"), output)


@commands.command()
def resume(
    flow: Flow = "",
    environment: Environment = "",
    everything: Everything = False,
    reason: Reason = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Take a suspension back. Name what `suspend` named; wider and narrower suspensions stay and are listed."""
    scope = _scope(flow, environment, everything)
    if said := _told(config, "resume", scope, reason):
        show_act(ActAnswer(message=said), output)
        return
    from aicore_sync.app.decide import resume

    decided = _decide(config, lambda app: resume(app, scope, reason))
    word = "resumed" if decided.changed else "was not suspended"
    others = sorted((other, why) for other, why in decided.standing.suspended.items() if other != scope)
    lines = [f"{word}: {scope}", *(f"still suspended: {other}, {why}" for other, why in others)]
    show_act(ActAnswer(message="\n".join(lines)), output)


def _scope(flow: str, environment: str, everything: bool) -> Scope:
    if everything == bool(flow or environment):
        found = "both" if everything else "nothing"
        expected = "a flow, --environment, both of them, or --all"
        raise InvalidInput([Problem("command line", 0, "", found, expected)])
    return Scope(flow, environment)


def _told(config: Path, verb: str, scope: Scope, reason: str) -> str:
    """What the service says when it was asked and did it."""
    body = {"flow": scope.flow, "environment": scope.environment, "reason": reason}

    async def asked() -> str:
        async with progress("asking the service"):
            return await told(config, verb, **body, all=scope == Scope())

    return asyncio.run(asked())


def _decide(config: Path, act: Callable[[App], Awaitable[Decided]]) -> Decided:
    from aicore_sync.app.build import BuildOptions, build

    settings, masker = load(config, "warning")

    async def decided() -> Decided:
        options = BuildOptions(history=False, masker=masker)
        async with build(settings, options) as app, progress("deciding"):
            return await act(app)

    return asyncio.run(decided())
