"""The command `diff`: what the source would change, in words."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer
from rich.markup import escape

from aicore_sync.app import BuildOptions, build, plan_once
from aicore_sync.app.diff import Difference, differences, failed
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, load
from aicore_sync.core.difference import Change, joined
from aicore_sync.core.plans import DifferenceAnswer, change_answers
from aicore_sync.terminal import CREDENTIAL_REASONS, Exit, Form, Sheet, err, out, show

_COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(diff)


def diff(
    flow: Annotated[str, typer.Argument(help="Executable id of a flow; all when absent.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="The template files as a unified diff.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Show in words what the source would change. Exit code 0: nothing, 1: changes, 2: something is wrong."""
    settings, masker = load(config, "error")

    async def compared() -> tuple[Difference, ...]:
        options = BuildOptions(masker=masker, history=False)
        async with build(settings, options) as app, progress("comparing") as bar:
            return differences(await plan_once(app, bar), flow)

    found = asyncio.run(compared())
    if raw and output is Form.TABLE:
        sys.stdout.writelines(difference.raw for difference in found)
    else:
        _show(found, output)
    holds = failed(found)
    for hold in holds:
        err.print(f"{hold.reason}: {hold.message}", markup=False, soft_wrap=True)
    if holds:
        refused = any(hold.reason in CREDENTIAL_REASONS for hold in holds)
        raise typer.Exit(Exit.CREDENTIALS if refused else Exit.ERROR)
    raise typer.Exit(Exit.CHANGES if any(d.changes for d in found) else Exit.OK)


def _show(found: tuple[Difference, ...], output: Form) -> None:
    changed = [d for d in found if d.changes]
    rows = [
        (str(d.key), escape(change.subject), words(change)) for d in changed for change in joined(d.changes)
    ]
    data = {"differences": [_data(d) for d in changed]}
    names = [str(d.key) for d in changed]
    if output in (Form.TABLE, Form.WIDE) and not changed:
        out.print("no change in what can be compared" if failed(found) else "no change")
        return
    show(output, Sheet(data, ("KEY", "WHAT", "CHANGE"), rows, names=names))


def words(change: Change) -> str:
    """How a change is shown: in the colour of its kind."""
    return f"[{_COLOURS[change.kind]}]{escape(change.what)}[/]"


def _data(difference: Difference) -> dict[str, Any]:
    changes = change_answers(difference.changes)
    answer = DifferenceAnswer(key=str(difference.key), changes=changes, raw=difference.raw)
    return answer.model_dump(mode="json", by_alias=True)
