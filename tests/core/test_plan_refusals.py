"""What AI Core does not take: put back and tried again later, kept where it is, or never published at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from simulation import START, facts, keys, template

from aicore_sync.controller.observe.templates import paused
from aicore_sync.core.actions import Action, Publish, Refresh, Remember, Retract
from aicore_sync.core.desired import PublishedFile, ScheduleUse, SeenTemplate, WantTemplate
from aicore_sync.core.model import Mark
from aicore_sync.core.pins import pin_path
from aicore_sync.core.plan import plan_template
from aicore_sync.core.plan.refusals import passes
from aicore_sync.core.plan.templates import paused_path
from aicore_sync.core.refusals import Refusal, read_refusal, refusal_path
from aicore_sync.core.world import ApplicationStatus, Executable, ResourceStatus, Schedule

KEY = keys("alpha")[0]
WANT = WantTemplate(KEY, template("alpha", "one"))
FILE = PublishedFile("wt-alpha.yaml", "b10b", "c0ffee", facts("alpha", "one"), ours=True)
REFUSED = Refusal("one", "no such plan", START, all=("one",))


def failed(words: str, **status: Any) -> SeenTemplate:
    """Our file is at the head, and AI Core could not apply it."""
    entry = ResourceStatus("alpha", "WorkflowTemplate", "SyncFailed", words)
    bare = ApplicationStatus(sync="OutOfSync", revision="c0ffee", resources=(entry,))
    return SeenTemplate(FILE, application=replace(bare, **status), synced_blob="b10b")


def kinds(actions: tuple[Action, ...]) -> list[type]:
    return [type(action) for action in actions]


def remembered(actions: tuple[Action, ...]) -> Refusal:
    (found,) = [read_refusal(a.data) for a in actions if isinstance(a, Remember)]
    assert found
    return found


def test_what_was_noted_of_a_template_goes_after_its_file() -> None:
    gone = WantTemplate(KEY, gone=True, lapsed_pin=pin_path(KEY))
    seen = SeenTemplate(FILE, refusal=REFUSED, paused=frozenset({"team.alpha.main"}))
    assert kinds(plan_template(gone, seen, START).actions) == [Retract]
    actions = plan_template(gone, replace(seen, published=None), START).actions
    assert [(a.path, a.data) for a in actions if isinstance(a, Remember)] == [
        (pin_path(KEY), None),
        (refusal_path(KEY), None),
        (paused_path(gone), None),
    ]
    assert plan_template(replace(gone, lapsed_pin=""), SeenTemplate(), START).actions == ()
    use = ScheduleUse("dev", Schedule("s", "team.alpha.main", "0 * * * *", "c", "INACTIVE"), True)
    left = SeenTemplate(paused=frozenset({"team.alpha.main"}), schedules=(use,))
    assert kinds(plan_template(replace(gone, lapsed_pin=""), left, START).actions) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, None),
        (REFUSED.encoded(), REFUSED),
        (b'{"templateDigest": "one", "at": "2026-03-01T12:00:00"}', datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (b'{"templateDigest": "one"}', None),
        (b'{"at": "2026-03-01T12:00:00+00:00"}', None),
        (b'{"templateDigest": "one", "at": "2026-03-01", "tries": "many"}', None),
        (b'{"templateDigest": "one", "at": 7}', None),
        (b"<<<<<<< HEAD", None),
        (b"[]", None),
        (b"\xff", None),
    ],
)
def test_a_record_in_another_form_stops_nobody(
    data: bytes | None, expected: Refusal | datetime | None
) -> None:
    bare = Refusal("one", "", expected) if isinstance(expected, datetime) else expected
    assert read_refusal(data) == bare
    assert paused(data) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("quota exceeded: workflowTemplates, maximum 50", True),
        ('templates "x" is forbidden: exceeded quota: templates', True),
        ("rpc error: context deadline exceeded", True),
        ('Internal error occurred: failed calling webhook "v.argo": Post: i/o timeout', True),
        ("the server is currently unable to handle the request: service unavailable", True),
        ("dial tcp 10.0.0.1:443: connect: connection refused", True),
        ("Operation cannot be fulfilled: the object has been modified; please try again", True),
        ("spec.templates[0].timeout: Invalid value", False),
        ("admission webhook denied the request: no such resource plan", False),
        ("alpha is not unique in the tenant: application other holds it too", False),
        ('Failed to unmarshal "wt-alpha.yaml"', False),
        ("its entry is Degraded", False),
    ],
)
def test_words_that_pass_by_themselves(words: str, expected: bool) -> None:
    assert passes(words) is expected


@pytest.mark.parametrize(
    ("words", "overdue", "reason", "mark"),
    [
        ("quota exceeded: workflowTemplates", False, "QuotaExceeded", Mark.FAIL),
        ("context deadline exceeded", False, "SyncFailed", Mark.WAIT),
        ("context deadline exceeded", True, "SyncFailed", Mark.FAIL),
    ],
)
def test_what_passes_condemns_nothing_and_ai_core_is_asked_again(
    words: str, overdue: bool, reason: str, mark: Mark
) -> None:
    plan = plan_template(WANT, replace(failed(words), overdue=overdue), START)
    assert kinds(plan.actions) == [Refresh]
    assert [(h.reason, h.mark, words in h.message) for h in plan.holds] == [(reason, mark, True)]


def test_a_refusal_is_dated_and_the_file_goes_back() -> None:
    plan = plan_template(WANT, failed("no such plan"), START)
    refusal = remembered(plan.actions)
    assert refusal == REFUSED
    back = plan_template(WANT, replace(failed("no such plan"), refusal=refusal), START)
    assert kinds(back.actions) == [Retract]
    (hold,) = back.holds
    assert "2026-03-01 13:00 UTC" in hold.message
    assert "aicore-sync sync alpha" in hold.message


@pytest.mark.parametrize(("tries", "hours"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 24), (99, 24)])
def test_the_same_content_has_another_try_ever_more_rarely(tries: int, hours: int) -> None:
    seen = SeenTemplate(refusal=replace(REFUSED, tries=tries))
    early = plan_template(WANT, seen, START + timedelta(hours=hours, seconds=-1))
    assert (early.actions, [h.reason for h in early.holds]) == ((), ["SyncFailed"])
    now = START + timedelta(hours=hours)
    again = remembered(plan_template(WANT, seen, now).actions)
    assert (again.again, again.at, again.tries) == (True, now, tries)
    assert kinds(plan_template(WANT, replace(seen, refusal=again), now).actions) == [Publish]


@pytest.mark.parametrize(("finished", "counts"), [(-60, False), (0, True), (60, True), (None, True)])
def test_only_what_ai_core_said_since_counts_for_the_new_try(finished: int | None, counts: bool) -> None:
    at = None if finished is None else START + timedelta(seconds=finished)
    seen = replace(failed("still no such plan", finished_at=at), refusal=REFUSED.retried(START))
    plan = plan_template(WANT, seen, START + timedelta(minutes=2))
    assert kinds(plan.actions) == ([Remember] if counts else [Refresh])
    if counts:
        second = remembered(plan.actions)
        assert (second.tries, second.again, second.due - second.at) == (2, False, timedelta(hours=2))


def test_other_content_begins_anew_and_nothing_refused_is_gone_back_to() -> None:
    seen = replace(
        failed("no such plan"), refusal=replace(REFUSED, template_digest="zero", tries=5, all=("zero",))
    )
    found = remembered(plan_template(WANT, seen, START).actions)
    assert (found.tries, found.all) == (1, ("zero", "one"))


def test_an_executable_of_somebody_else_is_not_published_over() -> None:
    theirs = Executable("alpha", "elsewhere", "9")
    plan = plan_template(WANT, SeenTemplate(taken=theirs), START)
    assert plan.actions == ()
    assert [(h.reason, h.mark, "scenario elsewhere" in h.message) for h in plan.holds] == [
        ("Contested", Mark.FAIL, True)
    ]
