"""Freeze windows: when an environment must not change, from cron, duration and time zone. Pure, apart from the time
zone database that `zoneinfo` reads.

`deny` windows forbid changes while they last; where `allow` windows name an environment, changes are forbidden outside
of them; deny wins. A window begins by the wall clock of its time zone and lasts its duration in elapsed time. A start
that the change to daylight saving time skips comes right after the gap, one that is repeated in autumn counts once,
as in Debian's cron.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

AUTUMN = timedelta(hours=3)  # longer than what wall clocks repeat
STEPS = 50  # windows may follow each other without a gap for ever: further ahead nobody needs to know the end


@dataclass(frozen=True)
class Window:
    """`cron` is five numeric fields, `duration` seconds; no `environments` means all."""

    cron: str
    duration: float
    timezone: str = "UTC"
    environments: tuple[str, ...] = ()
    mode: Literal["deny", "allow"] = "deny"

    def __str__(self) -> str:
        hours = timedelta(seconds=self.duration)
        return f"{self.mode} `{self.cron}` for {hours} in {self.timezone}"


@dataclass(frozen=True)
class Frozen:
    """An environment must not change until `until`, because of `window`."""

    until: datetime
    window: Window


def frozen(windows: Sequence[Window], environment: str, now: datetime) -> Frozen | None:
    """The freeze that holds now, and its end: windows that follow without a gap are one.

    Where they follow for ever, the end is one of theirs: look again then.
    """
    ours = [w for w in windows if not w.environments or environment in w.environments]
    first = _frozen_at(ours, now)
    end = first
    for _ in range(STEPS):
        further = _frozen_at(ours, end.until) if end else None
        if end is None or further is None or further.until <= end.until:
            break
        end = further
    return Frozen(end.until, first.window) if first and end else None


def _frozen_at(windows: Sequence[Window], now: datetime) -> Frozen | None:
    denied = [Frozen(until, w) for w in windows if w.mode == "deny" and (until := _open_until(w, now))]
    if denied:
        return max(denied, key=lambda f: f.until)
    allow = [w for w in windows if w.mode == "allow"]
    if not allow or any(_open_until(w, now) for w in allow):
        return None
    return min((Frozen(_next_start(w, now), w) for w in allow), key=lambda f: f.until)


def _open_until(window: Window, now: datetime) -> datetime | None:
    """The end of the window that is open now: of its last start at or before now."""
    zone, length = ZoneInfo(window.timezone), timedelta(seconds=window.duration)
    # Backwards from beyond the hours that autumn repeats: wall clocks before now may still be ahead of it.
    offsets = {(now + span).astimezone(zone).utcoffset() for span in (-AUTUMN, AUTUMN)}
    beyond = (now + (AUTUMN if len(offsets) > 1 else timedelta(minutes=1))).astimezone(zone)
    starts = (at.astimezone(UTC) for at in CronSim(window.cron, beyond, reverse=True))
    start = next(at for at in starts if at <= now)
    return start + length if now < start + length else None


def _next_start(window: Window, now: datetime) -> datetime:
    return next(CronSim(window.cron, now.astimezone(ZoneInfo(window.timezone)))).astimezone(UTC)
