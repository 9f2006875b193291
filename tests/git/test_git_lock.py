"""The state branch and the owner's lock, between two holders on one served repository."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from git_desk import Desk, open_desk
from githosts import commit_as_somebody, file_at, git, log_of

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.git import Author, LockTimes, OwnerLock, state_branch

BRANCH = state_branch("team")


@dataclass
class Clock:
    """Stands still until it is moved."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def lock(desk: Desk, holder: str, clock: Clock, times: LockTimes | None = None) -> OwnerLock:
    return OwnerLock(desk.state(now=clock), lambda: holder, now=clock, times=times)


async def test_the_state_branch_is_created_kept_apart_and_merged(desk: Desk) -> None:
    one, two = desk.state(), desk.state()
    assert (await one.read()).commit is None
    anna = Author("Anna", "anna@example.com")
    written = await one.write({"decisions/churn.json": b"{}"}, "Suspend churn", anna)
    assert written.files == {"decisions/churn.json": b"{}"}
    await asyncio.gather(
        one.write({"a": b"1"}, "a"), two.write({"b": b"2", "decisions/churn.json": None}, "b")
    )
    read = await one.read()
    assert read.files == {"a": b"1", "b": b"2"}
    assert read.commit == git(desk.repository, "rev-parse", BRANCH)
    assert set(log_of(desk.repository, BRANCH)) == {"a", "b", "Suspend churn"}
    assert git(desk.repository, "log", "--format=%an", "--reverse", BRANCH).splitlines()[0] == "Anna"
    assert (await two.write({"a": b"1", "absent": None}, "nothing")).commit == read.commit
    assert log_of(desk.repository) == ["By hand"]
    with pytest.raises(Stalled, match="state file"):
        await one.write({"../x": b""}, "bad")


async def test_one_of_two_gets_the_lock(desk: Desk) -> None:
    clock = Clock()
    one, two = lock(desk, "one", clock), lock(desk, "two", clock)
    outcomes = await asyncio.gather(one.acquire(), two.acquire(), return_exceptions=True)
    (lost,) = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    (won,) = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert won.clean
    assert isinstance(lost, Transient)
    assert lost.reason == "LockHeld"
    assert lost.retry_after == pytest.approx(930)
    winner, loser = (one, two) if outcomes[1] is lost else (two, one)
    winner.ensure_held()
    with pytest.raises(Transient, match="does not hold the lock"):
        loser.ensure_held()


async def test_a_lock_given_back_is_clean_once_its_writes_have_settled(desk: Desk) -> None:
    clock = Clock()
    one, two = lock(desk, "one", clock), lock(desk, "two", clock)
    await one.acquire()
    await one.release(settles=clock() + 90)
    assert not (await two.acquire()).clean, "lists may not show yet what the last holder wrote"
    await two.release(settles=clock() + 90)
    clock.at += 91
    assert (await one.acquire()).clean


async def test_a_released_lock_is_clean_and_an_expired_one_is_not(desk: Desk) -> None:
    clock = Clock()
    one, two = lock(desk, "one", clock), lock(desk, "two", clock)
    await one.acquire()
    await one.release()
    await one.release()
    assert (await two.acquire()).clean
    assert json.loads(file_at(desk.repository, "lock.json", revision=BRANCH) or b"") == {
        "holder": "two",
        "expires": "2027-01-15T08:15:00.000+00:00",
        "released": False,
        "settles": 0.0,
        "term": "",
    }
    clock.at += 900 + 29
    with pytest.raises(Transient, match="two holds the lock"):
        await one.acquire()
    clock.at += 1
    assert not (await one.acquire()).clean
    with pytest.raises(Transient) as caught:
        await two.renew()
    assert caught.value.reason == "LockLost"
    with pytest.raises(Transient, match="now belongs to one"):
        two.ensure_held()
    await two.release()
    one.ensure_held()
    assert json.loads(file_at(desk.repository, "lock.json", revision=BRANCH) or b"")["holder"] == "one"


async def test_the_same_holder_takes_over_at_once_but_not_clean(desk: Desk) -> None:
    clock = Clock()
    await lock(desk, "one", clock).acquire()
    again = lock(desk, "one", clock)
    assert not (await again.acquire()).clean
    again.ensure_held()


async def test_a_lock_is_not_held_near_its_expiry(desk: Desk) -> None:
    clock = Clock()
    one = lock(desk, "one", clock)
    await one.acquire()
    clock.at += 895
    one.ensure_held()
    one.ensure_held(margin=4)
    with pytest.raises(Transient):
        one.ensure_held(margin=5)
    await one.renew()
    one.ensure_held(margin=899)
    clock.at += 900
    with pytest.raises(Transient):
        one.ensure_held()


async def test_keeping_renews_survives_an_outage_and_ends_when_the_lock_is_lost(desk: Desk) -> None:
    clock = Clock()
    one = lock(desk, "one", clock)
    await one.acquire()
    pauses: list[float] = []

    async def pass_time(seconds: float) -> None:
        pauses.append(seconds)
        clock.at += seconds
        if len(pauses) == 2:
            desk.repository.rename(desk.repository.with_suffix(".away"))
        if len(pauses) == 4:
            desk.repository.with_suffix(".away").rename(desk.repository)
        if len(pauses) == 6:
            other = {"holder": "two", "expires": "2030-01-01T00:00:00+00:00", "released": False}
            commit_as_somebody(desk.repository, {"lock.json": json.dumps(other)}, branch=BRANCH)

    with pytest.raises(Transient) as caught:
        await one.keep(pass_time)
    assert caught.value.reason == "LockLost"
    assert "now belongs to two" in caught.value.message
    assert pauses == [300, 300, 15, 15, 300, 300]


async def test_keeping_ends_at_the_expiry_without_an_answer(desk: Desk) -> None:
    clock = Clock()
    one = lock(desk, "one", clock, LockTimes(expiry=100, renew=60, retry=15))
    await one.acquire()
    desk.repository.rename(desk.repository.with_suffix(".away"))
    pauses: list[float] = []

    async def pass_time(seconds: float) -> None:
        pauses.append(seconds)
        clock.at += seconds

    with pytest.raises(Transient) as caught:
        await one.keep(pass_time)
    assert caught.value.reason == "LockLost"
    assert pauses == [60, 15, 15, 15]


async def test_every_lock_commit_is_a_fast_forward(desk: Desk) -> None:
    git(desk.repository, "config", "receive.denyNonFastForwards", "true")
    git(desk.repository, "config", "receive.denyDeletes", "true")
    clock = Clock()
    one = lock(desk, "one", clock)
    await one.acquire()
    clock.at += 1
    await one.renew()
    await one.release()
    assert log_of(desk.repository, BRANCH) == [
        "lock: one releases it",
        "lock: one renews it",
        "lock: one takes it",
    ]


async def test_an_unreadable_lock_is_for_a_person(desk: Desk) -> None:
    commit_as_somebody(desk.repository, {"lock.json": '{"holder": "x"}'}, branch=BRANCH)
    with pytest.raises(Stalled) as caught:
        await lock(desk, "one", Clock()).acquire()
    assert caught.value.reason == "LockUnreadable"
    assert "delete the file" in caught.value.message
