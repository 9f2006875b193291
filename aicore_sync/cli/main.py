"""The command group, and how errors end a command."""

from __future__ import annotations

import sys
import tempfile
import traceback
from contextvars import copy_context
from typing import Annotated, Literal

import typer

from aicore_sync import __version__
from aicore_sync.cli.asked import asked_level, asked_url, begin
from aicore_sync.cli.group import Lazy
from aicore_sync.core.errors import SyncError
from aicore_sync.terminal import CREDENTIAL_REASONS, PARTIAL_REASONS, Exit, err

LogLevel = Literal["debug", "info", "warning", "error"]
app = typer.Typer(
    name="aicore-sync",
    cls=Lazy,
    help="GitOps for SAP AI Core: keeps templates, configurations, schedules and executions as your flows say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _group(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
    url: Annotated[
        str,
        typer.Option(
            "--url",
            envvar="AICORE_SYNC_URL",
            help="Address of the running service; the configuration's when absent.",
        ),
    ] = "",
    log: Annotated[
        LogLevel | None,
        typer.Option(
            "--log", envvar="AICORE_SYNC_LOG", help="What commands tell on stderr; default warning."
        ),
    ] = None,
) -> None:
    """Options of the whole program."""
    asked_url.set(url)
    asked_level.set(log or "")


def main() -> None:
    """The console script: every failure is a sentence and an exit code, never a traceback."""
    command = copy_context()  # what this command comes to know ends with it
    command.run(begin)
    try:
        command.run(app)
    except Exception as error:
        sys.exit(command.run(_told, error))


def _told(error: Exception) -> Exit:
    """Says what went wrong; returns how the program ends. Exit code 1 is no error: it means that there are changes."""
    from aicore_sync.cli.work import (
        masker_of,  # loads the configuration's rules, which most errors did already
    )

    mask = masker_of()
    match error:
        case SyncError():
            _say(error.reason, mask(error.message))
            return _code(error.reason)
        case OSError():
            _say("SystemRefused", mask(_sentence(error)))
        case _:
            words = mask(f"{type(error).__name__}: {error}")
            kept = _kept(mask("".join(traceback.format_exception(error))))
            _say("Defect", f"{words}; this is a mistake in aicore-sync, please report it with {kept}")
    return Exit.ERROR


def _code(reason: str) -> Exit:
    if reason in CREDENTIAL_REASONS:
        return Exit.CREDENTIALS
    return Exit.PARTIAL if reason in PARTIAL_REASONS else Exit.ERROR


def _say(reason: str, words: str) -> None:
    err.print(f"[red]{reason}[/]: ", end="")
    err.print(words, markup=False, soft_wrap=True)  # a path that is cut in two cannot be copied


def _sentence(error: OSError) -> str:
    why = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {why}" if error.filename else why


def _kept(text: str) -> str:
    """The traceback as a file; the words that name it."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="aicore-sync-", suffix=".txt", delete=False) as file:
            file.write(text)
    except OSError:
        err.print(text, markup=False, soft_wrap=True)
        return "the traceback above"
    return f"the traceback in {file.name}"
