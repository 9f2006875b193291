"""The board's numbers: what counts as not live, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aicore_sync.app.board import Board, Window
from aicore_sync.app.tolive import ToLive
from aicore_sync.controller.source import Push
from aicore_sync.core.model import Condition, Health, Mark, Stage, Status, TemplateKey
from aicore_sync.notify import Notices
from aicore_sync.store import Store
from aicore_sync.telemetry import Metrics, NoTraces

KEY = TemplateKey("acme", "train")
START = datetime(2026, 3, 1, tzinfo=UTC)


class Clock:
    """What the board takes for the monotonic clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("aicore_sync.app.board.time.monotonic", lambda: self.now)


def board() -> tuple[Board, Window]:
    metrics = Metrics()
    made = Board(Store(), metrics, Notices((), {}), NoTraces())
    return made, Window(made, metrics, {})


async def test_what_is_as_it_was_is_not_written_again() -> None:
    store = Store()
    made = Board(store, Metrics(), Notices((), {}), NoTraces())
    for minute, mark in enumerate((Mark.WAIT, Mark.WAIT, Mark.OK, Mark.OK)):
        await made.put(KEY, replace(status(mark), updated=START + timedelta(minutes=minute)))
    kept = await store.history(KEY)
    assert [one.updated for one in kept] == [START + timedelta(minutes=2), START]
    newest = await store.get(KEY)
    assert newest
    assert newest.updated == START + timedelta(minutes=2)
    assert made.revision == 2
    await store.close()


def status(mark: Mark | None) -> Status:
    sync = (Condition(Stage.SYNC, mark, "Word"),) if mark else ()
    return Status(KEY, Health.PROGRESSING, "", sync, updated=START)


async def sample(window: Window, name: str) -> float:
    families = text_string_to_metric_families((await window.metrics()).decode())
    return next(s.value for family in families for s in family.samples if s.name == name)


@pytest.mark.parametrize(
    ("marks", "age"),
    [
        ([Mark.WAIT], 60),
        ([Mark.WAIT, Mark.FAIL], 60),
        ([Mark.OK], 0),
        ([Mark.OFF], 0),
        ([Mark.WAIT, Mark.OFF], 0),
        ([Mark.WAIT, Mark.OK], 0),
        ([Mark.WAIT, None], 0),
    ],
)
async def test_what_should_be_live_ages_until_it_is(
    marks: list[Mark | None], age: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    shown, window = board()
    for mark in marks:
        await shown.put(KEY, status(mark))
    clock.now += 60
    assert await sample(window, "aicore_sync_oldest_unsynced_seconds") == age, "also without another pass"


async def test_a_key_that_is_gone_or_another_replicas_ages_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shown, window = board()
    await shown.put(KEY, status(Mark.WAIT))
    await shown.delete(KEY)
    clock.now += 2000
    assert await sample(window, "aicore_sync_oldest_unsynced_seconds") == 0


async def test_the_time_that_a_person_held_it_back_is_no_time_to_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    shown, window = board()
    for mark, seconds in ((Mark.WAIT, 5), (Mark.OFF, 1200), (Mark.WAIT, 7), (Mark.OK, 0)):
        await shown.put(KEY, status(mark))
        clock.now += seconds
    assert await sample(window, "aicore_sync_push_to_live_seconds_sum") == 7


PUSHED, FETCHED = START - timedelta(minutes=4), START - timedelta(seconds=5)


def live(mark: Mark, second: float, source: str = "a.py@old") -> Status:
    sync = (Condition(Stage.SYNC, mark, "Word"),)
    return Status(
        KEY, Health.PROGRESSING, "", sync, {"source": source}, updated=START + timedelta(seconds=second)
    )


@pytest.mark.parametrize(
    ("statuses", "took"),
    [
        # a push that a poll found four minutes later: those minutes count
        ([live(Mark.OK, -99), live(Mark.WAIT, 0), live(Mark.OK, 20, "a.py@new")], 260),
        # the first statuses of a process
        ([live(Mark.WAIT, 0), live(Mark.OK, 20, "a.py@new")], 260),
        # another version of a tool, long after the commit came
        ([live(Mark.OK, 900), live(Mark.WAIT, 1000), live(Mark.OK, 1020, "a.py@new")], 20),
        # trouble of AI Core's with what was live
        ([live(Mark.OK, -99, "a.py@new"), live(Mark.WAIT, 0), live(Mark.OK, 20, "a.py@new")], 20),
        # a person held it back
        ([live(Mark.WAIT, 0), live(Mark.OFF, 9), live(Mark.WAIT, 900), live(Mark.OK, 920, "a.py@new")], 20),
        # a directory: nobody pushes
        ([live(Mark.OK, -99), live(Mark.WAIT, 0), live(Mark.OK, 20, "a.py@0123456789ab")], 20),
    ],
)
def test_a_change_takes_from_its_push_to_its_proof(statuses: list[Status], took: float) -> None:
    made = ToLive()
    made.push = lambda source: Push(PUSHED, FETCHED) if source == "a.py@new" else None
    found = [made.put(s, s.updated.timestamp()) for s in statuses if s.updated]
    assert found == [*[None] * (len(statuses) - 1), took]
    assert made.reached(KEY) == (PUSHED if took == 260 else None)
    assert made.reached(KEY) is None, "told once"
