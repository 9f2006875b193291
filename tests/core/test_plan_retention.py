"""Which ended executions are deleted, and which never."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from run_worlds import NOW, SCHEDULE, ago, configuration, run, seen, want

from aicore_sync.core.actions import DeleteExecutions
from aicore_sync.core.desired import Retention, RunPolicy, SeenFlow, WantFlow
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.plan.retention import AT_ONCE, surplus
from aicore_sync.core.world import Artifact, Execution

MANUAL = (configuration("c-new", "new", timedelta(days=9), run="manual"),)
SCHEDULED = {"schedules": (SCHEDULE,), "configurations": MANUAL}


def nightly(identity: str, days: float, status: str = "COMPLETED") -> Execution:
    return run(identity, status, at=ago(days=days), schedule="s-1")


def deleted(flow: WantFlow, world: SeenFlow) -> list[str]:
    found = [a for a in plan_flow(flow, world, NOW).actions if isinstance(a, DeleteExecutions)]
    return [identity for action in found for identity in action.ids]


def flow(rule: Retention | None, **fields: Any) -> WantFlow:
    return want(run="manual", retention=rule, **fields)


def test_nothing_is_deleted_without_a_rule() -> None:
    runs = [nightly(f"e{i}", i) for i in range(9)]
    assert deleted(flow(None), seen(*runs, **SCHEDULED)) == []
    assert deleted(flow(Retention()), seen(*runs, **SCHEDULED)) == []


def test_the_newest_and_the_young_stay_and_the_oldest_go_first() -> None:
    runs = [nightly(f"e{i}", i) for i in range(1, 7)]
    world = seen(*runs, **SCHEDULED)
    assert deleted(flow(Retention(keep=4)), world) == ["e6", "e5"]
    assert deleted(flow(Retention(younger_than=3.5 * 86400)), world) == ["e6", "e5", "e4"]
    assert deleted(flow(Retention(keep=1, younger_than=4.5 * 86400)), world) == ["e6", "e5"]


def test_the_services_rule_holds_where_the_manifest_has_none() -> None:
    runs = [nightly(f"e{i}", i) for i in range(1, 4)]
    policy = RunPolicy(retention=Retention(keep=1))
    world = seen(*runs, **SCHEDULED)
    assert deleted(want(policy, run="manual"), world) == ["e3", "e2"]
    assert deleted(want(policy, run="manual", retention=Retention()), world) == []


def test_without_a_directory_for_logs_nothing_is_deleted() -> None:
    runs = [nightly(f"e{i}", i) for i in range(1, 4)]
    world, rule = seen(*runs, **SCHEDULED), Retention(keep=1, logs="directory")
    assert deleted(flow(rule), world) == []
    (hold,) = [h for h in plan_flow(flow(rule), world, NOW).holds if h.reason == "LogArchiveMissing"]
    assert (hold.mark, hold.subject) == (Mark.FAIL, "main")
    there = RunPolicy(log_directory=True)
    assert deleted(want(there, run="manual", retention=rule), world) == ["e3", "e2"]
    assert deleted(flow(replace(rule, logs="objectStore")), world) == ["e3", "e2"]


def test_the_newest_completed_run_stays_even_behind_many_failures() -> None:
    runs = [nightly("good", 9), *(nightly(f"bad{i}", i, "DEAD") for i in range(1, 5))]
    assert deleted(flow(Retention(keep=1)), seen(*runs, **SCHEDULED)) == ["bad4", "bad3", "bad2"]


def test_the_newest_maker_of_each_output_stays() -> None:
    model = Artifact("a-1", "model", "model", "ai://default/x", "scene")
    runs = [replace(nightly("maker", 9), outputs=(model,)), nightly("plain", 5), nightly("last", 1)]
    assert deleted(flow(Retention(keep=1)), seen(*runs, **SCHEDULED)) == ["plain"]


def test_what_runs_or_may_run_stays() -> None:
    runs = [nightly(s, 30, s) for s in ("RUNNING", "PENDING", "UNKNOWN", "STOPPING")]
    runs += [nightly("dead", 20, "DEAD"), nightly("new", 1)]
    assert deleted(flow(Retention(keep=1)), seen(*runs, **SCHEDULED)) == ["dead"]


def test_what_is_marked_already_is_not_deleted_again() -> None:
    runs = [replace(nightly("e2", 2), target_status="DELETED"), nightly("e3", 3), nightly("e1", 1)]
    assert deleted(flow(Retention(keep=1)), seen(*runs, **SCHEDULED)) == ["e3"]
    just = seen(*runs, **SCHEDULED, recent={"e3": ago(seconds=5)})
    assert deleted(want(RunPolicy(settle=90), run="manual", retention=Retention(keep=1)), just) == []


def test_foreign_runs_stay_unless_the_rule_names_them() -> None:
    by_hand = run("hand", at=ago(days=5), configuration="c-new")
    world = seen(by_hand, nightly("e1", 1), nightly("e2", 2), owners={"hand": ""}, **SCHEDULED)
    assert deleted(flow(Retention(keep=1)), world) == ["e2"]
    assert deleted(flow(Retention(keep=1, foreign=True)), world) == ["hand", "e2"]
    unknown = replace(world, owners={})
    assert deleted(flow(Retention(keep=1)), unknown) == ["e2"]


def test_the_proof_that_current_content_has_run_stays() -> None:
    runs = [run(f"e{i}", "DEAD", at=ago(days=i)) for i in range(1, 4)]
    old = [run(f"o{i}", "DEAD", at=ago(days=i), configuration="c-old") for i in range(4, 7)]
    rule = Retention(younger_than=0)
    assert deleted(want(retention=rule), seen(*runs, *old)) == ["o6", "o5", "o4"]


def test_older_content_keeps_its_proof_as_long_as_it_could_start_again() -> None:
    recent = (
        configuration("c-new", "new", timedelta(hours=1)),
        configuration("c-old", "old", timedelta(hours=2)),
    )
    old = run("o", "DEAD", at=ago(hours=2), configuration="c-old")
    world = seen(run("e"), old, configurations=recent)
    assert deleted(want(retention=Retention(younger_than=0)), world) == []


def test_nothing_of_changing_content_goes_while_it_is_not_known_what_is_current() -> None:
    old = [run(f"o{i}", "DEAD", at=ago(days=i), configuration="c-old") for i in range(4, 7)]
    assert deleted(want(retention=Retention(keep=1)), seen(*old, live=None)) == []


def test_retention_waits_for_no_template_and_takes_a_hundred_at_once() -> None:
    runs = [nightly(f"e{i}", i) for i in range(1, 302)]
    held = replace(flow(Retention(keep=1)), template_holds=(Hold(Stage.SYNC, "SyncPending", "not live"),))
    gone = deleted(held, seen(*runs, **SCHEDULED))
    assert gone == [f"e{i}" for i in range(301, 301 - AT_ONCE, -1)]


def test_two_configurations_are_counted_apart() -> None:
    other = replace(MANUAL[0], id="c-wide", name=MANUAL[0].name.replace(".main.", ".main-wide."))
    schedule = replace(SCHEDULE, id="s-2", name="team.churn.main-wide")
    runs = [nightly(f"e{i}", i) for i in (1, 2)]
    runs += [replace(nightly(f"w{i}", i), schedule="s-2", configuration="c-wide") for i in (3, 4)]
    world = seen(*runs, schedules=(SCHEDULE, schedule), configurations=(*MANUAL, other))
    assert deleted(flow(Retention(keep=1)), world) == ["e2"], (
        "main-wide is in no manifest, so nobody rules it"
    )


@given(
    st.lists(st.tuples(st.sampled_from(["COMPLETED", "DEAD", "STOPPED"]), st.integers(0, 400)), max_size=30),
    st.none() | st.integers(1, 10),
    st.none() | st.integers(0, 300),
)
def test_what_a_rule_lets_go_is_old_beyond_the_newest_and_never_the_last_good_one(
    shapes: list[tuple[str, int]], keep: int | None, days: int | None
) -> None:
    runs = [nightly(f"e{i:02}", age, status) for i, (status, age) in enumerate(shapes)]
    rule = Retention(keep, days * 86400 if days is not None else None)
    gone = {e.id for e in surplus(runs, rule, NOW)}
    left = [e for e in runs if e.id not in gone]
    assert len(left) >= min(len(runs), keep or 0)
    assert all(e.created_at and NOW - e.created_at >= timedelta(days=days or 0) for e in runs if e.id in gone)
    good = [e.created_at for e in runs if e.status == "COMPLETED" and e.created_at]
    if good:
        assert max(good) in [e.created_at for e in left if e.status == "COMPLETED"]
    again = surplus(left, rule, NOW)
    assert again == (), "a rule that was carried out asks for nothing more"


def test_runs_of_a_configuration_that_the_manifest_dropped_follow_the_general_rule() -> None:
    old = configuration("c-old", "old", timedelta(days=9), run="manual")
    dropped = replace(old, name=old.name.replace(".main.", ".gone."))
    fresh = replace(dropped, id="c-fresh", created_at=ago(days=0.5))
    runs = [run(f"e{i}", at=ago(days=i), configuration="c-old", schedule="s-1") for i in range(1, 4)]
    young = [run(f"f{i}", at=ago(days=i / 10), configuration="c-fresh", schedule="s-1") for i in range(1, 4)]
    world = seen(*runs, *young, schedules=(SCHEDULE,), configurations=(*MANUAL, dropped, fresh))
    policy = RunPolicy(retention=Retention(keep=0))
    assert deleted(want(policy, run="manual"), world) == ["e3", "e2", "e1"], (
        "a young one may still be a proof"
    )
    assert deleted(want(run="manual"), world) == [], "without a general rule nothing goes"
