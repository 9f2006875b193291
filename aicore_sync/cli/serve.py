"""Commands that stay: run, demo, sandbox."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from aicore_sync.cli.asked import asked_level
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, load
from aicore_sync.config import Settings, load_settings
from aicore_sync.telemetry import Masker, configure_logging
from aicore_sync.terminal import Exit, err


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(run)
    app.command()(demo)
    app.command(
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        add_help_option=False,
    )(sandbox)


def run(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Run the service: watch, publish, reconcile, show. Exit code 6: a change of the configuration needs a restart."""
    from aicore_sync.app.reload import ServedFile, serve_file

    settings, masker = load(config)
    file = ServedFile(config.absolute(), lambda: load_again(config, masker), masker)
    if asyncio.run(serve_file(file, settings, lambda url: err.print(f"status page: {url}"))):
        raise typer.Exit(Exit.RESTART)


def load_again(config: Path, masker: Masker) -> Settings:
    """The settings of a running service; logging follows them only when they can be used."""
    settings = load_settings(config.absolute(), os.environ)
    configure_logging(asked_level.get() or settings.log.level, settings.log.format, masker=masker)
    return settings


def demo(
    once: Annotated[bool, typer.Option(help="Stop when every demo flow is healthy.")] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Where to work; a temporary directory when absent.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that --once may take.")] = 600.0,
) -> None:
    """Show the whole product on embedded parts: git remote, AI Core sandbox, sample flows, status page."""
    from aicore_sync.demo import run_demo

    raise typer.Exit(asyncio.run(run_demo(once=once, directory=directory, timeout=timeout)))


def sandbox(context: typer.Context) -> None:
    """Start a small AI Core for tests and CI; `aicore-sync sandbox --help` lists its options."""
    command = [sys.executable, "-m", "aicore_sync.sandbox", *context.args]
    os.execv(sys.executable, command)  # noqa: S606  our own module, no shell
