"""What holds for one call of the program: what its own options say, and which secrets it knows."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `--version` needs none of it
    from aicore_sync.telemetry import Masker

asked_url: ContextVar[str] = ContextVar("asked_url", default="")  # `--url`
asked_level: ContextVar[str] = ContextVar("asked_level", default="")  # `--log`


@dataclass
class Learnt:
    """What a command comes to know: made before it starts, so that how it ends knows it, too."""

    masker: Masker | None = None


learnt: ContextVar[Learnt] = ContextVar("learnt")


def begin() -> None:
    """A command begins, and knows nothing."""
    learnt.set(Learnt())
