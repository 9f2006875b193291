"""When a commit of a source was pushed, as well as that can be known. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Push:
    """A commit that came: `at` is when it was pushed, `seen` when we first had it."""

    at: datetime
    seen: datetime


@dataclass(frozen=True)
class Signs:
    """What tells of a push: `committed` by its committer's clock, `woken` by a webhook, `without` was the last look
    that did not have it. None: there is no such sign.
    """

    committed: datetime | None = None
    woken: datetime | None = None
    without: datetime | None = None


def push_of(signs: Signs, seen: datetime) -> Push:
    """A commit may be old when it is pushed and its clock may be wrong, so its date counts only between two looks.

    What was there at the first look of all may have been there for years: it counts from then.
    """
    if signs.without is None:
        return Push(seen, seen)
    at = signs.woken or signs.committed or seen
    return Push(min(max(at, signs.without), seen), seen)
