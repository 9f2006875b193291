"""One change in words, and how many of them read as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["added", "removed", "changed"]
LONGEST = 60  # characters of a value that is shown; of longer ones only that they changed


@dataclass(frozen=True)
class Change:
    """`subject` is what changes ("step train", "schedule nightly"), `what` how ("resource plan starter → basic")."""

    subject: str
    what: str
    kind: Kind = "changed"

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}"


def summary(changes: Iterable[Change]) -> str:
    """One sentence: `step train: resource plan starter → basic, +1 output artifact; parameter alpha: …`."""
    by_subject: dict[str, list[str]] = {}
    for change in changes:
        by_subject.setdefault(change.subject, []).append(change.what)
    return "; ".join(f"{subject}: {', '.join(whats)}" for subject, whats in by_subject.items())


def joined(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The same change of several steps once: `4 steps: variable A added`."""
    alike: dict[tuple[bool, str, str], list[Change]] = {}
    for change in changes:
        alike.setdefault((change.subject.startswith("step "), change.kind, change.what), []).append(change)
    return tuple(
        Change(f"{len(found)} steps", what, found[0].kind) if of_step and len(found) > 1 else one
        for (of_step, _, what), found in alike.items()
        for one in (found[:1] if of_step else found)
    )


def from_to(name: str, before: Any, after: Any) -> str:
    """`name before → after`, with `name` alone where the values are too long to read."""
    one, other = shown(before), shown(after)
    if max(len(one), len(other)) > LONGEST or "\n" in one + other:
        return f"{name} changed"
    return f"{name} {one} → {other}".strip()


def shown(value: Any) -> str:
    """A value as people write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    return str(value) if value != "" else '""'


def kind_of(before: Any, after: Any) -> Kind:
    """Which of the three a pair of values is; None stands for absent."""
    if before is None:
        return "added"
    return "removed" if after is None else "changed"
