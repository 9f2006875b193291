"""Errors say what to do about them: back off, ask a person, or wait for a confirmation.

    SyncError
    ├── Transient     back off and try again; `ambiguous` means that a write may have landed
    ├── Stalled       a person must act; retried when the inputs change
    │   └── InvalidInput   one or more `Problem`s, each with its place and its cure
    └── Unsafe        allowed only after a confirmation that names `fingerprint`

The place that knows the meaning raises the class; nobody above looks at HTTP codes or git output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class SyncError(Exception):
    """Base of all errors that a pass may end with.

    `reason` is the PascalCase word shown on the condition, `message` one sentence for a person that
    includes the cure. Neither may hold a secret.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class Transient(SyncError):
    """Try again: after `retry_after` seconds when the other side said so, else by backoff.

    `ambiguous` is True when a write was sent and its answer was lost: it may have been applied.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "Unreachable",
        retry_after: float | None = None,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after
        self.ambiguous = ambiguous


class Stalled(SyncError):
    """A person must act. Not retried by time alone, only when the inputs change."""


class Unsafe(SyncError):
    """Too much would change at once; waits for a confirmation that names `fingerprint`."""

    def __init__(self, message: str, *, reason: str = "NeedsConfirmation", fingerprint: str) -> None:
        super().__init__(message, reason=reason)
        self.fingerprint = fingerprint


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in something a person wrote: where it is, what was found, what belongs there.

    `line` counts from 1, 0 when unknown; `key` is a dotted path such as `configurations[0].schedule.cron`;
    `code` is the lint rule that found it, "" where there is none.
    """

    file: str
    line: int
    key: str
    found: str
    expected: str
    cure: str = ""
    code: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place}: {self.key}" if self.key else place
        cure = f"; {self.cure}" if self.cure else ""
        return f"{where}: found {self.found}, expected {self.expected}{cure}"


class InvalidInput(Stalled):
    """Something that a person wrote cannot be used; nothing was changed because of it."""

    def __init__(self, problems: Iterable[Problem], *, reason: str = "InvalidInput") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)), reason=reason)
