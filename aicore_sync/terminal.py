"""How the terminal is answered: tables for people, JSON and YAML for machines, exit codes for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from aicore_sync.core.model import Health, Mark


class Exit(IntEnum):
    """The exit codes of every command; documented in docs/exit-codes.md."""

    OK = 0
    CHANGES = 1
    ERROR = 2
    TIMEOUT = 3
    PARTIAL = 4
    CREDENTIALS = 5
    RESTART = 6


class Form(StrEnum):
    """`-o`: how to print. WIDE has more columns, NAME one name per line."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


CREDENTIAL_REASONS = frozenset(
    {
        "AccessDenied",
        "AuthenticationFailed",
        "Forbidden",
        "InvalidCredentials",
        "InvalidServiceKey",
        "MissingSecret",
        "PermissionDenied",
        "Unauthorized",
        "WrongTenant",
    }
)
PARTIAL_REASONS = frozenset({"PartlyDone"})
COLOURS = {
    Health.HEALTHY: "green",
    Health.PROGRESSING: "cyan",
    Health.ATTENTION: "red",
    Health.SUSPENDED: "yellow",
    Health.NOT_TARGETED: "bright_black",
    Mark.OK: "green",
    Mark.WAIT: "cyan",
    Mark.FAIL: "red",
    Mark.OFF: "yellow",
}

UNFOLDED = 100_000  # columns

out = Console(soft_wrap=False, highlight=False)
err = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Sheet:
    """What a command found. `data` is for machines; `rows` under `columns` are for people, who may use markup.

    The last `wide` columns are shown with `-o wide` only. `names`: what `-o name` prints, one per line.
    """

    data: Any
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    wide: int = 0
    names: Sequence[str] = ()


def show(form: Form, sheet: Sheet) -> None:
    """Print what was found in the form that was asked for."""
    if form is Form.JSON:
        sys.stdout.write(json.dumps(sheet.data, indent=2, ensure_ascii=False, default=str) + "\n")
    elif form is Form.YAML:
        sys.stdout.write(yaml.safe_dump(sheet.data, sort_keys=False, allow_unicode=True))
    elif form is Form.NAME:
        sys.stdout.writelines(f"{name}\n" for name in sheet.names)
    else:
        shown = len(sheet.columns) - (0 if form is Form.WIDE else sheet.wide)
        print_table(sheet.columns[:shown], [row[:shown] for row in sheet.rows])


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """On a terminal as wide as it is; elsewhere nothing is folded, so that a row is a line for grep and awk."""
    _print_unfolded(table(columns, rows))


def print_tree(tree: Tree) -> None:
    """As `print_table`."""
    _print_unfolded(tree)


def _print_unfolded(made: Table | Tree) -> None:
    if out.is_terminal:
        out.print(made)
        return
    unfolded = Console(width=UNFOLDED, highlight=False)
    with unfolded.capture() as captured:
        unfolded.print(made)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table: no frame, one space apart, last column wraps."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(columns):
        made.add_column(name, overflow="fold", no_wrap=at == 0)
    for row in rows:
        made.add_row(*row)
    return made


def coloured(word: str, kind: Health | Mark) -> str:
    """`word` in the colour of its meaning; plain where there is no terminal or NO_COLOR is set."""
    return f"[{COLOURS[kind]}]{word}[/]"
