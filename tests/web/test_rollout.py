"""How far a version came, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aicore_sync.core.chronicle import Publication
from aicore_sync.core.model import Condition, FlowKey, Health, Mark, Stage, Status
from aicore_sync.web.rollout import rollout, side_by_side

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def status(second: float, version: str, **waits: str) -> Status:
    conditions = tuple(
        Condition(stage, Mark.WAIT if stage.value in waits else Mark.OK, waits.get(stage.value, "Well"))
        for stage in (Stage.CONFIGURE, Stage.SCHEDULE, Stage.EXECUTE)
    )
    health = Health.PROGRESSING if waits else Health.HEALTHY
    return Status(FlowKey("train", "dev"), health, "", conditions, {"version": version}, updated=at(second))


HISTORY = (
    status(0, "1"),
    status(30, "2", configure="ExecutableMissing", schedule="Waits", execute="Waits"),
    status(32, "2", execute="Running"),
    status(90, "2"),
    status(99, "2", execute="Running"),
)


def test_the_way_of_a_version_goes_from_its_push_to_healthy() -> None:
    entry = Publication("acme", "train", at(12), "2", "c" * 40, pushed=at(2), noticed=at(10), live=at(29))
    assert [(s.name, s.at, s.after) for s in rollout(entry, HISTORY).stages] == [
        ("Pushed", at(2), None),
        ("Seen", at(10), 8),
        ("Published", at(12), 2),
        ("Live", at(29), 17),
        ("Configured", at(32), 3),
        ("Scheduled", at(32), 0),
        ("Executed", at(90), 58),
        ("Healthy", at(90), 0),
    ]


def test_what_is_not_known_or_not_reached_stays_empty() -> None:
    entry = Publication("acme", "train", at(12), "3", "c" * 40, noticed=at(10))
    assert [s.name for s in rollout(entry, HISTORY).stages if s.at] == ["Seen", "Published"]


def test_a_version_that_comes_again_has_times_of_its_own() -> None:
    entry = Publication("acme", "train", at(12), "2", "c" * 40, noticed=at(10), live=at(29))
    again = replace(entry, at=at(120), noticed=at(110), live=at(130))
    history = (*HISTORY, status(131, "2", execute="Running"), status(150, "2"))
    first, second = rollout(entry, history, until=at(80)), rollout(again, history)
    assert [s.at for s in first.stages[4:]] == [at(32), at(32), None, None]
    assert [(s.at, s.after) for s in second.stages[2:]] == [
        (at(120), 10),
        (at(130), 10),
        (at(131), 1),
        (at(131), 0),
        (at(150), 19),
        (at(150), 0),
    ]


def test_a_stage_is_not_reached_before_those_ahead_of_it() -> None:
    entry = Publication("acme", "train", at(12), "4", "c" * 40, noticed=at(10))
    history = (status(20, "4", configure="Waits"), status(21, "4", execute="Running"), status(40, "4"))
    assert [s.at for s in rollout(entry, history).stages[4:]] == [at(21), at(21), at(40), at(40)]


def test_spans_add_up_where_two_stages_were_seen_in_the_other_order() -> None:
    entry = Publication("acme", "train", at(12), "2", "c" * 40, noticed=at(10), live=at(40))
    assert [s.after for s in rollout(entry, HISTORY).stages] == [None, None, 2, 28, 0, 0, 50, 0]


def test_a_push_has_no_column_where_nobody_pushes() -> None:
    entry = Publication("acme", "train", at(12), "2", "c" * 40, noticed=at(10))
    seen, pushed = rollout(entry, ()), rollout(replace(entry, pushed=at(5)), ())
    assert [s.name for s in side_by_side((seen, seen))[1].stages][:2] == ["Seen", "Published"]
    assert side_by_side((seen, pushed)) == (seen, pushed)
    assert side_by_side(()) == ()
