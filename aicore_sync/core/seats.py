"""Seats: Leases of which each process holds at most one. What a look at a Lease means, and what to do then.

Pure. Times are seconds on a clock of this process that also runs while the machine sleeps; nobody compares the clocks
of two machines. A Lease is over when it has not changed for its duration since this process first saw it so, which is
never earlier than its holder stops to rely on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Record:
    """A Lease as the API server has it.

    `holder` is "" while nobody holds it. `term` grows with every taking. `renewed` is compared, never read. `address`
    is where the holder's window is, `nudge` changes when another process has news for it. `raw` is the object itself.
    """

    seat: str
    uid: str
    version: str
    holder: str = ""
    term: int = 0
    duration: float = 0.0
    renewed: str = ""
    address: str = ""
    nudge: str = ""
    raw: Any = field(default=None, compare=False, repr=False)

    @property
    def name_of_term(self) -> str:
        """Names this taking of this Lease for ever."""
        return f"{self.seat}/{self.uid}/{self.term}"


@dataclass(frozen=True)
class Seen:
    """A record, and since when this process has seen its holder's last sign of life.

    `ended` is when the terms of all Leases that had this name before it are surely over: a Lease that was deleted can
    not be renewed, but its holder relies on it until its time is up.
    """

    record: Record
    since: float
    ended: float = math.inf

    @classmethod
    def first(cls, record: Record, now: float) -> Seen:
        """With what was read at the first look."""
        return cls(record, now, now + record.duration)

    def after(self, record: Record, now: float, read: bool = False) -> Seen:
        """With what was told now. A watch may be behind what is known already; what was `read` may not.

        So somebody who writes the Lease without its terms is believed as soon as it is read.
        """
        before = self.record
        behind = (record.term, not record.holder) < (before.term, not before.holder)
        if record.uid == before.uid and behind and not read:
            return self
        if record.uid != before.uid:
            return Seen(record, now, now + before.duration)
        same = (before.holder, before.term, before.renewed) == (record.holder, record.term, record.renewed)
        return Seen(record, self.since if same else now, self.ended)

    @property
    def over(self) -> float:
        """When it will be over if nothing changes."""
        return self.since + self.record.duration


class Sign(Enum):
    """Which sign of life a write of a record gives."""

    NONE = "none"
    RENEWED = "renewed"
    TAKEN = "taken"


class Step(Enum):
    """What to do about a seat."""

    REST = "rest"
    TAKE = "take"
    CLEAR = "clear"


def next_step(seen: Seen, me: str, mine: str | None, now: float) -> Step:
    """What the process called `me` does, which holds the seat `mine` or none.

    A seat that names `me` although it does not hold it was left by a process before this one, or by an answer that
    got lost: nobody else uses it.
    """
    record = seen.record
    if record.seat == mine:
        return Step.REST
    if record.holder == "":
        return Step.TAKE if mine is None else Step.REST
    if record.holder != me and now < seen.over:
        return Step.REST
    return Step.TAKE if mine is None else Step.CLEAR


def taken(record: Record, me: str, address: str, duration: float) -> Record:
    """The record as `me` writes it to take the seat."""
    return replace(record, holder=me, term=record.term + 1, duration=duration, address=address)


def cleared(record: Record) -> Record:
    """The record without a holder. The term stays, so that it is known to be over."""
    return replace(record, holder="", address="")


def is_over(term: str, seats: Iterable[Seen], now: float) -> bool:
    """Whether a term (`Record.name_of_term`) has surely ended, as far as is known here.

    The record was changed by compare-and-swap, so whoever held it can not renew it any more; or it was deleted, and
    another has had its name for as long as a holder may rely on the old one.
    """
    place, _, number = term.rpartition("/")
    seat, _, uid = place.rpartition("/")
    for seen in seats:
        record = seen.record
        if record.uid == uid and (
            record.term > int(number) or (record.term == int(number) and not record.holder)
        ):
            return True
        if record.seat == seat and record.uid != uid and now >= seen.ended:
            return True
    return False
