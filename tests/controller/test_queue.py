"""The work queue with a clock that the test moves, and the shared lists with one reader at a time."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from aicore_sync.controller.queue import Backoff, WorkQueue
from aicore_sync.controller.snapshots import Snapshots


def test_a_key_waits_once_and_its_earliest_time_wins() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for after in (30.0, 10.0, 20.0):
        queue.add("a", 0.0, after)
    assert len(queue) == 1
    assert queue.next_due() == 10.0
    assert queue.pop(9.9) is None
    assert queue.pop(10.0) == "a"
    queue.done("a", 10.0)
    assert queue.pop(1000.0) is None


def test_what_is_added_in_flight_is_ready_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0.0)
    assert queue.pop(0.0) == "a"
    queue.add("a", 1.0, after=60.0)  # what the pass itself asks for
    queue.add("a", 2.0)  # news
    assert queue.pop(3.0) is None, "one pass of a key at a time"
    assert queue.busy(3.0)
    queue.done("a", 4.0)
    assert queue.pop(4.0) == "a"
    queue.done("a", 5.0)
    assert not queue.busy(5.0)


def test_keys_come_in_the_order_in_which_they_are_due() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("late", 0.0, 2.0)
    queue.add("first", 0.0, 1.0)
    queue.add("second", 0.0, 1.0)
    assert [queue.pop(5.0) for _ in range(4)] == ["first", "second", "late", None]


def test_backoff_doubles_to_its_limit_and_news_cut_it_short() -> None:
    queue: WorkQueue[str] = WorkQueue(Backoff(first=0.75, most=900.0, spread=0.2))
    waits = [queue.add_backoff("a", 0.0, random=0.5) for _ in range(13)]
    assert waits[:4] == [0.75, 1.5, 3.0, 6.0]
    assert waits[-1] == 900.0
    assert queue.add_backoff("b", 0.0, random=0.0, at_least=12.0) == 12.0
    queue.add("b", 1.0)
    assert queue.next_due() == 0.75, "the earliest of all its times"
    queue.forget("a")
    assert queue.add_backoff("a", 0.0, random=0.5) == 0.75


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_within_its_spread(failures: int, chance: float) -> None:
    backoff = Backoff(first=0.75, most=900.0, spread=0.2)
    assert 0.6 <= backoff.delay(failures, chance) <= 1080.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), max_size=60), st.integers())
def test_no_key_is_lost_and_none_runs_twice_at_a_time(adds: list[tuple[str, float]], seed: int) -> None:
    queue: WorkQueue[str] = WorkQueue()
    rng, now, flying, seen = random.Random(seed), 0.0, set[str](), set[str]()
    for key, after in adds:
        queue.add(key, now, after)
        now += rng.random()
        popped = queue.pop(now)
        if popped:
            assert popped not in flying
            flying.add(popped)
            seen.add(popped)
        if flying and rng.random() < 0.5:
            queue.done(done := rng.choice(sorted(flying)), now)
            flying.remove(done)
    for key in sorted(flying):
        queue.done(key, now)
    while popped := queue.pop(1000.0):
        seen.add(popped)
        queue.done(popped, 1000.0)
    assert seen == {key for key, _ in adds}
    assert len(queue) == 0


async def test_many_readers_cost_one_request_and_share_its_failure_with_nobody() -> None:
    now, calls, gate = [0.0], 0, asyncio.Event()
    snapshots = Snapshots(lambda: now[0])

    async def fetch() -> int:
        nonlocal calls
        calls += 1
        await gate.wait()
        if calls == 1:
            raise OSError
        return calls

    readers = [asyncio.create_task(snapshots.get("k", fetch, 10.0)) for _ in range(5)]
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(a) for a in answers] == [OSError, int, int, int, int]
    assert (calls, set(answers[1:])) == (2, {2})
    now[0] = 10.1
    assert await snapshots.get("k", fetch, 10.0) == 3


async def test_what_was_being_read_during_a_write_is_read_again() -> None:
    snapshots = Snapshots(lambda: 0.0)
    began, gate = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        began.set()
        await gate.wait()
        return "before the write"

    async def quick() -> str:
        return "after the write"

    reader = asyncio.create_task(snapshots.get("k", slow, 10.0))
    await began.wait()
    snapshots.drop("k")
    gate.set()
    assert await reader == "before the write"
    assert await snapshots.get("k", quick, 10.0) == "after the write"


async def test_a_value_put_during_a_read_outlives_it() -> None:
    snapshots = Snapshots(lambda: 0.0)
    began, gate = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        began.set()
        await gate.wait()
        return "old"

    reader = asyncio.create_task(snapshots.get("k", slow, 10.0))
    await began.wait()
    snapshots.put("k", "new")
    gate.set()
    await reader
    assert await snapshots.get("k", slow, 10.0) == "new"
