"""The command `plan`: what would happen."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from aicore_sync.app import BuildOptions, Planned, build, comment_text, place_of, plan_once, tell
from aicore_sync.app.diff import differences
from aicore_sync.cli.diff import words
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, load
from aicore_sync.core.difference import joined
from aicore_sync.core.plans import PlanAnswer, key_plan
from aicore_sync.core.wording import describe
from aicore_sync.terminal import CREDENTIAL_REASONS, Exit, Form, Sheet, coloured, err, out, show

commands = typer.Typer()


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.registered_commands += commands.registered_commands


@commands.command()
def plan(
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
    raw: Annotated[bool, typer.Option("--raw", help="The template files as a unified diff.")] = False,
    comment: Annotated[
        bool,
        typer.Option(
            "--comment", help="Also say it in one comment on the pull or merge request of this pipeline."
        ),
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write what the comment would say to this file.")
    ] = None,
    rendered: Annotated[
        Path | None,
        typer.Option(
            "--rendered",
            help="Plan from a directory that `render --out` wrote, not from the sources; no flow is run.",
        ),
    ] = None,
) -> None:
    """Show what would happen. Exit code 0: nothing to do, 1: changes, 2: something is wrong, 5: credentials."""
    settings, masker = load(config, "warning")
    place = place_of(os.environ) if comment else None

    async def planned() -> Planned:
        options = BuildOptions(masker=masker, history=False, rendered=rendered)
        async with build(settings, options) as app, progress("planning") as bar:
            found = await plan_once(app, bar)
            if place:
                masker.add(place.token)
                await tell(app.settings, place, found)
            return found

    result = asyncio.run(planned())
    if markdown:
        markdown.write_text(comment_text(settings.owner, result) + "\n")
    if raw and output is Form.TABLE:
        _show_raw(result)
    else:
        _show_plan(result, output)
    if result.failures:
        refused = any(hold.reason in CREDENTIAL_REASONS for _, hold in result.failures)
        raise typer.Exit(Exit.CREDENTIALS if refused else Exit.ERROR)
    raise typer.Exit(Exit.CHANGES if result.changes else Exit.OK)


def _show_plan(result: Planned, output: Form) -> None:
    changes = {found.key: found.changes for found in differences(result)}
    rows = []
    for key, found in result.plans.items():
        for action in found.actions:
            rows.append((str(key), action.stage.value, escape(describe(action))))
        for change in joined(changes.get(key, ())):
            rows.append((str(key), "", f"  {escape(change.subject)}: {words(change)}"))
        for hold in found.holds:
            word, what = coloured(hold.reason, hold.mark), escape(f"{hold.subject} {hold.message}".strip())
            rows.append((str(key), hold.stage.value, f"{word} {what}"))
    names = [str(key) for key, found in result.plans.items() if found.actions]
    plans = tuple(key_plan(key, found, changes.get(key, ())) for key, found in result.plans.items())
    whole = PlanAnswer(fingerprint=result.fingerprint, plans=plans).model_dump(mode="json", by_alias=True)
    show(output, Sheet(whole, ("KEY", "STAGE", "WHAT"), rows, names=names))
    if output in (Form.TABLE, Form.WIDE):
        out.print(f"\n{_in_all(result)}")


def _show_raw(result: Planned) -> None:
    """The template files as a patch; what is no part of one goes to stderr."""
    sys.stdout.writelines(found.raw for found in differences(result))
    err.print(_in_all(result), markup=False, soft_wrap=True)


def _in_all(result: Planned) -> str:
    return f"{result.summary}; fingerprint {result.fingerprint}"
