"""The command `adopt`: manifests for what was made by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from aicore_sync.app import BuildOptions, build
from aicore_sync.app.adopt import HandMade, hand_made, write
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, load
from aicore_sync.core.errors import Stalled
from aicore_sync.terminal import err, out


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(adopt)


def adopt(
    directory: Annotated[
        Path, typer.Option("--output", "-o", help="Where the manifests go: one directory for each template.")
    ],
    tenant: Annotated[str, typer.Option(help="Only this tenant.")] = "",
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Write manifests for hand-made templates and their schedules, so that the first plan has nothing to do."""
    settings, masker = load(config, "warning")
    names = [item.name for item in settings.tenants]
    if tenant and tenant not in names:
        raise Stalled(f"there is no tenant {tenant}; known are: {', '.join(names)}", reason="NotFound")

    async def found() -> tuple[HandMade, ...]:
        options = BuildOptions(history=False, masker=masker)
        async with build(settings, options) as app, progress("looking"):
            return await hand_made(app, tenant)

    made = asyncio.run(found())
    for one, place in zip(made, write(made, directory), strict=True):
        out.print(f"{place}: {one.file} of {one.tenant}, {one.schedules} schedules", markup=False)
        for note in one.notes:
            err.print(f"{place}: {note}", markup=False)
    if not made:
        err.print("nothing to take over: every template file in the applications' paths has an owner")
