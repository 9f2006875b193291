"""The command `check`: is everything there that the configuration and the flows rely on?"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import typer
from rich.markup import escape

from aicore_sync.app import BuildOptions, build
from aicore_sync.app.readiness import Line, readiness
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output, load
from aicore_sync.core.model import Mark
from aicore_sync.core.plans import CheckAnswer
from aicore_sync.terminal import CREDENTIAL_REASONS, Exit, Form, Sheet, coloured, show

MARKS = {"ok": Mark.OK, "missing": Mark.FAIL, "unknown": Mark.OFF}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(check)


def check(config: ConfigFile = DEFAULT_CONFIG, output: Output = Form.TABLE) -> None:
    """Look at credentials, repositories, applications, quotas, secrets. Exit code 2: a failure, 5: credentials."""
    settings, masker = load(config, "error")

    async def looked() -> tuple[Line, ...]:
        options = BuildOptions(history=False, masker=masker)
        async with build(settings, options) as app, progress("looking"):
            return await readiness(app)

    lines = asyncio.run(looked())
    rows = [(coloured(at.state, MARKS[at.state]), at.what, at.place, escape(at.message)) for at in lines]
    data = {"lines": [CheckAnswer(**asdict(at)).model_dump(mode="json", by_alias=True) for at in lines]}
    names = [f"{at.what}/{at.place}" for at in lines]
    show(output, Sheet(data, ("STATE", "WHAT", "WHERE", "MESSAGE"), rows, names=names))
    reasons = {at.reason for at in lines if at.state == "missing"}
    if reasons:
        raise typer.Exit(Exit.CREDENTIALS if reasons & CREDENTIAL_REASONS else Exit.ERROR)
