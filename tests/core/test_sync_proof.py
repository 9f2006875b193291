"""What proves that AI Core runs a template, and what a row says about things that rest."""

from __future__ import annotations

import pytest
from run_worlds import NOW

from aicore_sync.core.actions import Plan
from aicore_sync.core.desired import PublishedFile, SeenFlow, SeenTemplate, WantFlow
from aicore_sync.core.model import FlowKey, Health, Hold, Mark, Stage
from aicore_sync.core.plan import proven_live
from aicore_sync.core.plan.registration import name_taken, registration
from aicore_sync.core.report import report_flow
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import Application, ApplicationStatus, Executable, Repository, ResourceStatus


def entry(name: str, status: str) -> ResourceStatus:
    return ResourceStatus(name, "WorkflowTemplate", status)


@pytest.mark.parametrize(
    ("resources", "proven"),
    [
        ((), True),  # the answer lists nothing: blob and versionId must do
        ((entry("train", "Synced"),), True),
        ((entry("train", "synced"), entry("other", "SyncFailed")), True),
        ((entry("train", "SyncFailed"),), False),
        ((entry("train", "Unknown"),), False),
        ((entry("other", "Synced"),), False),  # others are listed, ours is not
    ],
)
def test_only_its_own_entry_proves_a_template(resources: tuple[ResourceStatus, ...], proven: bool) -> None:
    facts = PublishedTemplate("train", "churn", owner="team", version="1-abc")
    file = PublishedFile("wt-train.yaml", "b10b", "c0ffee", facts, ours=True)
    seen = SeenTemplate(
        file,
        application=ApplicationStatus(sync="Synced", revision="c0ffee", resources=resources),
        synced_blob="b10b",
        executable=Executable("train", "churn", "1-abc"),
    )
    assert proven_live(seen) is proven


def test_a_repository_of_another_team_under_our_name_is_told_with_both_urls() -> None:
    wanted = Application("main", "https://git.test/ours.git", "main", "templates")
    theirs = Repository("templates", "https://git.test/theirs.git")
    assert not registration(wanted, [theirs], []).repository
    words = name_taken(Repository("templates", wanted.repository_url), theirs)
    assert all(word in words for word in (theirs.url, wanted.repository_url, "Rename"))


@pytest.mark.parametrize("reason", ["Suspended", "Expired", "Stopped"])
def test_a_row_that_rests_as_wanted_is_healthy_and_says_what_rests(reason: str) -> None:
    hold = Hold(Stage.SCHEDULE, reason, "its end has passed", "nightly", mark=Mark.OFF)
    want = WantFlow(FlowKey("train", "dev"), "team", "train", "churn")
    status = report_flow(want, SeenFlow(), Plan(holds=(hold,)), (), NOW)
    assert status.health is Health.HEALTHY
    assert f"{reason}: nightly: its end has passed" in status.message
