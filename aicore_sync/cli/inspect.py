"""Commands that look at files: render, schema, config."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from aicore_sync.app import App, BuildOptions, build, hand_over
from aicore_sync.app.build import short_secrets
from aicore_sync.app.keys import service_key
from aicore_sync.cli.detail import print_detail
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, load
from aicore_sync.config import Settings, example_yaml, load_settings, secret_references
from aicore_sync.config import schema as schema_of
from aicore_sync.controller.renders import Made
from aicore_sync.core.catalog import Target
from aicore_sync.core.errors import InvalidInput, Stalled, SyncError
from aicore_sync.render import RenderFailed
from aicore_sync.telemetry import SHORTEST, Masker
from aicore_sync.terminal import Exit, err, out

config_group = typer.Typer(help="The configuration file.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(render)
    app.command()(schema)
    config_group.command("example")(config_example)
    config_group.command("check")(config_check)
    app.add_typer(config_group, name="config")


def render(
    flow: Annotated[
        str, typer.Argument(help="Executable id, or the path of the flow's file; every flow with `--out`.")
    ] = "",
    config: ConfigFile = DEFAULT_CONFIG,
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to write to: one template, or what `plan --rendered` reads."),
    ] = None,
) -> None:
    """Render a flow to the template that would be published, or every flow; uploads nothing."""
    settings, masker = load(config, "warning")
    if out_dir:
        out_dir.mkdir(parents=True, exist_ok=True)
    if not flow:
        if out_dir is None:
            raise typer.BadParameter("name a flow, or a directory for all", param_hint="FLOW, --out")
        _hand_over(settings, masker, out_dir)
        return

    async def rendered() -> list[Made]:
        async with build(settings, BuildOptions(history=False, masker=masker)) as app, progress("rendering"):
            await app.read_sources()
            return [await app.desire.make(target) for target in chosen(app, flow)]

    try:
        everything = asyncio.run(rendered())
    except RenderFailed as error:
        print_detail(error.detail, masker)
        raise
    for made in everything:
        for line in _remarks(made):
            err.print(line, markup=False, highlight=False, soft_wrap=True)
        file = made.template.file
        if out_dir is None:
            sys.stdout.write(made.template.data.decode())
        else:
            (out_dir / file).write_bytes(made.template.data)
            err.print(f"wrote {out_dir / file}")


def _hand_over(settings: Settings, masker: Masker, out_dir: Path) -> None:
    async def rendered() -> dict[str, bytes]:
        async with build(settings, BuildOptions(history=False, masker=masker)) as app, progress("rendering"):
            await app.read_sources()
            return await hand_over(app.desire)

    try:
        files = asyncio.run(rendered())
    except RenderFailed as error:
        print_detail(error.detail, masker)
        raise
    for name, data in files.items():
        path = out_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        err.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _remarks(made: Made) -> Iterator[str]:
    """Why steps got their machines, and what the flow's owner should know."""
    yield from (f"step {step}: {why}" for step, why in made.notes)
    yield from (f"warning: {text}" for text in made.warnings)


def targets(app: App) -> dict[str, Target]:
    """Every template that the source makes, by executable id; one tenant's form stands for all."""
    found = {target.key.executable: target for target in app.desire.catalog.flows.values()}
    return found | {target.key.executable: target for target in app.desire.catalog.targets.values()}


def chosen(app: App, flow: str) -> list[Target]:
    """The templates of a flow by its executable id or file: one, unless environments are isolated.

    Raises Stalled when there is none, InvalidInput when the flow cannot be rendered.
    """
    known = targets(app)
    path = flow.removeprefix("./")
    found = [
        t for t in known.values() if t.flow == flow or t.key.executable == flow or _is_file(app, t, path)
    ]
    if not found:
        broken = [b for b in app.desire.catalog.broken.values() if path in (b.file, b.executable)]
        problems = [str(p) for b in broken for p in b.problems]
        detail = "; ".join(problems) or f"known are: {', '.join(sorted(known)) or 'none'}"
        raise Stalled(f"there is no flow {flow}; {detail}", reason="NotFound")
    for target in found:
        if target.source.problems:
            raise InvalidInput(target.source.problems)
    return found


def _is_file(app: App, target: Target, path: str) -> bool:
    return target.source.file == path or app.desire.sources.file(target.source.file) == Path(path).resolve()


def schema(what: Annotated[Literal["config", "manifest"], typer.Argument(help="Which file.")]) -> None:
    """Print the JSON Schema of the configuration or the manifest, for editors."""
    sys.stdout.write(json.dumps(schema_of(what), indent=2) + "\n")


def config_example() -> None:
    """Print an annotated configuration."""
    sys.stdout.write(example_yaml())


def config_check(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Read the configuration, its directories and every secret that it names; contacts nobody."""
    settings = load_settings(config.absolute(), os.environ)
    absent = [
        f"{key}: {where} is not a directory; create it or correct the path"
        for key, where in _absent(settings)
    ]
    unread = []
    for _, reference in secret_references(settings):
        try:
            reference.read()
        except SyncError as error:
            unread.append(error.message)
    for tenant in settings.tenants if not unread else ():
        try:
            if tenant.service_key:
                service_key(tenant)
        except SyncError as error:
            unread.append(error.message)
    for key in short_secrets(settings):
        words = (
            f"{key}: warning: a secret of less than {SHORTEST} characters is not masked; take a longer one"
        )
        err.print(words, markup=False, soft_wrap=True)
    for failure in (*absent, *unread):
        err.print(failure, markup=False, soft_wrap=True)
    if absent or unread:
        raise typer.Exit(Exit.CREDENTIALS if unread else Exit.ERROR)
    out.print(f"{config} is valid")


def _absent(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Directories that the configuration takes for granted, with their keys."""
    for at, source in enumerate(settings.sources):
        if source.directory and not source.directory.is_dir():
            yield f"sources[{at}].directory", source.directory
