"""Which change becomes a note, on which route, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from aicore_sync.core.model import Condition, FlowKey, Health, Key, Mark, Stage, Status, TemplateKey
from aicore_sync.notify import Known, LogNotifier, Note, NoteKind, Notices, Route, Rule, compose, step

KEY = FlowKey("train", "dev")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def status(health: Health, key: Key = KEY, minute: float = 0, version: str = "") -> Status:
    mark = Mark.FAIL if health is Health.ATTENTION else Mark.OK
    conditions = (Condition(Stage.PUBLISH, Mark.OK, "Published"), Condition(Stage.SYNC, mark, "SyncFailed"))
    facts = {"version": version} if version else {}
    return Status(
        key, health, f"it is {health}", conditions, facts, updated=START + timedelta(minutes=minute)
    )


class Postbox:
    def __init__(self) -> None:
        self.notes: list[Note] = []

    def put(self, note: Note) -> None:
        self.notes.append(note)

    @property
    def kinds(self) -> list[str]:
        return [note.kind.value for note in self.notes]


def told(rule: Rule, *way: Status) -> list[str]:
    post = Postbox()
    notices = Notices([Route(rule, post)], {"acme": ["dev", "prod"]})
    for one in way:
        notices.changed(one)
    return post.kinds


@pytest.mark.parametrize("after", list(Health))
@pytest.mark.parametrize("before", list(Health))
def test_only_attention_and_recovery_are_told(before: Health, after: Health) -> None:
    known, _ = step(Rule(), Known(), status(before))
    _, note = step(Rule(), known, status(after))
    expected = None
    if after is Health.ATTENTION and before is not Health.ATTENTION:
        expected = NoteKind.ATTENTION
    if before is Health.ATTENTION and after is Health.HEALTHY:
        expected = NoteKind.RECOVERED
    assert (note.kind if note else None) == expected


def test_a_note_names_what_failed() -> None:
    _, note = step(Rule(), Known(), status(Health.ATTENTION))
    assert note == Note(
        KEY, NoteKind.ATTENTION, "train/dev needs attention", "it is NeedsAttention", "SyncFailed", START
    )


def test_recovery_is_told_once_though_work_lies_between() -> None:
    way = [
        "HEALTHY",
        "ATTENTION",
        "PROGRESSING",
        "ATTENTION",
        "PROGRESSING",
        "HEALTHY",
        "PROGRESSING",
        "HEALTHY",
    ]
    assert told(Rule(), *(status(Health[health]) for health in way)) == ["attention", "recovered"]


def test_trouble_that_was_suspended_is_not_told_again_and_its_end_is() -> None:
    way = ["ATTENTION", "SUSPENDED", "ATTENTION", "HEALTHY"]
    assert told(Rule(), *(status(Health[health]) for health in way)) == ["attention", "recovered"]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ([0, 1], []),
        ([0, 1, 2], ["attention"]),
        ([0, 1, 2, 3, 4], ["attention"]),
        ([0, 20, 40], []),  # never three within ten minutes
        ([0, 20, 21, 22], ["attention"]),
    ],
)
def test_patience_counts_failures_within_its_time(minutes: list[float], expected: list[str]) -> None:
    rule = Rule(failures=3, within=600)
    way = [status(Health.ATTENTION, minute=minute) for minute in minutes]
    assert told(rule, *way) == expected
    healthy = status(Health.HEALTHY, minute=50)
    assert told(rule, *way, healthy) == expected + (["recovered"] if expected else [])


def test_a_healthy_pass_between_failures_starts_the_count_anew() -> None:
    way = [status(Health.ATTENTION), status(Health.HEALTHY, minute=1), status(Health.ATTENTION, minute=2)]
    assert told(Rule(failures=2), *way) == []


@pytest.mark.parametrize(
    ("rule", "key", "hears"),
    [
        (Rule(flows=("tr*",)), KEY, True),
        (Rule(flows=("churn-*", "x")), KEY, False),
        (Rule(environments=("prod",)), KEY, False),
        (Rule(environments=("d?v",)), KEY, True),
        (Rule(environments=("prod",)), TemplateKey("acme", "train"), True),  # its tenant has a prod
        (Rule(environments=("prod",)), TemplateKey("other", "train"), False),
        (Rule(flows=("churn",)), TemplateKey("acme", "train"), False),
    ],
)
def test_routes_hear_of_what_concerns_them(rule: Rule, key: Key, hears: bool) -> None:
    assert bool(told(rule, status(Health.ATTENTION, key))) is hears


def test_a_curious_route_hears_of_new_versions_and_suspension_but_not_of_the_first_look() -> None:
    way = [
        status(Health.HEALTHY, version="1-a"),
        status(Health.PROGRESSING, version="1-a"),
        status(Health.HEALTHY, version="1-b"),
        status(Health.HEALTHY, version="1-b"),
        status(Health.SUSPENDED, version="1-b"),
    ]
    assert told(Rule(info=True), *way) == ["changed", "changed"]
    assert told(Rule(), *way) == []


def test_a_restart_tells_nothing_twice_and_a_forgotten_key_is_new() -> None:
    post = Postbox()
    notices = Notices([Route(Rule(), post)])
    notices.recall([status(Health.ATTENTION)])
    notices.changed(status(Health.ATTENTION))
    assert post.kinds == []
    notices.forget(KEY)
    notices.changed(status(Health.ATTENTION))
    assert post.kinds == ["attention"]


def test_a_restart_before_the_last_of_several_failures_counts_them_anew() -> None:
    post = Postbox()
    notices = Notices([Route(Rule(failures=3), post)])
    notices.recall([status(Health.ATTENTION)])
    for minute in range(5):
        notices.changed(status(Health.ATTENTION, minute=minute))
        assert post.kinds == (["attention"] if minute > 1 else [])


def test_many_notes_are_one_message_and_the_last_of_a_key_speaks() -> None:
    notes = [
        Note(FlowKey(f"flow-{n}", "dev"), NoteKind.ATTENTION, f"flow-{n}/dev needs attention", "why")
        for n in range(30)
    ]
    again = Note(notes[0].key, NoteKind.RECOVERED, "flow-0/dev is healthy again", "well")
    message = compose([*notes, again], lambda key: f"https://sync.test/{key}")
    assert message.title == "29 need attention, 1 healthy again"
    assert message.tone == "warning"
    lines = message.body.splitlines()
    assert lines[0] == "flow-0/dev is healthy again: well https://sync.test/flow-0/dev"
    assert lines[-1] == "… and 10 more"
    assert compose([again], lambda key: "").body == "well"


def test_the_log_carries_notes() -> None:
    with capture_logs() as logs:
        Notices([Route(Rule(), LogNotifier())]).changed(status(Health.ATTENTION))
    assert logs == [
        {
            "event": "note",
            "log_level": "warning",
            "key": "train/dev",
            "kind": "attention",
            "title": "train/dev needs attention",
            "text": "it is NeedsAttention",
            "reason": "SyncFailed",
        }
    ]
