"""Commands for single runs: trigger, stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from aicore_sync.cli.complete import flow_names
from aicore_sync.cli.get import RUN_MARKS
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import Away, Service, actor, told
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, load, show_act
from aicore_sync.core.answers import ActAnswer, ExecutionAnswer, Where
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import Mark
from aicore_sync.terminal import Exit, Form, coloured, err, out

InEnvironment = Annotated[
    str, typer.Option("--environment", "-e", help="Environment; needed where there is more than one.")
]
ExecutionId = Annotated[str, typer.Argument(help="The execution's id.")]
ENDED = ("COMPLETED", "DEAD", "STOPPED")
DAY = 86400.0
STARTING = 30.0  # seconds until a run that the service was asked for shows; one that settles takes longer


commands = typer.Typer()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.registered_commands += commands.registered_commands


@dataclass(frozen=True)
class _Wish:
    """A run to start; its end is waited for so many seconds, with None only its start."""

    flow: str
    environment: str
    configuration: str
    seconds: float | None


@commands.command()
def trigger(
    flow: Annotated[str, typer.Argument(help="Executable id of the flow.", autocompletion=flow_names)],
    environment: InEnvironment = "",
    configuration: Annotated[
        str, typer.Option(help="Name in the manifest; needed where there is more than one.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end of the run.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that --wait may take.")] = DAY,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Start a run of a flow now. With --wait exit code 4: it did not complete, 3: timeout."""
    wish = _Wish(flow, environment, configuration, timeout if wait else None)

    async def started() -> ActAnswer:
        async with actor(config) as service:
            if service:
                return await _ask_for_run(service, wish)
        return await _run_here(config, wish)

    answer = asyncio.run(started())
    show_act(answer, output)
    run = answer.execution
    if not wait:
        return
    if run is None or run.status not in ENDED:
        err.print(f"the run has not ended after {timeout:g} s")
        raise typer.Exit(Exit.TIMEOUT)
    if output in (Form.TABLE, Form.WIDE):
        out.print(f"execution {run.id} is {coloured(run.status, RUN_MARKS.get(run.status, Mark.WAIT))}")
    if run.status != "COMPLETED":
        raise typer.Exit(Exit.PARTIAL)


async def _ask_for_run(service: Service, wish: _Wish) -> ActAnswer:
    """Have the service start it. A run that was not listed before is the one."""

    async def listed() -> list[ExecutionAnswer]:
        runs = await service.answers(ExecutionAnswer, Where(wish.flow, wish.environment))
        return [run for run in runs if wish.configuration in ("", run.configuration)]

    before = {run.id for run in await listed()}
    names = {"flow": wish.flow, "environment": wish.environment, "configuration": wish.configuration}
    said = await service.act("trigger", **names)
    seconds = STARTING if wish.seconds is None else wish.seconds
    away, run = Away(seconds), None

    async def far_enough() -> bool | None:
        nonlocal run
        try:
            new = [one for one in await listed() if one.id not in before and one.by == "aicore-sync"]
        except Transient as error:
            await away.bear(error)
            return None
        away.over()
        run = new[-1] if new else None
        return True if run and (wish.seconds is None or run.status in ENDED) else None

    await _within(seconds, far_enough, "starting" if wish.seconds is None else "running")
    if run is None:
        err.print(
            f"it has not started yet; `aicore-sync get executions {wish.flow}` shows when it has",
            markup=False,
        )
    return ActAnswer(message=f"{said}: execution {run.id}" if run else said, execution=run)


async def _run_here(config: Path, wish: _Wish) -> ActAnswer:
    from aicore_sync.app.act import trigger_run
    from aicore_sync.app.board import now
    from aicore_sync.app.build import BuildOptions, build
    from aicore_sync.app.look import execution_answer
    from aicore_sync.app.runs import Asked, awaited, ended

    asked = Asked(wish.flow, wish.environment, wish.configuration)
    settings, masker = load(config, "warning")
    async with build(settings, BuildOptions(masker=masker, history=False)) as app:
        since = now()
        async with progress("starting"):
            found = await trigger_run(app, asked, _say)

        async def over() -> bool:
            nonlocal found
            found = found or await awaited(app, asked, since)
            found = await ended(app, found)
            return True

        if wish.seconds is not None:
            await _within(wish.seconds, over, "running")
        run = execution_answer(found) if found else None
    message = f"started execution {run.id}" if run else "a running service was asked to start it"
    return ActAnswer(message=message, execution=run)


async def _within(seconds: float, look: Callable[[], Awaitable[bool | None]], what: str) -> None:
    """Look until something is found, but not for longer than that."""
    from aicore_sync.app.patience import until

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), progress(what):
            await until(look)


@commands.command()
def stop(
    execution: ExecutionId,
    environment: InEnvironment = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Stop a run that aicore-sync or one of its schedules has started; runs of others are left alone."""

    async def stopped() -> str:
        async with progress("stopping"):
            said = await told(config, "stop", execution=execution, environment=environment)
            if said:
                return said
            from aicore_sync.app.act import stop_run
            from aicore_sync.app.build import BuildOptions, build
            from aicore_sync.app.runs import find

            settings, masker = load(config, "warning")
            async with build(settings, BuildOptions(masker=masker, history=False)) as app:
                return await stop_run(app, await find(app, execution, environment), _say)

    show_act(ActAnswer(message=asyncio.run(stopped())), output)


def _say(text: str) -> None:
    err.print(text, markup=False)
