"""When a run starts, starts again, waits for another one, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from run_worlds import NOW, SCHEDULE, ago, configuration, live, run, seen, want

from aicore_sync.core.actions import CreateConfiguration, Plan, StartExecution, StopExecution
from aicore_sync.core.desired import Retry, RunPolicy, SeenFlow, WantFlow, WantSchedule
from aicore_sync.core.model import Hold, Mark
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.world import Execution

TWICE = Retry(2, 300)


def planned(flow: WantFlow, world: SeenFlow) -> Plan:
    return plan_flow(flow, world, NOW)


def starts(plan: Plan) -> list[StartExecution]:
    return [a for a in plan.actions if isinstance(a, StartExecution)]


def only(plan: Plan) -> Hold:
    assert not plan.actions
    (hold,) = plan.holds
    return hold


# --- once for ever ---


def test_new_content_starts_once() -> None:
    (start,) = starts(planned(want(), seen()))
    assert (start.configuration, start.known) == ("c-new", ())


@pytest.mark.parametrize(
    "status", ["COMPLETED", "DEAD", "STOPPED", "RUNNING", "PENDING", "UNKNOWN", "STOPPING"]
)
def test_content_that_has_run_does_not_run_again_whatever_became_of_it(status: str) -> None:
    assert starts(planned(want(), seen(run("e", status)))) == []


def test_a_run_that_somebody_else_started_counts() -> None:
    assert starts(planned(want(), seen(run("e"), owners={"e": ""}))) == []


def test_a_run_that_is_marked_for_deletion_counts() -> None:
    assert planned(want(), seen(run("e", target_status="DELETED"))) == Plan()


def test_going_back_to_old_content_runs_nothing() -> None:
    back = seen(run("e-old", configuration="c-old"), run("e"), live=live("old"))
    assert planned(want(), back) == Plan()


def test_another_renderer_version_or_label_makes_another_template_and_no_run() -> None:
    upgraded = replace(
        live(), template_digest="t2", input_digest="i2", version="9.9-t2", source_revision="abc"
    )
    assert planned(want(), seen(run("e"), live=upgraded)) == Plan()


def test_old_content_without_a_run_in_the_lists_is_left_to_a_person() -> None:
    assert only(planned(want(), seen(live=live("old")))).reason == "RunUnknown"


def test_what_the_live_template_does_not_take_starts_nothing() -> None:
    """Parameters are in no run digest: the configuration of an earlier template is that of this one as well."""
    other = replace(live(), parameters={"beta": None})
    failed = run("e", "DEAD", completed_at=ago(minutes=6))
    for runs, more in (((), []), ((failed,), ["ExecutionDead"])):
        plan = planned(want(on_failure=TWICE), seen(*runs, live=other))
        assert (plan.actions, [h.reason for h in plan.holds]) == ((), ["BindingInvalid", *more])
    assert starts(planned(want(on_failure=TWICE), seen(failed)))


# --- onFailure ---


def test_without_onfailure_a_dead_run_waits_for_a_person() -> None:
    hold = only(planned(want(), seen(run("e", "DEAD", message="exit code 1"), causes={"e": "no memory"})))
    assert (hold.reason, hold.mark) == ("ExecutionDead", Mark.FAIL)
    assert hold.message == "execution e is DEAD: no memory"


def test_a_dead_run_starts_again_after_its_backoff() -> None:
    flow = want(on_failure=TWICE)
    early = only(planned(flow, seen(run("e", "DEAD", at=ago(minutes=4)))))
    assert (early.reason, early.after) == ("RetryPending", 60.0)
    (start,) = starts(planned(flow, seen(run("e", "DEAD", at=ago(minutes=5)))))
    assert start.known == ("e",), "a run that nobody knew of would stop it"


def test_the_backoff_doubles_and_tries_are_counted_by_what_exists() -> None:
    flow = want(on_failure=TWICE)
    two = (run("a", "DEAD", at=ago(minutes=15)), run("b", "DEAD", at=ago(minutes=9)))
    assert only(planned(flow, seen(*two))).after == 60.0
    three = (*two, run("c", "DEAD", at=ago(minutes=8)))
    assert only(planned(flow, seen(*three))).reason == "ExecutionDead"


@pytest.mark.parametrize(
    "others",
    [
        (run("x", "COMPLETED", at=ago(hours=2)),),
        (run("x", "STOPPED", at=ago(hours=2)),),
        (run("x", "RUNNING", at=ago(hours=2)),),
    ],
)
def test_nothing_starts_again_beside_a_run_that_did_not_fail(others: tuple[object, ...]) -> None:
    plan = planned(want(on_failure=TWICE), seen(*others, run("e", "DEAD")))  # type: ignore[arg-type]
    assert starts(plan) == []


def test_only_runs_of_new_content_start_again() -> None:
    manual = configuration("c-new", "new", timedelta(hours=1), run="manual")
    world = seen(run("e", "DEAD"), configurations=(manual,))
    assert starts(planned(want(on_failure=TWICE, run="manual"), world)) == []
    scheduled = seen(run("e", "DEAD", schedule="s-1"), schedules=(SCHEDULE,))
    assert starts(planned(want(on_failure=TWICE), scheduled)) == []


def test_a_failure_of_long_ago_is_not_tried_again() -> None:
    late = seen(run("e", "DEAD", at=ago(days=2)))
    assert only(planned(want(on_failure=TWICE), late)).reason == "ExecutionDead"


def test_content_that_was_configured_long_ago_and_failed_just_now_is_tried_again() -> None:
    old = (configuration("c-new", "new", timedelta(days=9)),)
    assert len(starts(planned(want(on_failure=TWICE), seen(run("e", "DEAD"), configurations=old)))) == 1


def test_a_second_try_obeys_the_brakes() -> None:
    policy = RunPolicy(settle=0, max_runs_per_day=1, on_failure=TWICE)
    assert only(planned(want(policy), seen(run("e", "DEAD")))).reason == "RunHeld"
    sent = seen(run("e", "DEAD"), recent={"c-new": ago(seconds=10)})
    assert only(planned(want(RunPolicy(on_failure=TWICE)), sent)).reason == "Settling"


# --- maxRunsPerDay ---


TICKS = tuple(run(f"t{n}", schedule="s-1", at=ago(hours=n)) for n in range(24))  # of an hourly schedule
STARTS = tuple(run(f"m{n}", configuration="c-old", at=ago(hours=n)) for n in range(24))


@pytest.mark.parametrize(
    ("runs", "held"),
    [
        (TICKS, False),  # they have a brake of their own: an hour between two ticks
        (tuple(replace(e, schedule="s-foreign") for e in TICKS), False),
        (STARTS, True),  # ours
        ((*TICKS, *STARTS[1:]), False),
        ((*TICKS, *STARTS), True),
    ],
)
def test_the_daily_brake_counts_starts_and_leaves_out_what_schedules_start(
    runs: tuple[Execution, ...], held: bool
) -> None:
    plan = planned(want(RunPolicy(settle=0)), seen(*(replace(e, configuration="c-old") for e in runs)))
    assert (len(starts(plan)) == 0, any(h.reason == "RunHeld" for h in plan.holds)) == (held, held)


def test_runs_that_people_start_count_for_the_daily_brake() -> None:
    theirs = {e.id: "" for e in STARTS}
    assert only(planned(want(RunPolicy(settle=0)), seen(*STARTS, owners=theirs))).reason == "RunHeld"


def test_an_hourly_schedule_does_not_keep_its_new_configuration_away() -> None:
    flow = want(RunPolicy(settle=0), schedule=WantSchedule("0 * * * *"))
    old = configuration("c-old", "old", timedelta(days=9))
    schedule = replace(SCHEDULE, cron="0 * * * *", configuration="c-old")
    there = seen(
        *(replace(e, configuration="c-old") for e in TICKS), configurations=(old,), schedules=(schedule,)
    )
    assert [type(a) for a in planned(flow, there).actions] == [CreateConfiguration]


# --- concurrency ---


def test_forbid_waits_for_an_older_version_that_runs() -> None:
    world = seen(run("old", "RUNNING", configuration="c-old"))
    assert len(starts(planned(want(), world))) == 1
    assert len(starts(planned(want(concurrency="allow"), world))) == 1
    hold = only(planned(want(concurrency="forbid"), world))
    assert (hold.reason, "old" in hold.message) == ("ConcurrencyHeld", True)


def test_replace_stops_ours_and_then_waits_for_the_end() -> None:
    flow = want(concurrency="replace")
    plan = planned(flow, seen(run("old", "RUNNING", configuration="c-old")))
    assert [a.id for a in plan.actions if isinstance(a, StopExecution)] == ["old"]
    assert starts(plan) == []
    going = seen(run("old", "STOPPING", configuration="c-old", target_status="STOPPED"))
    assert only(planned(flow, going)).reason == "ConcurrencyHeld"
    assert len(starts(planned(flow, seen(run("old", "STOPPED", configuration="c-old"))))) == 1


@pytest.mark.parametrize("owners", [{"old": ""}, {"old": "another-team"}])
def test_replace_never_stops_a_run_of_others(owners: dict[str, str]) -> None:
    world = seen(run("old", "RUNNING", configuration="c-old"), owners=owners)
    assert "somebody else" in only(planned(want(concurrency="replace"), world)).message


def test_replace_stops_what_our_schedule_fired_and_nothing_that_is_not_known() -> None:
    flow, old = want(concurrency="replace"), run("old", "RUNNING", configuration="c-old", schedule="s-1")
    world = seen(old, schedules=(SCHEDULE,))
    assert any(isinstance(a, StopExecution) for a in planned(flow, world).actions)
    assert not planned(flow, seen(old)).actions, "the schedule is not ours"
    unread = SeenFlow(
        live(),
        configurations=seen().configurations,
        executions=(run("old", "RUNNING", configuration="c-old"),),
    )
    assert not planned(flow, unread).actions


def test_nothing_is_stopped_while_the_start_itself_must_wait() -> None:
    world = seen(run("old", "RUNNING", configuration="c-old"), settled_at=NOW + timedelta(seconds=9))
    assert only(planned(want(concurrency="replace"), world)).reason == "RunHeld"


# --- stuck ---


@pytest.mark.parametrize("status", ["UNKNOWN", "PENDING"])
def test_a_run_that_does_not_begin_is_explained(status: str) -> None:
    hold = only(
        planned(want(), seen(run("e", status, at=ago(minutes=15)), causes={"e": "a secret is missing"}))
    )
    assert (hold.reason, hold.mark) == ("RunStuck", Mark.FAIL)
    assert hold.message.endswith("a secret is missing")
    young = only(planned(want(), seen(run("e", status, at=ago(minutes=14)))))
    assert young.reason == "Running"
