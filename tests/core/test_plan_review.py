"""What a template does while people look at its request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aicore_sync.core.actions import Plan, Publish, Remember, Retract, Withdraw
from aicore_sync.core.adoption import Adoption, annotated
from aicore_sync.core.desired import PublishedFile, Review, ScheduleUse, SeenTemplate, Template, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage, TemplateKey
from aicore_sync.core.plan import plan_template
from aicore_sync.core.plan.review import counted
from aicore_sync.core.refusals import Declined, Refusal, read_declined
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import Executable, Schedule

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = TemplateKey("t", "train")
NEW = PublishedTemplate("train", "churn", owner="team", template_digest="new")
OLD = PublishedTemplate("train", "churn", owner="team", template_digest="old")
WANT = WantTemplate(KEY, Template("wt-train.yaml", b"new", NEW))
HERE = PublishedFile("wt-train.yaml", "b10b", "c0ffee", OLD, ours=True, data=b"old")
URL = "https://forge.example.com/requests/7"
DECLINED = Declined("new", URL)
NO = Remember("declined/t/train.json", DECLINED.encoded(), "people declined train")


def review(digest: str, *, is_open: bool = True) -> Review:
    return Review("wt-train.yaml", digest, URL, is_open)


@pytest.mark.parametrize(
    ("seen", "reason", "mark"),
    [
        (review("new"), "AwaitingMerge", Mark.WAIT),
        (review("new", is_open=False), "RequestClosed", Mark.FAIL),
    ],
)
@pytest.mark.parametrize("published", [None, HERE])
def test_what_is_proposed_is_not_published_again(
    seen: Review, reason: str, mark: Mark, published: PublishedFile | None
) -> None:
    plan = plan_template(WANT, SeenTemplate(published, review=seen), NOW)
    (hold,) = plan.holds
    assert plan.actions == (() if seen.open else (NO,))
    assert (hold.reason, hold.mark) == (reason, mark)
    assert URL in hold.message


@pytest.mark.parametrize(
    ("proposed", "declined", "wanted", "expected"),
    [
        (None, None, "new", None),
        (None, DECLINED, "new", Review("", "new", URL, open=False)),  # the branch of requests moved on
        (None, DECLINED, "newer", None),
        (None, Declined("", URL), "", Review("", "", URL, open=False)),
        (None, Declined("new", URL, again=True), "new", None),
        (review("new", is_open=False), Declined("new", URL, again=True), "new", None),
        (review("new", is_open=False), DECLINED, "new", review("new", is_open=False)),
        (review("new"), DECLINED, "new", review("new")),  # reopened
        (
            review("new", is_open=False),
            Declined("new", "other", again=True),
            "new",
            review("new", is_open=False),
        ),
    ],
)
def test_a_no_lasts_until_somebody_has_people_asked_again(
    proposed: Review | None, declined: Declined | None, wanted: str, expected: Review | None
) -> None:
    assert counted(proposed, declined, wanted) == expected


def test_a_no_is_noted_once_and_read_back() -> None:
    seen = SeenTemplate(HERE, review=review("new", is_open=False), declined=DECLINED)
    assert not plan_template(WANT, seen, NOW).actions
    assert read_declined(NO.data) == DECLINED
    assert [read_declined(d) for d in (None, b"", b"[]", b"{}")] == [None] * 4


@pytest.mark.parametrize("is_open", [True, False])
def test_other_content_is_proposed_whatever_became_of_the_last(is_open: bool) -> None:
    plan = plan_template(WANT, SeenTemplate(HERE, review=review("older", is_open=is_open)), NOW)
    assert [type(action) for action in plan.actions] == [Publish]


def test_a_removal_waits_for_its_merge_too() -> None:
    gone = WantTemplate(KEY, gone=True)
    assert [type(a) for a in plan_template(gone, SeenTemplate(HERE), NOW).actions] == [Retract]
    plan = plan_template(gone, SeenTemplate(HERE, review=review("")), NOW)
    assert [hold.reason for hold in plan.holds] == ["AwaitingMerge"]
    assert not plan.actions


def test_what_was_never_merged_is_withdrawn_while_the_request_is_open() -> None:
    gone = WantTemplate(KEY, gone=True)
    plan = plan_template(gone, SeenTemplate(review=review("new")), NOW)
    assert plan.actions == (Withdraw("t", "train", "wt-train.yaml", None),)
    assert not plan_template(gone, SeenTemplate(review=review("new"), pending=True), NOW).actions
    assert not plan_template(gone, SeenTemplate(review=review("new", is_open=False)), NOW).actions


THEIRS = replace(HERE, ours=False, facts=replace(OLD, owner=""), data=b"theirs")
ELSEWHERE = Executable("train", "churn", "1")
GONE = WantTemplate(KEY, gone=True)
USED = ScheduleUse("dev", Schedule("s-1", "team.train.main", "0 2 * * *", "c-1"), accepted=True)


def withdrawn(plan: Plan) -> list[bytes | None]:
    """What the published branch holds of the files that are taken out of the request."""
    return [action.data for action in plan.actions if isinstance(action, Withdraw)]


@pytest.mark.parametrize(
    ("want", "seen", "holds"),
    [
        (WANT, SeenTemplate(THEIRS, conflict=review("new")), b"theirs"),
        (GONE, SeenTemplate(THEIRS, conflict=review("new")), b"theirs"),
        (WANT, SeenTemplate(taken=ELSEWHERE, review=review("new")), None),
        (GONE, SeenTemplate(conflict=review("new")), None),
        (GONE, SeenTemplate(HERE, review=review("new"), schedules=(USED,)), b"old"),
        (GONE, SeenTemplate(HERE, review=review("new"), executions=1), b"old"),
        (WANT, SeenTemplate(replace(HERE, facts=NEW), review=review("")), b"old"),
        (WANT, SeenTemplate(replace(HERE, facts=NEW), review=review("older")), b"old"),
        (WANT, SeenTemplate(replace(HERE, facts=NEW), conflict=review("older")), b"old"),
    ],
)
def test_what_nobody_should_merge_any_more_is_taken_out_of_the_open_request(
    want: WantTemplate, seen: SeenTemplate, holds: bytes | None
) -> None:
    assert withdrawn(plan_template(want, seen, NOW)) == [holds]
    refused = replace(seen, push_error=Hold(Stage.PUBLISH, "PushRejected", "no", after=60))
    assert not withdrawn(plan_template(want, refused, NOW))
    shut = {
        name: replace(found, open=False) for name in ("review", "conflict") if (found := getattr(seen, name))
    }
    assert not withdrawn(plan_template(want, replace(seen, **shut), NOW))


def test_a_proposal_stays_while_it_is_not_known_that_the_flow_is_gone() -> None:
    unsure = replace(GONE, removal=Hold(Stage.PUBLISH, "NeedsConfirmation", "all of them?"))
    assert not plan_template(unsure, SeenTemplate(HERE, review=review("new")), NOW).actions


def test_a_removal_that_cannot_be_pushed_is_not_tried_without_a_pause() -> None:
    error = Hold(Stage.PUBLISH, "PushRejected", "a hook said no", after=60)
    assert plan_template(GONE, SeenTemplate(HERE, push_error=error), NOW) == Plan(holds=(error,))


def test_annotations_on_a_file_of_people_are_proposed_once() -> None:
    text = b"kind: WorkflowTemplate\nmetadata: {name: train}\n"
    file = replace(THEIRS, data=text)
    want = replace(WANT, adopt=Adoption("wt-train.yaml", frozenset(), on_change=False))
    (proposes,) = plan_template(want, SeenTemplate(file), NOW).actions
    assert isinstance(proposes, Publish)
    assert proposes.template.data == annotated(text, "wt-train.yaml", NEW)
    plan = plan_template(want, SeenTemplate(file, review=review("old")), NOW)
    assert not plan.actions
    assert "AwaitingMerge" in {hold.reason for hold in plan.holds}


def test_the_last_good_version_goes_back_through_review() -> None:
    bad = replace(HERE, facts=NEW, data=b"new")
    refused = SeenTemplate(bad, refusal=Refusal("new", "no such plan", NOW, previous=b"old"))
    assert Publish in {type(action) for action in plan_template(WANT, refused, NOW).actions}
    waiting = plan_template(WANT, replace(refused, review=review("old")), NOW)
    assert {"SyncFailed", "AwaitingMerge"} <= {hold.reason for hold in waiting.holds}
    assert Publish not in {type(action) for action in waiting.actions}


def test_a_template_of_a_source_that_cannot_be_read_is_not_taken_over() -> None:
    theirs = replace(HERE, facts=replace(OLD, origin="team-a"))
    held = plan_template(replace(WANT, unread=frozenset({"team-a"})), SeenTemplate(theirs), NOW)
    assert [hold.reason for hold in held.holds] == ["SourceIncomplete"]
    free = plan_template(replace(WANT, unread=frozenset({"team-b"})), SeenTemplate(theirs), NOW)
    assert [type(action) for action in free.actions] == [Publish]
