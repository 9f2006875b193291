"""The steps of taking schedules over, each from what is seen alone: never two that fire, never none for long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_worlds import KEY, NOW, configuration, live

from aicore_sync.core.actions import CreateSchedule, PatchSchedule, PauseForeign, Publish, Remember
from aicore_sync.core.adoption import Adoption, ForeignSchedule, annotated
from aicore_sync.core.desired import (
    PublishedFile,
    RunPolicy,
    SeenFlow,
    SeenTemplate,
    Template,
    WantConfiguration,
    WantFlow,
    WantSchedule,
    WantTemplate,
)
from aicore_sync.core.model import Hold, Mark, Stage, TemplateKey
from aicore_sync.core.plan import plan_flow, plan_template
from aicore_sync.core.template import PublishedTemplate, parse_document, read_published
from aicore_sync.core.world import Configuration, Schedule

OURS = "team.churn.main"
PATH = "adopting/t/churn/dev.json"
OLD = ForeignSchedule(
    Schedule("s-old", "Nightly", "0 2 * * *", "c-hand"), Configuration("c-hand", "by hand", "churn", "scene")
)
ASLEEP = replace(OLD, schedule=replace(OLD.schedule, status="INACTIVE"))
CURRENT = replace(configuration("c-new", "new", NOW - NOW, run="manual"), created_at=NOW)


def want(adopt: Adoption | None = None, **spec: Any) -> WantFlow:
    main = WantConfiguration("main", schedule=WantSchedule(**({"cron": "0 2 * * *"} | spec)))
    adopt = adopt or Adoption("churn.yaml", frozenset({"s-old"}))
    policy = RunPolicy(settle=0)
    return WantFlow(KEY, "team", "churn", "scene", "t", configurations=(main,), policy=policy, adopt=adopt)


def seen(*foreign: ForeignSchedule, ours: str = "", **more: Any) -> SeenFlow:
    mine = (Schedule("s-new", OURS, "0 2 * * *", "c-new", ours),) if ours else ()
    known: dict[str, Any] = {"live": live(), "configurations": (CURRENT,), "schedules": mine}
    return SeenFlow(**(known | {"foreign": foreign} | more))


STEPS: list[tuple[SeenFlow, list[tuple[Any, ...]]]] = [
    (seen(OLD), [(Remember, PATH), (CreateSchedule, OURS)]),
    (seen(OLD, adopting=frozenset({OURS})), [(CreateSchedule, OURS)]),
    (seen(OLD, adopting=frozenset({OURS}), ours="ACTIVE"), [(PatchSchedule, (("status", "INACTIVE"),))]),
    (seen(OLD, adopting=frozenset({OURS}), ours="INACTIVE"), [(PauseForeign, "s-old")]),
    (seen(ASLEEP, adopting=frozenset({OURS}), ours="INACTIVE"), [(PatchSchedule, (("status", "ACTIVE"),))]),
    (seen(ASLEEP, adopting=frozenset({OURS}), ours="ACTIVE"), [(Remember, PATH)]),
    (seen(ASLEEP, ours="ACTIVE"), []),
    (seen(ASLEEP, ours="INACTIVE"), []),  # a person stopped ours: theirs to say
]


def told(action: Any) -> tuple[Any, ...]:
    match action:
        case Remember():
            return Remember, action.path
        case CreateSchedule():
            return CreateSchedule, action.name
        case PauseForeign():
            return PauseForeign, action.id
        case PatchSchedule():
            return PatchSchedule, action.changes
    return (action,)


@pytest.mark.parametrize(("there", "expected"), STEPS)
def test_each_step_follows_from_what_is_seen(there: SeenFlow, expected: list[tuple[Any, ...]]) -> None:
    assert [told(a) for a in plan_flow(want(), there, NOW).actions] == expected


def test_what_the_manifest_keeps_asleep_stays_asleep() -> None:
    there = seen(ASLEEP, adopting=frozenset({OURS}), ours="INACTIVE")
    assert [told(a) for a in plan_flow(want(suspend=True), there, NOW).actions] == [(Remember, PATH)]


def test_suspended_by_a_person_the_old_schedule_goes_on() -> None:
    block = (Hold(Stage.EXECUTE, "FlowSuspended", "by ada", mark=Mark.OFF),)
    there = seen(OLD, adopting=frozenset({OURS}), ours="INACTIVE")
    plan = plan_flow(replace(want(), blocked=block), there, NOW)
    assert not any(isinstance(a, PauseForeign) for a in plan.actions)


def test_suspended_between_the_old_asleep_and_ours_awake_ours_wakes() -> None:
    block = (Hold(Stage.EXECUTE, "FlowSuspended", "by ada", mark=Mark.OFF),)
    there = seen(ASLEEP, adopting=frozenset({OURS}), ours="INACTIVE")
    plan = plan_flow(replace(want(), blocked=block), there, NOW)
    assert [told(a) for a in plan.actions] == [(PatchSchedule, (("status", "ACTIVE"),))]


LAZY = Adoption("churn.yaml", frozenset({"s-old"}), on_change=True)


@pytest.mark.parametrize(
    ("wanted", "there", "rests"),
    [
        (want(LAZY), seen(OLD, live=replace(live(), owner="")), True),
        (want(LAZY, cron="0 3 * * *"), seen(OLD, live=replace(live(), owner="")), False),
        (want(LAZY, suspend=True), seen(OLD, live=replace(live(), owner="")), False),
        (want(LAZY), seen(ASLEEP, live=replace(live(), owner="")), False),
        (want(LAZY), seen(live=replace(live(), owner="")), False),  # the old one is gone
        (want(LAZY), seen(OLD), False),  # the template is ours by now
    ],
)
def test_on_change_nothing_happens_while_nothing_differs(
    wanted: WantFlow, there: SeenFlow, rests: bool
) -> None:
    plan = plan_flow(wanted, there, NOW)
    assert (not plan.actions, [h.reason for h in plan.holds] == ["AsFound"]) == (rests, rests)


def test_on_change_nothing_begins_before_it_is_known_what_runs() -> None:
    for there in (seen(OLD, live=None), seen(OLD)):
        waits = (Hold(Stage.SYNC, "SyncPending", "not looked at yet"),)
        plan = plan_flow(replace(want(LAZY), template_holds=waits), there, NOW)
        assert plan.actions == ()


def test_a_schedule_of_others_on_our_template_is_told_unless_it_sleeps_or_is_taken_over() -> None:
    alone = replace(want(), adopt=None)
    for foreign, told_ in ((OLD, True), (ASLEEP, False)):
        plan = plan_flow(alone, seen(foreign, ours="ACTIVE"), NOW)
        assert any(h.reason == "ForeignSchedule" for h in plan.holds) is told_


# --- the file ---

TEXT = b"""\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: churn
  labels: {scenarios.ai.sap.com/id: churn, ai.sap.com/version: "1.0"}
spec:
  entrypoint: main
  templates: [{name: main, container: {image: a, command: [sh], args: [b]}}]
"""
FACTS = read_published(TEXT)
assert FACTS
HERS = PublishedFile("churn.yaml", "b1", "c1", replace(FACTS, template_digest="d1"), ours=False, data=TEXT)
MINE = Template(
    "wt-churn.yaml",
    b"",
    PublishedTemplate("churn", owner="team", flow="churn", template_digest="d2"),
    original="d1",
)


def file_plan(adopt: Adoption | None, file: PublishedFile = HERS, made: Template = MINE) -> Any:
    key = TemplateKey("t", "churn")
    return plan_template(WantTemplate(key, made, adopt=adopt), SeenTemplate(published=file), NOW)


def test_the_file_is_adopted_alone_and_first() -> None:
    (action, *_) = file_plan(Adoption("churn.yaml")).actions
    assert isinstance(action, Publish)
    assert (action.adopt, action.template.file, action.replaces) == (True, "churn.yaml", "")
    before, after = parse_document(TEXT, "a"), parse_document(action.template.data, "b")
    marks = after["metadata"].pop("annotations")
    assert marks == {"aicore-sync/owner": "team", "aicore-sync/flow": "churn"}
    assert after == before


@pytest.mark.parametrize("adopt", [None, Adoption("other.yaml"), Adoption(schedules=frozenset({"s-old"}))])
def test_a_file_that_no_manifest_names_is_contested(adopt: Adoption | None) -> None:
    plan = file_plan(adopt)
    assert (plan.actions, [h.reason for h in plan.holds]) == ((), ["Contested"])


def test_a_file_of_another_owner_is_never_adopted() -> None:
    assert HERS.facts
    theirs = replace(HERS, facts=replace(HERS.facts, owner="others"))
    assert [h.reason for h in file_plan(Adoption("churn.yaml"), theirs).holds] == ["Contested"]


def test_on_change_the_file_stays_until_the_source_differs() -> None:
    lazy = Adoption("churn.yaml", on_change=True)
    assert "AsFound" in [h.reason for h in file_plan(lazy).holds]
    assert not any(isinstance(a, Publish) for a in file_plan(lazy).actions)
    changed = file_plan(lazy, made=replace(MINE, original="d3"))
    assert any(isinstance(a, Publish) and a.adopt for a in changed.actions)


def test_annotating_keeps_other_annotations_and_the_notation() -> None:
    data = annotated(
        b'{"kind": "WorkflowTemplate", "metadata": {"annotations": {"a": "b"}}}', "x.json", MINE.facts
    )
    assert data.startswith(b"{")
    assert parse_document(data, "x")["metadata"]["annotations"]["a"] == "b"
