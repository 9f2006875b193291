"""Decisions of operators: what their files say, what they cover, and that junk errs on the safe side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicore_sync.core.decisions import (
    Decision,
    Decisions,
    Scope,
    confirmations,
    decisions,
    expired,
    joined,
    thaw_path,
)

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SCOPES = (Scope(), Scope(environment="prod"), Scope("churn"), Scope("churn", "prod"))


@pytest.mark.parametrize("scope", SCOPES)
def test_a_decision_reads_back_as_it_was_written(scope: Scope) -> None:
    wrote = Decision("alice", AT, 'a "reason" with ünicode')
    assert decisions({scope.path: wrote.encoded()}).suspended == {scope: wrote}


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), {("churn", "dev"), ("churn", "prod"), ("score", "dev"), ("score", "prod")}),
        (Scope(environment="prod"), {("churn", "prod"), ("score", "prod")}),
        (Scope("churn"), {("churn", "dev"), ("churn", "prod")}),
        (Scope("churn", "prod"), {("churn", "prod")}),
    ],
)
def test_a_suspension_covers_its_scope_and_nothing_else(scope: Scope, covered: set[tuple[str, str]]) -> None:
    found = decisions({scope.path: Decision("alice", AT).encoded()})
    everything = {(f, e) for f in ("churn", "score") for e in ("dev", "prod")}
    assert {(f, e) for f, e in everything if found.suspension(f, e)} == covered


def test_the_widest_decision_is_named_first() -> None:
    found = decisions({s.path: Decision(str(s)).encoded() for s in SCOPES})
    named = found.suspension("churn", "prod")
    assert named
    assert named[0] == Scope()


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"[]", b"null", b'{"by": 7, "at": "soon", "reason": {}}'])
def test_junk_still_suspends_and_never_thaws(junk: bytes) -> None:
    found = decisions({"suspended/all.json": junk, "thawed/prod.json": junk})
    assert found.suspension("any", "any") == (Scope(), Decision())
    assert found.thaw("prod", AT) is None
    assert str(found.suspended[Scope()]) == "by somebody"


@given(st.dictionaries(st.text(max_size=40), st.binary(max_size=60), max_size=5))
def test_any_branch_can_be_read(files: dict[str, bytes]) -> None:
    decisions({f"suspended/{name}": data for name, data in files.items()})
    confirmations({f"confirmed/{name}": data for name, data in files.items()}, AT)


def test_a_confirmation_holds_for_an_hour() -> None:
    files = {"confirmed/0123": Decision("alice", AT).encoded(), "confirmed/4567": b"junk", "other": b"{}"}
    assert confirmations(files, AT + timedelta(minutes=59)) == {"0123"}
    assert confirmations(files, AT + timedelta(hours=1)) == frozenset()


@pytest.mark.parametrize(
    "path",
    [
        "lock.json",
        "suspended/",
        "suspended/flows.json",
        "suspended/flows/a/b/c.json",
        "suspended/all",
        "paused/t/x.json",
    ],
)
def test_other_files_are_no_decisions(path: str) -> None:
    assert decisions({path: b"{}"}) == Decisions()


def test_a_thaw_ends_by_itself_and_is_cleared_away_afterwards() -> None:
    found = decisions({thaw_path("prod"): Decision("alice", AT, until=AT + timedelta(hours=1)).encoded()})
    assert found.thaw("prod", AT)
    assert not found.thaw("dev", AT)
    assert expired(found, AT) == ()
    later = AT + timedelta(hours=1)
    assert not found.thaw("prod", later)
    assert expired(found, later) == ("thawed/prod.json",)


def test_decisions_of_several_branches_add_up() -> None:
    one = decisions({Scope("churn").path: b"{}"})
    other = decisions({Scope(environment="prod").path: b"{}"})
    both = joined((one, other))
    assert set(both.suspended) == {Scope("churn"), Scope(environment="prod")}


def test_a_decision_in_words() -> None:
    assert str(Decision("alice", AT, "audit")) == "by alice since 2026-03-01 12:30 UTC: audit"
    assert [str(s) for s in SCOPES] == [
        "everything",
        "environment prod",
        "churn in every environment",
        "churn in prod",
    ]
