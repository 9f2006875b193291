"""Locks and pushes under a Lease: they end with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from git_desk import Desk, open_desk
from githosts import file_at

from aicore_sync.core.errors import Transient
from aicore_sync.git import Batch, Change, OwnerLock, state_branch

NOW = 1_800_000_000.0


@dataclass
class MadeUpSeat:
    """A seat as the test says."""

    term: str = ""
    seconds: float = 0.0
    ended: set[str] = field(default_factory=set)

    def left(self) -> float:
        return self.seconds

    def over(self, term: str) -> bool:
        return term in self.ended


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def lock(desk: Desk, holder: str, seat: MadeUpSeat | None) -> OwnerLock:
    return OwnerLock(desk.state(now=lambda: NOW), lambda: holder, now=lambda: NOW, seat=seat)


async def test_a_lock_ends_with_its_term(desk: Desk) -> None:
    seats = MadeUpSeat("uid/1", 30), MadeUpSeat("uid/2", 30)
    one, two = lock(desk, "one", seats[0]), lock(desk, "two", seats[1])
    await one.acquire()
    assert (
        json.loads(file_at(desk.repository, "lock.json", revision=state_branch("team")) or b"")["term"]
        == "uid/1"
    )
    with pytest.raises(Transient, match="one holds the lock"):
        await two.acquire()
    with pytest.raises(Transient, match="one holds the lock"):
        await lock(desk, "a command", None).acquire()
    seats[0].seconds = 0.0
    assert not one.held
    with pytest.raises(Transient) as caught:
        one.ensure_held()
    assert caught.value.reason == "LockLost"
    seats[1].ended.add("uid/1")
    assert not (await two.acquire()).clean, "what the dead one sent may not show yet"
    two.ensure_held(60.0)
    seats[0].seconds = 30.0
    with pytest.raises(Transient) as caught:
        await one.renew()
    assert caught.value.reason == "LockLost"


async def test_the_same_process_with_a_new_term_takes_the_lock_anew(desk: Desk) -> None:
    seat = MadeUpSeat("uid/1", 30)
    one = lock(desk, "one", seat)
    await one.acquire()
    seat.term = "uid/2"
    assert not one.held
    assert not (await one.acquire()).clean
    assert one.held


async def test_without_a_lease_there_is_no_lock(desk: Desk) -> None:
    with pytest.raises(Transient) as caught:
        await lock(desk, "one", MadeUpSeat()).acquire()
    assert caught.value.reason == "LockLost"


async def test_a_push_ends_before_the_lease_does(desk: Desk) -> None:
    left = 30.0
    clone = desk.clone(left=lambda: left)
    file = Change("k", "templates", "wt-a.yaml", b"a: 1\n", lambda there: True, "a")
    published = await clone.publish(Batch((file,)))
    assert published.changed
    left = 0.0
    second = Change("k", "templates", "wt-a.yaml", b"a: 2\n", lambda there: True, "a")
    with pytest.raises(Transient) as caught:
        await clone.publish(Batch((second,)))
    assert caught.value.reason == "LockLost"
    assert file_at(desk.repository, "templates/wt-a.yaml") == b"a: 1\n"
    go_on = desk.repository / "go-on"
    hook = desk.repository / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nwhile [ ! -e '{go_on}' ]; do sleep 0.1; done\n")
    hook.chmod(0o755)
    left = 0.5
    try:
        async with asyncio.timeout(60):  # of a host that would take for ever
            with pytest.raises(Transient):
                await clone.publish(Batch((second,)))
    finally:
        go_on.touch()
