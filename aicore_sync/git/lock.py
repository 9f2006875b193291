"""The owner's lock: one writer at a time, by compare-and-swap commits on the state branch."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.git.state import StateBranch

LOCK_FILE = "lock.json"
log = structlog.get_logger()


@dataclass(frozen=True)
class LockTimes:
    """Seconds. `skew` is how far apart two machines' clocks may be: a take-over waits so much longer.

    `retry` is the pause after a renewal that failed.
    """

    expiry: float = 900.0
    renew: float = 300.0
    retry: float = 15.0
    skew: float = 30.0


@dataclass(frozen=True)
class Acquired:
    """`clean` is True when nobody held the lock before, or its last holder gave it back and its writes show.

    Otherwise the last holder may have sent a write whose effect is not visible yet.
    """

    clean: bool


class Seat(Protocol):
    """What entitles this process to hold locks: a Lease that it may lose earlier than the lock expires."""

    @property
    def term(self) -> str:
        """Names the present holding of the Lease, "" while it is not ours."""

    def left(self) -> float:
        """Seconds in which a write may still be under way."""

    def over(self, term: str) -> bool:
        """Whether that term has surely ended, whoever held it."""


class NoSeat:
    """A process that needs no Lease, and knows of none."""

    term = ""

    def left(self) -> float:
        return math.inf

    def over(self, term: str) -> bool:
        return False


@dataclass(frozen=True)
class Held:
    """The lock file: who, until when (seconds since 1970; ISO 8601 in the file), and whether given back.

    `settles` (seconds since 1970) is when lists surely show all that the holder wrote before it gave the lock back.
    `term` names the Lease under which it is held, "" without one: the lock ends with it.
    """

    holder: str
    expires: float
    released: bool = False
    settles: float = 0.0
    term: str = ""

    def encoded(self) -> bytes:
        text = datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="milliseconds")
        return (json.dumps({**asdict(self), "expires": text}, sort_keys=True, indent=2) + "\n").encode()


class OwnerLock:
    """The lock of one installation, for one holder.

    `holder` names this process's identity, asked for at the first `acquire`. It must survive a restart: a lock
    held by the same name is taken over at once, so the caller proves beforehand (with a lock on a local file)
    that the process before it is dead. `now` is in seconds since 1970. With a `seat` the lock holds only as long as
    the seat's term, and a lock whose term is over is taken over at once.
    """

    def __init__(
        self,
        state: StateBranch,
        holder: Callable[[], str],
        *,
        now: Callable[[], float],
        times: LockTimes | None = None,
        seat: Seat | None = None,
    ) -> None:
        self._state = state
        self._seat = seat or NoSeat()
        self._now = now
        self._times = times or LockTimes()
        self._ask_holder = holder
        self.holder = ""
        self._expires: float | None = None
        self._taken_by = ""
        self._term = ""

    async def acquire(self) -> Acquired:
        """Take the lock. Raises `Transient` (LockHeld) while somebody else has it."""
        self.holder = self.holder or self._ask_holder()
        clean = False
        until = 0.0
        term = self._seat.term
        if self._seat.left() <= 0:
            raise _lost("this process holds no Lease")

        def take(files: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            nonlocal clean, until
            before = read_lock(files)
            self._refuse_if_held(before)
            clean = before is None or (before.released and before.settles <= self._now())
            until = self._now() + self._times.expiry
            return {LOCK_FILE: Held(self.holder, until, term=term).encoded()}

        await self._state.read()  # an old copy may show a holder who has given the lock back
        await self._state.update(take, f"lock: {self.holder} takes it")
        self._expires, self._taken_by, self._term = until, "", term
        log.info("lock_acquired", holder=self.holder, clean=clean)
        return Acquired(clean)

    @property
    def held(self) -> bool:
        """True while the lock is ours."""
        return self._expires is not None and self._now() < self._expires and self._seated

    @property
    def _seated(self) -> bool:
        return self._seat.term == self._term and self._seat.left() > 0

    def ensure_held(self, margin: float = 0.0) -> None:
        """Raises `Transient` (LockLost) unless the lock is ours for more than `margin` seconds.

        A seat counts as it is now: requests themselves end before it does.
        """
        if self._expires is None or self._now() + margin >= self._expires or not self._seated:
            branch = self._state.remote.branch
            if self._taken_by:
                raise _lost(f"the lock of {branch} now belongs to {self._taken_by}")
            raise _lost(f"{self.holder or 'this process'} does not hold the lock of {branch}")

    async def renew(self) -> None:
        """Move the expiry. Raises `Transient` (LockLost) when somebody else took the lock meanwhile."""
        until = 0.0

        def extend(files: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            nonlocal until
            self._require_ours(files)
            until = self._now() + self._times.expiry
            return {LOCK_FILE: Held(self.holder, until, term=self._term).encoded()}

        await self._state.update(extend, f"lock: {self.holder} renews it")
        self._expires = until

    async def release(self, settles: float = 0.0) -> None:
        """Give the lock back; nothing happens when it is not ours.

        The next holder need not wait for its expiry, and finds it clean from `settles` (seconds since 1970) on.
        """
        if self._expires is None:
            return
        self._expires = None

        def give_back(files: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            held = read_lock(files)
            if held is None or held.holder != self.holder:
                return {}
            return {LOCK_FILE: Held(self.holder, self._now(), released=True, settles=settles).encoded()}

        await self._state.update(give_back, f"lock: {self.holder} releases it")
        log.info("lock_released", holder=self.holder)

    async def keep(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Renew until cancelled. A failure is retried until the expiry; then `Transient` (LockLost)."""
        pause = self._times.renew
        while True:
            await sleep(pause)
            try:
                await self.renew()
                pause = self._times.renew
            except SyncError as error:
                log.warning("lock_not_renewed", reason=error.reason, error=error.message)
                self.ensure_held()  # lost, or expired without an answer
                pause = self._times.retry

    def _refuse_if_held(self, before: Held | None) -> None:
        if before is None or before.released or before.holder == self.holder:
            return
        if before.term and self._seat.over(before.term):
            log.warning("lock_taken_over", holder=self.holder, before=before.holder, term=before.term)
            return
        left = before.expires + self._times.skew - self._now()
        if left > 0:
            until = datetime.fromtimestamp(before.expires, UTC).isoformat(timespec="seconds")
            raise Transient(
                f"{before.holder} holds the lock on branch {self._state.remote.branch} until {until}; stop it, or "
                "wait until it releases the lock or dies",
                reason="LockHeld",
                retry_after=left,
            )
        log.warning("lock_taken_over", holder=self.holder, before=before.holder)

    def _require_ours(self, files: Mapping[str, bytes]) -> None:
        held = read_lock(files)
        if self._expires is None or held is None or held.released or held.holder != self.holder:
            self._expires = None
            self._taken_by = held.holder if held and not held.released else "nobody"
            self.ensure_held()


def read_lock(files: Mapping[str, bytes]) -> Held | None:
    """The lock on the state branch; raises `Stalled` (LockUnreadable) when it makes no sense."""
    if LOCK_FILE not in files:
        return None
    try:
        found = json.loads(files[LOCK_FILE])
        expires = datetime.fromisoformat(found["expires"]).timestamp()
        released, settles = found.get("released") is True, float(found.get("settles") or 0.0)
        return Held(str(found["holder"]), expires, released, settles, str(found.get("term") or ""))
    except (ValueError, KeyError, TypeError) as error:
        raise Stalled(
            f"{LOCK_FILE} on the state branch: found something unreadable ({type(error).__name__}), expected holder, "
            "expires and released; make sure that no aicore-sync of this owner runs, then delete the file",
            reason="LockUnreadable",
        ) from error


def _lost(message: str) -> Transient:
    return Transient(f"{message}; writing stops until it is acquired again", reason="LockLost")
