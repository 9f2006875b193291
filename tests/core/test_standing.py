"""How a commit stands, from the statuses of its flows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aicore_sync.core.catalog import NOWHERE
from aicore_sync.core.model import FlowKey, Health, Status
from aicore_sync.core.standing import standings

SEEN = datetime(2026, 3, 1, tzinfo=UTC)
ONE, TWO = FlowKey("one", "dev"), FlowKey("two", "dev")


def status(key: FlowKey, health: Health, later: float = 1) -> Status:
    return Status(key, health, f"it is {health.value}", updated=SEEN + timedelta(seconds=later))


@pytest.mark.parametrize(
    ("first", "second", "state", "text"),
    [
        (None, None, "pending", "0 of 2 flows are live"),
        (Health.HEALTHY, None, "pending", "1 of 2 flows are live"),
        (Health.HEALTHY, Health.PROGRESSING, "pending", "1 of 2 flows are live"),
        (Health.HEALTHY, Health.HEALTHY, "success", "2 flows are live"),
        (Health.HEALTHY, Health.SUSPENDED, "success", "2 flows are live, 1 suspended"),
        (Health.HEALTHY, Health.ATTENTION, "failure", "two: it is NeedsAttention"),
        (Health.ATTENTION, Health.ATTENTION, "failure", "one: it is NeedsAttention (and 1 more)"),
        (Health.ATTENTION, None, "failure", "one: it is NeedsAttention"),
    ],
)
def test_a_commit_stands_as_its_flows_do(
    first: Health | None, second: Health | None, state: str, text: str
) -> None:
    rows = {key: status(key, health) for key, health in ((ONE, first), (TWO, second)) if health}
    (found,) = standings([TWO, ONE, FlowKey("three", NOWHERE)], rows, SEEN)
    assert (found.environment, found.state, found.text) == ("dev", state, text)


@pytest.mark.parametrize("health", [Health.HEALTHY, Health.ATTENTION])
def test_what_was_so_before_the_commit_was_seen_says_nothing_of_it(health: Health) -> None:
    (found,) = standings([ONE], {ONE: status(ONE, health, later=-1)}, SEEN)
    assert found.state == "pending"


def test_environments_stand_apart_and_only_another_state_is_news() -> None:
    prod = FlowKey("one", "prod")
    rows = {ONE: status(ONE, Health.HEALTHY), prod: status(prod, Health.ATTENTION)}
    dev, other = standings([ONE, prod], rows, SEEN)
    assert (dev.state, other.state) == ("success", "failure")
    half = standings([ONE, TWO], {ONE: rows[ONE]}, SEEN)
    none = standings([ONE, TWO], {}, SEEN)
    assert half[0].text != none[0].text
    assert half[0].news == none[0].news


def test_a_broken_manifest_fails_the_commit_everywhere() -> None:
    broken = FlowKey("beta/aicore.yaml", NOWHERE)
    rows = {ONE: status(ONE, Health.HEALTHY), broken: status(broken, Health.ATTENTION)}
    (found,) = standings([ONE, broken], rows, SEEN)
    assert (found.environment, found.state, found.flow) == ("dev", "failure", "beta/aicore.yaml")
    (alone,) = standings([broken], rows, SEEN)
    assert (alone.environment, alone.state) == ("flows", "failure")
    assert standings([FlowKey("checked", NOWHERE)], {}, SEEN) == ()
