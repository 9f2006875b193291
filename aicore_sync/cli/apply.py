"""The command `apply`: once what the service does always."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import typer

from aicore_sync.app import (
    App,
    Applied,
    BuildOptions,
    Planned,
    agree,
    apply_once,
    build,
    confirm,
    lift_freezes,
    make_ready,
    plan_once,
    rewrite_secrets,
)
from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import has_token, service
from aicore_sync.cli.sync import ask
from aicore_sync.cli.work import (
    DEFAULT_CONFIG,
    ConfigFile,
    Output,
    load,
    show_statuses,
    tell_left_out,
    tell_progress,
)
from aicore_sync.config import Settings
from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.model import Health, Status
from aicore_sync.telemetry import Masker
from aicore_sync.terminal import Exit, Form, err


@dataclass(frozen=True)
class Wish:
    """What a person asks of one `apply`."""

    expect: str = ""
    timeout: float = 1800.0
    override_freeze: bool = False
    force_secrets: bool = False
    output: Form = Form.TABLE


def register(app: typer.Typer) -> None:
    """Add the command of this file."""

    @app.command()
    def apply(
        config: ConfigFile = DEFAULT_CONFIG,
        wait: Annotated[
            bool, typer.Option("--wait", help="Wait until everything is settled, as it always does.")
        ] = True,
        expect: Annotated[
            str, typer.Option(help="Only if the plan, or what a hold waits for, has this fingerprint.")
        ] = "",
        timeout: Annotated[
            float, typer.Option(help="Seconds to wait until everything is settled.")
        ] = Wish.timeout,
        override_freeze: Annotated[
            bool, typer.Option("--override-freeze", help="In spite of freezes.")
        ] = False,
        force_secrets: Annotated[
            bool, typer.Option("--force-secrets", help="Write every declared secret anew.")
        ] = False,
        output: Output = Form.TABLE,
    ) -> None:
        """Do once what the service does always, and wait for it. Exit code 4: not everything is healthy, 3: timeout."""
        settings, masker = load(config, "warning")
        wish = Wish(expect, timeout, override_freeze, force_secrets, output)
        applied, statuses = _here_or_there(settings, masker, wish)
        show_statuses(statuses, output)
        tell_left_out(applied)
        if not applied.settled:
            raise typer.Exit(Exit.TIMEOUT)
        if applied.left_out or any(status.health is Health.ATTENTION for status in statuses):
            raise typer.Exit(Exit.PARTIAL)


def _here_or_there(settings: Settings, masker: Masker, wish: Wish) -> tuple[Applied, tuple[Status, ...]]:
    """Apply here; a service that holds the lock is asked to do it, and its exit code is ours."""
    try:
        return asyncio.run(_applied(settings, masker, wish))
    except Transient as error:
        code = asyncio.run(_asked(settings, wish)) if error.reason == "LockHeld" else None
        if code is None:
            raise
        raise typer.Exit(code) from None


async def _asked(settings: Settings, wish: Wish) -> Exit | None:
    """None when no service of this owner can be asked."""
    async with service(settings) as found:
        return await ask(found, (), wish.timeout, wish.output) if found and has_token() else None


async def _applied(settings: Settings, masker: Masker, wish: Wish) -> tuple[Applied, tuple[Status, ...]]:
    async with build(settings, BuildOptions(wish.override_freeze, history=False, masker=masker)) as app:

        async def agreed(planned: Planned) -> None:
            if wish.expect:
                agree(app, planned, wish.expect)
            if wish.force_secrets:
                count = await rewrite_secrets(app)
                err.print(f"{count} declared secrets are written anew")

        async with progress("making the rendering environments ready"):
            await make_ready(app)
        try:
            return await apply_once(app, wish.timeout, tell_progress, agreed=agreed), app.board.rows()
        except Transient as error:
            if error.reason != "LockHeld" or not await _tell_service(app, wish):
                raise
            return Applied(settled=True), ()


async def _tell_service(app: App, wish: Wish) -> bool:
    """Leave what was asked for to the service that holds the lock. False when it was asked for nothing."""
    if wish.expect:
        await _confirm(app, wish.expect)
    if wish.override_freeze:
        lifted = await lift_freezes(app, "apply --override-freeze")
        for name, until in lifted.items():
            err.print(
                f"a running service holds the lock; it may change {name} until {until:%Y-%m-%d %H:%M} UTC"
            )
        if not lifted:
            err.print("a running service holds the lock, and nothing is frozen now")
    if wish.force_secrets:
        await rewrite_secrets(app)
        err.print("a running service holds the lock; it writes the secrets")
    return bool(wish.expect) or wish.override_freeze or wish.force_secrets


async def _confirm(app: App, expect: str) -> None:
    """Only what a hold names means anything to a service: the rest of a plan it carries out unasked."""
    found = await plan_once(app)
    if expect == found.fingerprint:
        words = f"a running service holds the lock, and does by itself what is planned; nothing waits for {expect}"
        raise Stalled(words, reason="NothingWaits")
    agree(app, found, expect)
    async with service(app.settings) as there:
        if there and has_token():
            err.print(await there.act("confirm", fingerprint=expect), markup=False)
            return
    await confirm(app, expect)
    err.print("a running service holds the lock; it has been given the confirmation and goes on by itself")
