"""Commands for those who run the installation: gc, doctor, completion."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from typer._completion_shared import get_completion_script

from aicore_sync.app import BuildOptions, build, plan_once
from aicore_sync.app.board import now
from aicore_sync.app.doctor import pack, parts
from aicore_sync.app.upkeep import Garbage, collect, garbage
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import service
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, load
from aicore_sync.core.errors import InvalidInput, Problem, SyncError
from aicore_sync.core.plans import GarbageAnswer, Kept, TakenAway
from aicore_sync.core.report import Outcome
from aicore_sync.core.wording import describe
from aicore_sync.terminal import Exit, Form, Sheet, coloured, err, out, show

PROGRAM = "aicore-sync"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (gc, doctor, completion):
        app.command()(command)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Take away what nobody wants: old runs by retention, schedules and templates without a source.

    Exit code 1 with --dry-run: there is something.
    """
    settings, masker = load(config, "error")

    async def swept() -> tuple[Garbage, tuple[Outcome, ...]]:
        options = BuildOptions(masker=masker, history=False)
        async with build(settings, options) as app, progress("looking") as bar:
            found = await garbage(app, await plan_once(app, bar))
            return found, () if dry_run or not found.actions else await collect(app, found)

    found, done = asyncio.run(swept())
    _show(found, output)
    failed = [outcome.error for outcome in done if outcome.error]
    for error in failed:
        err.print(error.message, markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(Exit.PARTIAL)
    raise typer.Exit(Exit.CHANGES if dry_run and found.actions else Exit.OK)


def _show(found: Garbage, output: Form) -> None:
    rows = [(str(key), "now", escape(describe(action))) for key, action in found.actions]
    rows += [
        (str(key), coloured(hold.reason, hold.mark), escape(hold.message)) for key, hold in found.waiting
    ]
    answer = GarbageAnswer(
        actions=tuple(TakenAway(key=str(key), what=describe(action)) for key, action in found.actions),
        waiting=tuple(Kept(key=str(key), reason=h.reason, message=h.message) for key, h in found.waiting),
        retained=found.retained,
    )
    data = answer.model_dump(mode="json", by_alias=True)
    show(output, Sheet(data, ("KEY", "WHEN", "WHAT"), rows, names=[str(key) for key, _ in found.actions]))
    if output in (Form.TABLE, Form.WIDE):
        out.print(
            f"\n{len(found.actions)} to take away; {found.retained} configurations and artifacts stay for ever"
        )


def doctor(
    file: Annotated[
        Path | None, typer.Option("--file", help="Where to write it; named by the time when absent.")
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Write a bundle for support: versions, configuration, checks, plan, statuses, events; secrets are masked."""
    place = file or Path(f"aicore-sync-doctor-{now():%Y%m%dT%H%M%SZ}.tar.gz")
    if not place.parent.is_dir():  # known now, not after all the work
        found, expected = "no such directory", "a file in a directory that exists"
        raise InvalidInput([Problem(str(place), 0, "", found, expected)])
    settings, masker = load(config, "error")

    async def gathered() -> dict[str, str]:
        async with build(settings, BuildOptions(masker=masker, history=False)) as app, progress("looking"):
            found = await parts(app, config)
        async with service(settings) as running:
            try:
                found["service.json"] = (
                    json.dumps(await running.get("status"), indent=2) if running else "no service answers\n"
                )
            except SyncError as error:
                found["service.json"] = f"{error.reason}: {error.message}\n"
        return found

    bundle = asyncio.run(gathered())
    place.write_bytes(pack(((name, masker(text)) for name, text in bundle.items()), now()))
    out.print(f"wrote {place}", markup=False, soft_wrap=True)
    err.print("look through it before you send it: names and addresses of yours are in it")


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Which shell.")],
) -> None:
    """Print the script that completes commands in a shell; `aicore-sync completion bash >> ~/.bashrc`."""
    variable = f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"
    sys.stdout.write(get_completion_script(prog_name=PROGRAM, complete_var=variable, shell=shell) + "\n")
