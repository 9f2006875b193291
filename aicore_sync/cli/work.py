"""What commands share: options, the settings, and statuses as lines and tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from aicore_sync.cli.asked import Learnt, asked_level, learnt
from aicore_sync.config import Settings, load_settings
from aicore_sync.core.answers import ActAnswer
from aicore_sync.core.model import Health, Status
from aicore_sync.core.statuses import line_status
from aicore_sync.telemetry import Masker, configure_logging
from aicore_sync.terminal import Form, Sheet, coloured, err, out, show

if TYPE_CHECKING:
    from aicore_sync.app import Applied

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", envvar="AICORE_SYNC_CONFIG", help="The configuration file.")
]
Output = Annotated[Form, typer.Option("--output", "-o", help="How to print.")]
DEFAULT_CONFIG = Path("config.yaml")


def load(config: Path, level: str | None = None) -> tuple[Settings, Masker]:
    """The settings, with logging set up: as they say for the service (`level` None), else for people.

    A command logs at `level` or what `--log` says, readable unless the configuration asks for JSON.
    """
    masker = masker_of()
    level = asked_level.get() or level
    configure_logging(level or "warning", "console", masker=masker)
    # Absolute, so that the paths in it hold for children that work in another directory.
    settings = load_settings(config.absolute(), os.environ)
    form = settings.log.format
    if level and form == "auto":
        form = "console"
    configure_logging(level or settings.log.level, form, masker=masker)
    return settings, masker


def masker_of() -> Masker:
    """The one of this command: it learns every secret that the command comes to know."""
    known = learnt.get(None) or Learnt()
    known.masker = known.masker or Masker()
    return known.masker


def tell_progress(status: Status) -> None:
    """A line on stderr for news of a flow."""
    err.print(f"{coloured(status.health.value, status.health)} {status.key}: ", end="")
    err.print(status.message, markup=False, soft_wrap=True)


def tell_left_out(applied: Applied) -> None:
    """Which repositories nothing was done in, and why."""
    for name, error in applied.left_out.items():
        err.print(f"[red]{error.reason}[/]: ", end="")
        err.print(f"nothing was done in repository {name}: {error.message}", markup=False, soft_wrap=True)


def show_statuses(statuses: tuple[Status, ...], output: Form) -> None:
    """One line per flow and environment, what needs attention first."""
    order = list(Health)
    order.insert(0, order.pop(order.index(Health.ATTENTION)))
    listed = sorted(statuses, key=lambda s: (order.index(s.health), str(s.key)))
    data = [line_status(s).model_dump(mode="json", by_alias=True) for s in listed]
    rows = [
        (str(s.key), coloured(s.health.value, s.health), s.facts.get("version", ""), escape(s.message))
        for s in listed
    ]
    names = [str(s.key) for s in listed]
    show(output, Sheet({"statuses": data}, ("KEY", "HEALTH", "VERSION", "MESSAGE"), rows, names=names))


def show_act(answer: ActAnswer, output: Form) -> None:
    """What became of something: a sentence for people, the whole for machines."""
    if output in (Form.TABLE, Form.WIDE):
        out.print(answer.message, markup=False, soft_wrap=True)
        return
    names = [answer.execution.id] if answer.execution else []
    show(output, Sheet(answer.model_dump(mode="json", by_alias=True), (), (), names=names))
