"""What to do for a deployment: started once, pointed at new content, stopped, and never a foreign one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from run_worlds import KEY, NOW, ago, live

from aicore_sync.core.actions import (
    Action,
    CreateConfiguration,
    DeleteDeployment,
    Remember,
    StartDeployment,
    StopDeployment,
    UpdateDeployment,
)
from aicore_sync.core.deployed import Deployed, deployed_of, deployed_path
from aicore_sync.core.desired import (
    RunPolicy,
    SeenFlow,
    Upstream,
    WantConfiguration,
    WantDeployment,
    WantFlow,
)
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan import configuration_hash, configuration_name, plan_flow
from aicore_sync.core.plan.deployments import note
from aicore_sync.core.world import Configuration, Deployment

LIVE = replace(live(), kind="ServingTemplate")
GONE = "nothing asks for it any more"
SUSPENDED = "the manifest says suspend: true"


def configured(identity: str, content: str = "new", age: timedelta = timedelta(hours=1)) -> Configuration:
    digest = configuration_hash("scene", "churn", {}, {}, f"{content}\n")
    name = configuration_name("team", "churn", "main", digest)
    return Configuration(identity, name, "churn", "scene", created_at=NOW - age)


KNOWN = (configured("c-new"), configured("c-old", "old", timedelta(days=9)))
NEW_NAME, OLD_NAME = (c.name for c in KNOWN)


def deployed(identity: str, status: str = "RUNNING", **fields: Any) -> Deployment:
    bare = Deployment(identity, "c-new", "churn", "scene", status, created_at=ago(minutes=5))
    return replace(bare, **fields)


def want(part: WantDeployment | None = None, **fields: Any) -> WantFlow:
    main = WantConfiguration("main", deployment=part or WantDeployment())
    bare = WantFlow(KEY, "team", "churn", "scene", configurations=(main,), policy=RunPolicy(settle=60))
    return replace(bare, **fields)


def seen(*deployments: Deployment, **fields: Any) -> SeenFlow:
    known: dict[str, Any] = {"live": LIVE, "configurations": KNOWN, "deployments": deployments}
    return SeenFlow(**(known | fields))


UPDATE = UpdateDeployment(KEY, "d-1", "c-new", NEW_NAME)
START = StartDeployment(KEY, "c-new", NEW_NAME)
NOTE = deployed_path(KEY, "main")
STOPPED = {"status": "STOPPED", "target_status": "STOPPED"}


@pytest.mark.parametrize(
    ("part", "there", "actions", "reasons"),
    [
        (None, [], [START], []),
        (None, [deployed("d-1")], [], []),
        (None, [deployed("d-1", "PENDING")], [], ["DeploymentPending"]),
        (None, [deployed("d-1", "PENDING", created_at=ago(hours=1))], [], ["DeploymentStuck"]),
        (None, [deployed("d-1", "DEAD")], [], ["DeploymentDead"]),
        (None, [deployed("d-1", "DEAD", configuration="c-old")], [UPDATE], []),
        (None, [deployed("d-1", configuration="c-old")], [UPDATE], []),
        (None, [deployed("d-1", "UNKNOWN", configuration="c-old")], [], ["DeploymentPending"]),
        (None, [deployed("d-1", **STOPPED)], [], ["Stopped"]),
        (None, [deployed("d-1", "STOPPING", target_status="STOPPED")], [], ["DeploymentStopping"]),
        (None, [deployed("d-1", "STOPPED", target_status="DELETED")], [replace(START, known=("d-1",))], []),
        (
            WantDeployment(suspend=False),
            [deployed("d-1", **STOPPED)],
            [DeleteDeployment(KEY, "d-1", "it was stopped, and suspend: false wants it to run")],
            [],
        ),
        (
            WantDeployment(suspend=True),
            [deployed("d-1")],
            [StopDeployment(KEY, "d-1", SUSPENDED)],
            ["DeploymentStopping"],
        ),
        (WantDeployment(suspend=True), [deployed("d-1", **STOPPED)], [], ["Suspended"]),
        (WantDeployment(suspend=True), [], [], ["Suspended"]),
        (
            None,
            [deployed("d-2", created_at=ago(minutes=1)), deployed("d-1")],
            [StopDeployment(KEY, "d-2", "an older one serves the same configuration")],
            ["DeploymentStopping"],
        ),
        (None, [deployed("d-9", configuration="c-foreign")], [START], []),
    ],
)
def test_cases(
    part: WantDeployment | None, there: list[Deployment], actions: list[Action], reasons: list[str]
) -> None:
    plan = plan_flow(want(part), seen(*there), NOW)
    assert list(plan.actions) == actions
    assert [h.reason for h in plan.holds] == reasons


@pytest.mark.parametrize(
    ("there", "noted", "expected"),
    [
        ([], None, "start"),  # its configuration is an hour old: that is not the deployment's age
        ([], Deployed("c-new", ago(minutes=29)), "start"),  # somebody deleted it before its time
        ([], Deployed("c-new", ago(minutes=30)), "Expired"),
        ([], Deployed("c-old", ago(hours=9)), "start"),  # other content
        ([deployed("d-1", "STOPPED", target_status="DELETED", created_at=ago(minutes=31))], None, "Expired"),
        ([deployed("d-1", "STOPPED", target_status="DELETED", created_at=ago(minutes=5))], None, "start"),
        ([deployed("d-1", created_at=ago(minutes=31))], None, ""),  # AI Core ends it
    ],
)
def test_a_ttl_counts_from_the_deployments_own_start(
    there: list[Deployment], noted: Deployed | None, expected: str
) -> None:
    plan = plan_flow(
        want(WantDeployment("30m")), seen(*there, deployed={"main": noted} if noted else {}), NOW
    )
    known = tuple(d.id for d in there)
    start = (replace(START, ttl="30m", known=known),)
    assert plan.actions == (start if expected == "start" else ())
    assert [h.reason for h in plan.holds] == (["Expired"] if expected == "Expired" else [])


def test_a_dead_deployment_says_why() -> None:
    dead = seen(deployed("d-1", "DEAD", message="AI Core's words"))
    assert "AI Core's words" in plan_flow(want(), dead, NOW).holds[0].message
    looked_into = replace(dead, causes={"d-1": "it needs more memory"})
    assert "it needs more memory" in plan_flow(want(), looked_into, NOW).holds[0].message


def test_new_content_under_the_same_deployment_keeps_its_end() -> None:
    old = deployed("d-1", configuration="c-old", created_at=ago(minutes=20))
    plan = plan_flow(want(WantDeployment("30m")), seen(old), NOW)
    assert plan.actions == (replace(UPDATE, began=ago(minutes=20)),)


def test_a_note_goes_when_nothing_asks_for_the_deployment_any_more() -> None:
    noted = {"main": Deployed("c-new", ago(hours=1))}
    forget = Remember(NOTE, None, "main of churn/dev is not deployed any more")
    assert plan_flow(want(configurations=()), seen(deployed=noted), NOW).actions == (forget,)
    assert plan_flow(want(targeted=False), seen(deployed=noted), NOW).actions == (forget,)
    unsure = Hold(Stage.DESIRE, "SourceMissing", "a second look decides", after=60)
    for keeps in (want(configurations=(), keep_schedules=True), want(targeted=False, removal=unsure)):
        assert plan_flow(keeps, seen(deployed=noted), NOW).actions == ()
    assert deployed_of({NOTE: noted["main"].encoded(), "x": b""}, KEY) == noted


def test_new_content_is_configured_first_and_then_the_deployment_follows() -> None:
    newer = replace(LIVE, run_digest="newer")
    plan = plan_flow(want(), seen(deployed("d-1"), live=newer), NOW)
    assert [type(a) for a in plan.actions] == [CreateConfiguration]


def test_what_no_manifest_names_is_stopped_and_then_deleted() -> None:
    without = want(configurations=())
    for there, action in (
        (deployed("d-1"), StopDeployment(KEY, "d-1", GONE)),
        (deployed("d-1", "STOPPED"), DeleteDeployment(KEY, "d-1", GONE)),
        (deployed("d-1", "UNKNOWN"), DeleteDeployment(KEY, "d-1", GONE)),
    ):
        for wanted in (without, want(targeted=False)):
            assert plan_flow(wanted, seen(there), NOW).actions == (action,)
        foreign = replace(there, configuration="c-foreign")
        assert plan_flow(without, seen(foreign), NOW).actions == ()
    unsure = replace(without, keep_schedules=True)
    assert plan_flow(unsure, seen(deployed("d-1")), NOW).actions == ()


def test_what_vanished_from_the_manifest_stays_while_its_removal_is_held() -> None:
    brake = Hold(Stage.DESIRE, "SourceMissing", "a second look decides", after=60)
    nothing_left = want(configurations=(), removal=brake)
    plan = plan_flow(nothing_left, seen(deployed("d-1")), NOW)
    assert (plan.actions, plan.holds) == ((), (brake,))
    assert plan_flow(nothing_left, seen(), NOW).holds == (), "nothing is left to be removed"
    assert brake not in plan_flow(want(removal=brake), seen(deployed("d-1")), NOW).holds, "nothing vanished"


def test_a_mass_removal_waits_for_its_confirmation() -> None:
    brake = Hold(Stage.PUBLISH, "NeedsConfirmation", "many", mark=Mark.FAIL)
    plan = plan_flow(want(targeted=False, removal=brake), seen(deployed("d-1")), NOW)
    assert plan.actions == ()
    assert brake in plan.holds


def test_what_was_just_written_is_not_written_again() -> None:
    old = deployed("d-1", configuration="c-old")
    for written, wanted, there in (
        ("c-new", want(), []),
        (note("update", "d-1"), want(), [old]),
        (note("stop", "d-1"), want(configurations=()), [deployed("d-1")]),
        (note("delete", "d-1"), want(configurations=()), [deployed("d-1", "STOPPED")]),
    ):
        just = plan_flow(wanted, seen(*there, recent={written: ago(seconds=5)}), NOW)
        assert just.actions == ()
        later = plan_flow(wanted, seen(*there, recent={written: ago(seconds=61)}), NOW)
        assert len(later.actions) == 1


def test_suspended_by_a_person_nothing_starts_or_changes_but_what_is_taken_away_goes() -> None:
    block = (Hold(Stage.EXECUTE, "FlowSuspended", "ada: holiday", mark=Mark.OFF),)
    for there in ([], [deployed("d-1", configuration="c-old")]):
        assert plan_flow(want(blocked=block), seen(*there), NOW).actions == ()
    gone = plan_flow(want(blocked=block, configurations=()), seen(deployed("d-1")), NOW)
    assert gone.actions == (StopDeployment(KEY, "d-1", GONE),)


def test_a_new_model_is_served_only_where_the_manifest_says_so() -> None:
    def bound(artifact: str) -> Configuration:
        digest = configuration_hash("scene", "churn", {}, {"model": artifact}, "new\n")
        name = configuration_name("team", "churn", "main", digest)
        inputs = {"model": artifact}
        return Configuration(f"c-{artifact}", name, "churn", "scene", inputs=inputs, created_at=ago(hours=1))

    facts = replace(LIVE, inputs=frozenset({"model"}))
    there = seen(
        deployed("d-1", configuration="c-a1"),
        live=facts,
        configurations=(bound("a1"), bound("a2")),
        upstream={("train", "model"): "a2"},
    )
    ref = (("model", Upstream("train", "model")),)
    for follows, actions in (
        (False, ()),
        (True, (UpdateDeployment(KEY, "d-1", "c-a2", bound("a2").name),)),
    ):
        main = WantConfiguration("main", inputs=ref, deployment=WantDeployment(), on_upstream=follows)
        assert plan_flow(want(configurations=(main,)), there, NOW).actions == actions


def test_what_does_not_go_with_the_kind_of_template_is_said() -> None:
    workflow = plan_flow(want(), seen(live=live()), NOW)
    assert [(h.reason, "ServingTemplate" in h.message) for h in workflow.holds] == [("BindingInvalid", True)]
    runs = want(configurations=(WantConfiguration("main", run="onChange"),))
    serving = plan_flow(runs, seen(configurations=()), NOW)
    assert [h.reason for h in serving.holds] == ["BindingInvalid"]
    assert serving.actions == ()
