"""What people ask a running service to do: done once, then forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from run_worlds import KEY, NOW, ago, configuration, live, run, seen, want

from aicore_sync.core.actions import Plan, Remember, StartExecution, StopExecution
from aicore_sync.core.asks import Ask, ask_path, asks_of
from aicore_sync.core.desired import RunPolicy, SeenFlow
from aicore_sync.core.model import FlowKey, Hold, Mark, Stage
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.template import PublishedTemplate

MANUAL = (configuration("c-new", "new", timedelta(days=3), run="manual"),)
PATH = "asks/dev/churn/x.json"
START = Ask("start", "c-new", "ann", ago(seconds=20), ("e-1",), PATH)
STOP = Ask("stop", "e-1", "ann", ago(seconds=20), (), PATH)
BEFORE = run("e-1", at=ago(days=2))


def planned(*asks: Ask, world: SeenFlow) -> Plan:
    return plan_flow(want(run="manual"), replace(world, asks=asks, configurations=MANUAL), NOW)


def forgets(plan: Plan) -> bool:
    return [a.path for a in plan.actions if isinstance(a, Remember) and a.data is None] == [PATH]


def test_a_run_is_started_beside_those_that_were_known_and_then_the_ask_is_forgotten() -> None:
    (action,) = planned(START, world=seen(BEFORE)).actions
    assert isinstance(action, StartExecution)
    assert (action.configuration, action.known) == ("c-new", ("e-1",))
    after = planned(START, world=seen(BEFORE, run("e-2", "PENDING", at=ago(seconds=1))))
    assert forgets(after)
    assert len(after.actions) == 1


def test_nothing_is_started_while_lists_may_not_show_the_last_start() -> None:
    settling = replace(seen(BEFORE), asks=(START,), configurations=MANUAL, recent={"c-new": ago(seconds=5)})
    plan = plan_flow(want(RunPolicy(settle=90), run="manual"), settling, NOW)
    assert not plan.actions
    assert "Settling" in [h.reason for h in plan.holds]


def test_concurrency_holds_for_asks_too() -> None:
    running = replace(seen(run("e-1", "RUNNING")), asks=(START,), configurations=MANUAL)
    assert not plan_flow(want(run="manual", concurrency="forbid"), running, NOW).actions
    (stop,) = plan_flow(want(run="manual", concurrency="replace"), running, NOW).actions
    assert isinstance(stop, StopExecution)


NEEDY = replace(live(), parameters={"alpha": None})
COMING = Hold(Stage.SYNC, "SyncPending", "published, but not proven live yet")


def test_a_run_that_the_live_template_does_not_take_is_refused() -> None:
    plan = planned(START, world=seen(live=NEEDY))
    assert forgets(plan)
    assert len(plan.actions) == 1
    said = [(h.reason, h.mark, "ann" in h.message) for h in plan.holds if h.stage is Stage.EXECUTE]
    assert said == [("BindingInvalid", Mark.FAIL, True)]


@pytest.mark.parametrize("live", [NEEDY, None])
def test_a_run_waits_for_the_template_that_may_take_its_values(live: PublishedTemplate | None) -> None:
    world = seen(live=live, asks=(START,), configurations=MANUAL)
    plan = plan_flow(replace(want(run="manual"), template_holds=(COMING,)), world, NOW)
    assert not plan.actions
    assert {h.mark for h in plan.holds} == {Mark.WAIT}


def test_ours_is_stopped_and_a_foreign_run_is_not() -> None:
    (action,) = planned(STOP, world=seen(run("e-1", "RUNNING"))).actions
    assert isinstance(action, StopExecution)
    assert forgets(planned(STOP, world=seen(run("e-1", "RUNNING"), owners={"e-1": ""})))


@pytest.mark.parametrize(
    "world", [seen(), seen(run("e-1")), seen(run("e-1", "STOPPING", target_status="STOPPED"))]
)
def test_what_is_over_is_forgotten(world: SeenFlow) -> None:
    assert forgets(planned(STOP, world=world))


def test_an_ask_for_nothing_or_from_long_ago_is_forgotten() -> None:
    assert forgets(planned(replace(START, target="c-gone"), world=seen()))
    assert forgets(planned(replace(START, at=ago(days=2)), world=seen(BEFORE)))


def test_asks_are_read_back_by_flow_and_environment() -> None:
    files = {ask_path(KEY, "b"): STOP.encoded(), ask_path(KEY, "a"): replace(START, at=ago(days=1)).encoded()}
    found = asks_of(files, KEY)
    assert [(a.do, a.target, a.path) for a in found] == [
        ("start", "c-new", "asks/dev/churn/a.json"),
        ("stop", "e-1", "asks/dev/churn/b.json"),
    ]
    assert asks_of(files, FlowKey("churn", "prod")) == ()
    assert asks_of(files, FlowKey("chur", "dev")) == ()


NO_ZONE = {"do": "start", "target": "c", "at": "2026-01-01T00:00:00"}
NO_SUCH = {"do": "burn", "target": "c", "at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"\xff", b"{}", json.dumps(NO_ZONE).encode(), json.dumps(NO_SUCH).encode()]
)
def test_junk_asks_for_nothing(data: bytes) -> None:
    assert asks_of({PATH: data}, KEY) == ()
