"""Joins what many passes want to write within a short window into one commit."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import structlog

from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.git.failures import Declined
from aicore_sync.git.judging import Batch, Change, Published
from aicore_sync.git.race import unguarded

OnResult = Callable[[Hashable, Published | SyncError], None]
log = structlog.get_logger()


class Publisher(Protocol):
    """What brings a batch to the remote: a `Clone`, or what proposes it for review."""

    async def publish(self, batch: Batch) -> Published:
        """See `Clone.publish`."""


class Committer:
    """The only writer of one branch within this process.

    `on_result(key, result)` is called once for every submitted change that was not replaced by a newer one
    of the same key: with what was published, or with the error that holds for this change alone or for the
    whole batch. A change with an error is forgotten; who still wants it submits it again.
    `window` is in seconds and starts with the first change; `guard` raises when we must not write.
    """

    def __init__(
        self,
        publisher: Publisher,
        on_result: OnResult,
        *,
        window: float = 1.0,
        guard: Callable[[], None] = unguarded,
    ) -> None:
        self._publisher = publisher
        self._on_result = on_result
        self._window = window
        self._guard = guard
        self._waiting: dict[tuple[str, str], Change] = {}
        self._writing: dict[tuple[str, str], Change] = {}
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()

    def submit(self, change: Change) -> None:
        """Have `change` written with the next commit; never blocks. The newest of a file wins."""
        place = (change.directory, change.name)
        older = self._waiting.pop(place, None)
        if older and older.key != change.key:
            self._on_result(older.key, _superseded(change))
        self._waiting[place] = change
        self._news.set()

    def pending(self, directory: str, name: str) -> Change | None:
        """The newest change of that file that has no result yet."""
        return self._waiting.get((directory, name)) or self._writing.get((directory, name))

    async def run(self) -> None:
        """Write, window by window, until cancelled."""
        while True:
            await self._news.wait()
            await asyncio.sleep(self._window)
            await self._flush()

    async def drain(self) -> None:
        """Write everything that waits now, without a window, and what arrives meanwhile."""
        await self._flush()
        while self._waiting:
            await self._flush()

    async def _flush(self) -> None:
        async with self._turn:
            self._news.clear()
            if not self._waiting:
                return
            self._writing, self._waiting = self._waiting, {}
            try:
                await self._write(list(self._writing.values()))
            finally:
                self._writing = {}

    async def _write(self, changes: list[Change]) -> None:
        # One bad file is found within 1 + 2·log2(n) pushes; a remote that refuses everything is not
        # asked much more often than that.
        budget = 3 + 2 * math.ceil(math.log2(len(changes)))
        piles = [changes]
        while piles:
            pile = piles.pop(0)
            budget -= 1
            refusal = await self._try(pile)
            if refusal is None:
                continue
            if refusal.by_content and len(pile) > 1 and budget > 0:
                middle = len(pile) // 2
                piles[:0] = [pile[:middle], pile[middle:]]
            else:
                self._report(pile, _not_alone(refusal) if refusal.by_content and len(pile) > 1 else refusal)

    async def _try(self, changes: Sequence[Change]) -> Declined | None:
        """Publish and report; a refusal of the whole commit is returned instead."""
        try:
            published = await self._publisher.publish(Batch(tuple(changes), self._guard))
        except Declined as declined:
            log.warning("git_push_declined", files=len(changes), error=declined.message)
            return declined
        except SyncError as error:
            log.warning("git_publish_failed", files=len(changes), reason=error.reason, error=error.message)
            self._report(changes, error)
            return None
        except OSError as error:  # a full disk, say: the next try may find room
            log.warning("git_publish_failed", files=len(changes), error=str(error))
            self._report(changes, Transient(f"git could not work: {error}", reason="GitFailed"))
            return None
        refused = {id(refusal.change): refusal.error for refusal in published.refused}
        for change in changes:
            self._on_result(change.key, refused.get(id(change), published))
        return None

    def _report(self, changes: Sequence[Change], error: SyncError) -> None:
        for change in changes:
            self._on_result(change.key, error)


def _not_alone(refusal: Declined) -> Transient:
    """For changes that were refused in company only: a later commit may be without the bad one."""
    return Transient(refusal.message, reason=refusal.reason)


def _superseded(winner: Change) -> Stalled:
    return Stalled(
        f"{winner.name}: found two flows that write this file, expected one; give one of them another executable id",
        reason="Contested",
    )
