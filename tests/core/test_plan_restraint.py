"""While a flow is suspended or frozen, or would miss something, its plan only takes away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from aicore_sync.core import actions
from aicore_sync.core.actions import (
    Action,
    CreateArtifact,
    CreateConfiguration,
    CreateSchedule,
    DeleteDeployment,
    DeleteSchedule,
    PatchSchedule,
    PauseForeign,
    Plan,
    StartDeployment,
    StartExecution,
    StopDeployment,
    UpdateDeployment,
)
from aicore_sync.core.desired import WantArtifact, WantFlow
from aicore_sync.core.model import FlowKey, Hold, Mark, Stage
from aicore_sync.core.plan.restraint import restrained

KEY = FlowKey("churn", "prod")
AT = datetime(2026, 6, 1, tzinfo=UTC)
SUSPENDED = Hold(Stage.EXECUTE, "FlowSuspended", "by alice", mark=Mark.OFF)
FROZEN = Hold(Stage.EXECUTE, "Frozen", "until Monday", after=60.0, mark=Mark.OFF)
WANT = WantFlow(KEY, "team", "churn", "churn")
ADDING: tuple[Action, ...] = (
    CreateArtifact(KEY, "churn", WantArtifact("raw", "dataset", "ai://default/a", "", (), "h")),
    CreateConfiguration(KEY, "team.churn.main.0", "churn", "churn", (), ()),
    CreateSchedule(KEY, "team.churn.main", "c", "0 * * * *", AT, None),
    StartExecution(KEY, "c", "team.churn.main.0", "r"),
    StartDeployment(KEY, "c", "team.churn.main.0"),
    PauseForeign(KEY, "s", "Nightly", "churn"),
    UpdateDeployment(KEY, "d", "c", "team.churn.main.0"),
)
TAKING: tuple[Action, ...] = (
    DeleteSchedule("prod", "s", "team.churn.main"),
    PatchSchedule("prod", "s", "team.churn.main", (("status", "INACTIVE"),)),
    StopDeployment(KEY, "d", "nothing asks for it"),
    DeleteDeployment(KEY, "d", "nothing asks for it"),
)


@pytest.mark.parametrize("block", [SUSPENDED, FROZEN])
@pytest.mark.parametrize("action", ADDING, ids=lambda a: type(a).__name__)
def test_what_adds_is_withheld_and_its_stage_says_why(action: Action, block: Hold) -> None:
    plan = restrained(Plan((action,)), replace(WANT, blocked=(block,)))
    assert plan.actions == ()
    assert replace(block, stage=action.stage) in plan.holds


@pytest.mark.parametrize("action", TAKING, ids=lambda a: type(a).__name__)
def test_what_takes_away_goes_on(action: Action) -> None:
    assert restrained(Plan((action,)), replace(WANT, blocked=(SUSPENDED,))).actions == (action,)


def test_a_patch_is_reduced_to_the_pause_in_it() -> None:
    patch = PatchSchedule(
        "prod", "s", "n", (("cron", "0 5 * * *"), ("configuration", "c"), ("status", "INACTIVE"))
    )
    (left,) = restrained(Plan((patch,)), replace(WANT, blocked=(SUSPENDED,))).actions
    assert isinstance(left, PatchSchedule)
    assert left.changes == (("status", "INACTIVE"),)
    ends = (("start", AT), ("end", AT), ("status", "INACTIVE"))
    ending = replace(patch, changes=(("configuration", "c"), *ends), soon=AT)
    assert restrained(Plan((ending,)), replace(WANT, blocked=(SUSPENDED,))).actions == (
        replace(ending, changes=ends),
    )
    woken = replace(patch, changes=(("status", "ACTIVE"),))
    assert restrained(Plan((woken,)), replace(WANT, blocked=(SUSPENDED,))).actions == ()


def test_what_we_put_to_sleep_ourselves_does_not_sleep_for_the_whole_block() -> None:
    woken = (("cron", "0 5 * * *"), ("configuration", "c"), ("start", AT), ("end", AT), ("status", "ACTIVE"))
    patch = PatchSchedule("prod", "s", "team.churn.main", woken)
    blocked = replace(WANT, blocked=(FROZEN,))
    (left,) = restrained(Plan((patch,)), blocked, frozenset({"team.churn.main"})).actions
    assert isinstance(left, PatchSchedule)
    assert dict(left.changes) == {"configuration": "c", "end": AT, "status": "ACTIVE"}
    assert restrained(Plan((patch,)), blocked, frozenset({"team.other.main"})).actions == ()
    repointed = replace(patch, changes=woken[:-1])
    assert restrained(Plan((repointed,)), blocked, frozenset({"team.churn.main"})).actions == ()


def test_every_kind_of_action_of_a_flow_has_been_thought_about() -> None:
    known = {type(a).__name__ for a in ADDING + TAKING}
    others = {"StopExecution", "DeleteExecutions"}  # they only take away
    others |= {"TagExecution"}  # says whose a run is, and changes nothing of it
    of_tenants = {"CreateGroup", "LabelGroup", "WriteSecret"}
    of_templates = {"Publish", "Retract", "Withdraw", "Remember", "Register", "Refresh"}
    rest = {kind.__name__ for kind in get_args(actions.Action)} - known - others - of_templates - of_tenants
    assert rest == set(), "say in restraint.py whether it adds or takes away"


def test_a_suspended_flow_with_nothing_to_do_says_so_and_a_frozen_one_does_not() -> None:
    assert restrained(Plan(), replace(WANT, blocked=(SUSPENDED,))).holds == (SUSPENDED,)
    assert restrained(Plan(), replace(WANT, blocked=(FROZEN,))).holds == ()


def test_waits_that_only_the_block_can_end_say_so_and_a_run_under_way_stays() -> None:
    waits = Hold(Stage.SCHEDULE, "ConfigurationPending", "waits for its configuration", "main")
    running = Hold(Stage.EXECUTE, "Running", "execution x is RUNNING", "main", after=15)
    failed = Hold(Stage.CONFIGURE, "BindingInvalid", "no such parameter", "other", mark=Mark.FAIL)
    plan = restrained(Plan(holds=(waits, running, failed)), replace(WANT, blocked=(SUSPENDED,)))
    assert plan.holds == (replace(SUSPENDED, stage=Stage.SCHEDULE, subject="main"), running, failed)


def test_another_environments_block_of_the_shared_template_is_passed_on() -> None:
    shared = replace(SUSPENDED, stage=Stage.PUBLISH, message="churn in test is suspended")
    waits = Hold(Stage.CONFIGURE, "ExecutableMissing", shared.message, "main")
    plan = restrained(Plan((TAKING[0], ADDING[1]), (waits,)), replace(WANT, template_holds=(shared,)))
    assert plan.actions == (TAKING[0], ADDING[1]), "this environment is not suspended"
    assert plan.holds == (replace(shared, stage=Stage.CONFIGURE, subject="main"),)


def test_what_runs_would_miss_keeps_new_schedules_away_and_nothing_else() -> None:
    missing = Hold(Stage.EXECUTE, "ObjectStoreMissing", "register it", after=60, mark=Mark.FAIL)
    everything = (*ADDING[:3], *TAKING)
    plan = restrained(Plan(everything, (missing,)), replace(WANT, unfit=(missing,)))
    assert plan.actions == (*ADDING[:2], *TAKING)
    assert plan.holds == (missing, replace(missing, stage=Stage.SCHEDULE))
