"""The command `package`: a flow's code as a file, and a Dockerfile around it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from aicore_sync.app import BuildOptions, build
from aicore_sync.app.package import PackageOrder, code_package, own_packages, write_package
from aicore_sync.cli.inspect import chosen
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, load
from aicore_sync.core.dockerfile import BASE
from aicore_sync.terminal import err


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(package)


def package(
    flow: Annotated[str, typer.Argument(help="Executable id, or the path of the flow's file.")],
    config: ConfigFile = DEFAULT_CONFIG,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .tar, .tar.gz or .tgz.")] = Path(
        "job.tar"
    ),
    dockerfile: Annotated[
        Path | None, typer.Option("--dockerfile", help="Write a Dockerfile, too, and what it installs.")
    ] = None,
    base: Annotated[str, typer.Option("--base", help="Image that the Dockerfile starts from.")] = BASE,
) -> None:
    """Write a flow's code package, for an image that holds it (`embedded: true`); uploads nothing."""
    settings, masker = load(config, "warning")

    async def written() -> tuple[Path, ...]:
        async with build(settings, BuildOptions(history=False, masker=masker)) as app, progress("packing"):
            await app.read_sources()
            target = chosen(app, flow)[0]
            data = await code_package(app, target)
            own = await asyncio.to_thread(own_packages, app, target)
            order = PackageOrder(out, dockerfile, base)
            return await asyncio.to_thread(write_package, order, target, data, own)

    for path in asyncio.run(written()):
        err.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
