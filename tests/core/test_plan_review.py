"""What a template does while people look at its request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aicore_sync.core.actions import Publish, Retract
from aicore_sync.core.desired import PublishedFile, Review, SeenTemplate, Template, WantTemplate
from aicore_sync.core.model import Mark, TemplateKey
from aicore_sync.core.plan import plan_template
from aicore_sync.core.refusals import Refusal
from aicore_sync.core.template import PublishedTemplate

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = TemplateKey("t", "train")
NEW = PublishedTemplate("train", "churn", owner="team", template_digest="new")
OLD = PublishedTemplate("train", "churn", owner="team", template_digest="old")
WANT = WantTemplate(KEY, Template("wt-train.yaml", b"new", NEW))
HERE = PublishedFile("wt-train.yaml", "b10b", "c0ffee", OLD, ours=True, data=b"old")
URL = "https://forge.example.com/requests/7"


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
    assert not plan.actions
    assert (hold.reason, hold.mark) == (reason, mark)
    assert URL in hold.message


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
    assert plan.actions == (Retract("t", "train", "wt-train.yaml"),)
    assert not plan_template(gone, SeenTemplate(review=review("new"), pending=True), NOW).actions
    assert not plan_template(gone, SeenTemplate(review=review("new", is_open=False)), NOW).actions


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
