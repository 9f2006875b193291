"""Why AI Core cannot sync an application, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest
from simulation import START, facts, keys, template

from aicore_sync.core.actions import Refresh
from aicore_sync.core.application import trouble
from aicore_sync.core.desired import PublishedFile, SeenTemplate, WantTemplate
from aicore_sync.core.model import Mark, Stage
from aicore_sync.core.plan import plan_template
from aicore_sync.core.preflight import holds, repository_look
from aicore_sync.core.world import ApplicationStatus

TOKEN = "personal access token"
WANT = WantTemplate(keys("alpha")[0], template("alpha", "one"))
FILE = PublishedFile("wt-alpha.yaml", "b10b", "c0ffee", facts("alpha", "one"), ours=True)


def status(message: str = "", **fields: Any) -> ApplicationStatus:
    return ApplicationStatus(**({"health": "Healthy", "message": message} | fields))


@pytest.mark.parametrize(
    ("found", "cure", "unreadable"),
    [
        (status("rpc error: templates: app path does not exist"), "tenants[].application.path", True),
        (status("Unable to resolve 'main' to a commit SHA"), "repositories[].branch", True),
        (status("application repo https://git.test/a is not permitted in project"), "case counts", True),
        (status("rpc error: repository not found"), TOKEN, True),
        (status("authentication required"), TOKEN, True),
        (
            status("spec.source.repoURL and spec.source.path either spec.source.chart are required"),
            "set tenants[].application.path",
            True,
        ),
        (status('Failed to unmarshal "theirs.yaml"', revision="c0ffee"), "correct or remove the file", False),
        (status("error converting YAML to JSON"), "correct or remove the file", False),
        (status("unable to do something new"), "Launchpad", False),
        (status(), TOKEN, True),  # Healthy, and all the rest Unknown
    ],
)
def test_known_words_have_a_cure(found: ApplicationStatus, cure: str, unreadable: bool) -> None:
    said = trouble(found)
    assert said
    assert said.unreadable is unreadable
    assert found.message in said.words
    assert cure in said.words
    (hold, *_) = plan_template(WANT, SeenTemplate(FILE, application=found, overdue=True), START).holds
    assert (hold.reason, hold.mark, cure in hold.message) == ("SyncFailed", Mark.FAIL, True)


@pytest.mark.parametrize(
    "found",
    [
        None,
        ApplicationStatus(),  # it has just been made
        status("successfully synced (all tasks run)", sync="Synced", revision="c0ffee"),
        status("one or more objects failed to apply", sync="OutOfSync"),
        status(sync="Progressing"),
        ApplicationStatus(health="Progressing"),
    ],
)
def test_nothing_is_said_without_a_known_cause(found: ApplicationStatus | None) -> None:
    assert trouble(found) is None


def test_silence_counts_when_ai_core_has_had_its_time() -> None:
    plan = plan_template(WANT, SeenTemplate(FILE, application=status()), START)
    assert [type(a) for a in plan.actions] == [Refresh]
    assert [h.mark for h in plan.holds] == [Mark.WAIT]


@pytest.mark.parametrize(
    ("found", "expected", "state"),
    [
        (status("repository not found"), True, "missing"),
        (status("repository not found"), False, "unknown"),  # nothing of ours is there that it should read
        (status(), True, "missing"),
        (status("Failed to unmarshal x"), True, "ok"),
        (status(sync="Synced"), True, "ok"),
        (None, True, "unknown"),
    ],
)
def test_an_unreadable_repository_is_told_of_its_tenant(
    found: ApplicationStatus | None, expected: bool, state: str
) -> None:
    look = repository_look(found, "acme", expected)
    assert look.state == state
    said = holds([look], Stage.CONFIGURE)
    assert [h.reason for h in said] == (["RepositoryUnreadable"] if state == "missing" else [])
    assert all("tenant acme" in h.message and TOKEN in h.message for h in said)
