"""Writing to a branch that others write to as well: build on the head, compare and swap, build again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.git.bare import Bare
from aicore_sync.git.failures import Broken, NoSuchRef
from aicore_sync.git.objects import Draft

FIRST_PAUSE = 0.15  # seconds; doubled after every lost race
LONGEST_PAUSE = 5.0

T = TypeVar("T")
log = structlog.get_logger()


def unguarded() -> None:
    """The guard of a branch that needs no lock."""


@dataclass(frozen=True)
class Race:
    """How long to race, in seconds, and what must hold right before each push (`guard` raises)."""

    rng: random.Random
    patience: float = 60.0
    guard: Callable[[], None] = unguarded


@dataclass(frozen=True)
class Landed:
    """The head that holds what was wanted, and whether a commit of ours was needed for it."""

    commit: str | None
    changed: bool


Build = Callable[[str | None], Awaitable[Draft | None]]


async def land(bare: Bare, build: Build, race: Race) -> Landed:
    """Bring what `build` wants to the branch.

    `build` is given a head and returns the commit to be made on it, None when that head needs none; it is
    asked again for every new head, so nothing is ever replayed over the work of others. Raises `Transient`
    (reason PushRaceLost) when others were faster for `patience` seconds, and `Transient` with `ambiguous`
    when the answer to a push was lost and the remote cannot be asked.
    """
    deadline = asyncio.get_running_loop().time() + race.patience
    head = await bare.ready()
    attempt = 0
    while True:
        draft = await build(head)
        if draft is None:
            if await bare.refresh() == head:
                return Landed(head, changed=False)
            head = bare.head
            continue
        race.guard()
        commit = await bare.commit(draft)
        bare.pushed.append(commit)  # first: who is told of the push may ask before it has returned
        if await _pushed(bare, build, draft, commit):
            return Landed(bare.head, changed=True)
        attempt += 1
        await _pause(bare, race, attempt, deadline)
        head = await bare.refetch()


async def _pushed(bare: Bare, build: Build, draft: Draft, commit: str) -> bool:
    """Push; when the answer got lost, look whether the push has arrived all the same."""
    try:
        return await bare.push(commit, draft.files)
    except Transient as lost:
        try:
            head = await bare.refetch()
            arrived = head == commit or await build(head) is None
        except SyncError:
            raise Transient(lost.message, reason=lost.reason, ambiguous=True) from lost
        if arrived:
            return True
        raise


async def _pause(bare: Bare, race: Race, attempt: int, deadline: float) -> None:
    """Full jitter: writers that collided once should not collide again."""
    pause = race.rng.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))
    log.info("git_race_lost", repository=bare.remote.name, branch=bare.remote.branch, attempt=attempt)
    if asyncio.get_running_loop().time() + pause > deadline:
        raise Transient(
            f"push to branch {bare.remote.branch} of repository {bare.remote.name} lost against other writers "
            f"{attempt} times in {race.patience:g} s; it is tried again",
            reason="PushRaceLost",
        )
    await asyncio.sleep(pause)


async def healed(bare: Bare, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`; on an unexpected error of git once more with a new clone.

    Raises `Transient` (reason GitFailed) when the new clone does no better.
    """
    try:
        try:
            return await work()
        except Broken as broken:
            log.warning("git_clone_dropped", repository=bare.remote.name, error=str(broken))
            await bare.discard()
            return await work()
    except (Broken, NoSuchRef) as broken:
        await bare.discard()
        raise Transient(
            f"{broken}; a new clone is made and it is tried again", reason="GitFailed"
        ) from broken
