"""Runs that we announced: known again when their tag got lost, and never taken for those of others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from run_worlds import KEY, NOW, ago, run, seen, want

from aicore_sync.core.actions import StopExecution, TagExecution
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.starts import Start, lost_runs, stale_starts, start_path, starts_of
from aicore_sync.core.world import Execution

SETTLE = timedelta(seconds=90)
START = Start("c-new", NOW, {"aicore-sync.owner": "team"}, ("e0",))


def later(identity: str, seconds: float, **fields: str) -> Execution:
    return run(identity, at=NOW + timedelta(seconds=seconds), **fields)


@pytest.mark.parametrize(
    ("runs", "owners", "ours"),
    [
        ([], {}, []),
        ([later("e1", 1)], {"e1": ""}, ["e1"]),
        ([later("e1", -20)], {"e1": ""}, ["e1"]),  # clocks differ
        ([later("e1", 110)], {"e1": ""}, ["e1"]),
        ([later("e1", 1)], {}, []),  # nobody has looked yet
        ([later("e1", 1)], {"e1": "team"}, []),  # is tagged
        ([later("e1", 1)], {"e1": "other"}, []),
        ([later("e0", 1)], {"e0": ""}, []),  # was there before
        ([later("e1", -31)], {"e1": ""}, []),  # too early
        ([later("e1", 121)], {"e1": ""}, []),  # later than anything may land
        ([later("e1", 1, schedule="s-1")], {"e1": ""}, []),
        ([later("e1", 1, configuration="c-old")], {"e1": ""}, []),
        ([later("e1", 1), later("e2", 2)], {"e1": "", "e2": ""}, []),  # which of them?
        ([later("e1", 1), later("e2", 2)], {"e1": "team", "e2": ""}, []),  # ours is known
        ([later("e1", 1), later("e2", 900)], {"e1": "", "e2": ""}, ["e1"]),
    ],
)
def test_a_run_is_ours_when_it_can_only_be_the_one_that_was_announced(
    runs: list[Execution], owners: dict[str, str], ours: list[str]
) -> None:
    assert list(lost_runs([START], runs, owners, SETTLE)) == ours


def test_announcements_that_were_left_behind_go_after_a_week() -> None:
    def at(days: float) -> bytes:
        return replace(START, at=ago(days=days)).encoded()

    files = {
        "starts/dev/a/main.json": at(7.1),
        "starts/gone/b/main.json": at(90),
        "starts/dev/c/main.json": at(6),
    }
    others = {"deployed/dev/a/main.json": at(90), "starts/dev/d/main.json": b"?"}
    assert stale_starts(files | others, NOW) == {"starts/dev/a/main.json", "starts/gone/b/main.json"}


def test_a_file_holds_what_was_announced() -> None:
    path = start_path(KEY, "team.churn.main.0123456789ab")
    assert path == "starts/dev/churn/main.json"
    files = {path: START.encoded(), "starts/dev/churn/x.json": b"{}", "starts/dev/churn-b/main.json": b"?"}
    assert starts_of(files, KEY) == (replace(START, path=path),)


def test_a_lost_run_is_tagged_before_anything_is_done_with_it() -> None:
    lost = run("e1", "RUNNING", configuration="c-old", at=ago(minutes=5))
    world = seen(lost, untagged={"e1": replace(START, path="starts/dev/churn/main.json")})
    actions = plan_flow(want(concurrency="replace"), world, NOW).actions
    assert [type(a) for a in actions] == [TagExecution, StopExecution]
    assert actions[0] == TagExecution(
        KEY, "e1", (("aicore-sync.owner", "team"),), "starts/dev/churn/main.json"
    )
