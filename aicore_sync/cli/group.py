"""The commands by name. The file of one is imported when it is called: most load a lot, and `--version` needs none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# Command -> the file beside this one that holds it, in the order of `--help`.
HOMES = {
    "run": "serve",
    "plan": "plan",
    "diff": "diff",
    "apply": "apply",
    "adopt": "adopt",
    "check": "check",
    "suspend": "decide",
    "resume": "decide",
    "render": "inspect",
    "package": "package",
    "lint": "lint",
    "status": "status",
    "sync": "sync",
    "wait": "sync",
    "events": "events",
    "gc": "upkeep",
    "doctor": "upkeep",
    "completion": "upkeep",
    "trigger": "act",
    "stop": "act",
    "logs": "logs",
    "get": "get",
    "tree": "lineage",
    "trace": "lineage",
    "compare": "lineage",
    "ticks": "lineage",
    "history": "history",
    "rollback": "history",
    "schema": "inspect",
    "config": "inspect",
    "demo": "serve",
    "sandbox": "serve",
}
GONE = 141  # what shells say of a program whose reader went away


class Shelf(MutableMapping[str, Any]):
    """Name -> command, made when it is looked up."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made |= commands_of(HOMES[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


def commands_of(home: str) -> dict[str, Any]:
    """The commands that a file beside this one holds."""
    part = typer.Typer(rich_markup_mode=None, add_completion=False)
    import_module(f"aicore_sync.cli.{home}").register(part)
    return dict(typer.main.get_group(part).commands)


class Lazy(TyperGroup):
    """The program."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Shelf()

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, without a look at the commands."""
        return list(HOMES)

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """As always, `--help` included."""
        with _reader():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: Any) -> Any:
        """As always."""
        with _reader():
            return super().invoke(ctx)


@contextmanager
def _reader() -> Iterator[None]:
    """One that went away, as `head` does, has what it wanted; exit code 1 would mean that there are changes."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the very end
        raise typer.Exit(GONE) from None
