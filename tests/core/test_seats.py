"""What a look at a Lease means, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aicore_sync.core.seats import Record, Seen, Step, cleared, is_over, next_step, taken

FREE = Record("shard-0", "u1", "7")
OTHER = replace(FREE, holder="other", term=3, duration=35.0, renewed="12:00:00")
MINE = replace(OTHER, holder="me")


@pytest.mark.parametrize(
    ("record", "mine", "now", "expected"),
    [
        (FREE, None, 0, Step.TAKE),
        (FREE, "shard-1", 0, Step.REST),
        (OTHER, None, 134.9, Step.REST),
        (OTHER, None, 135.0, Step.TAKE),
        (OTHER, "shard-1", 134.9, Step.REST),
        (OTHER, "shard-1", 135.0, Step.CLEAR),
        (MINE, "shard-0", 1000, Step.REST),  # renewing is not a follower's business
        (MINE, None, 100, Step.TAKE),  # of a process before this one, or of an answer that got lost
        (MINE, "shard-1", 100, Step.CLEAR),
    ],
)
def test_what_to_do_about_a_seat(record: Record, mine: str | None, now: float, expected: Step) -> None:
    assert next_step(Seen(record, 100.0), "me", mine, now) is expected


def test_a_sign_of_life_starts_the_wait_anew_and_a_note_does_not() -> None:
    seen = Seen(OTHER, 100.0)
    assert seen.after(replace(OTHER, version="8", nudge="look"), 120.0).since == 100.0
    assert seen.after(replace(OTHER, version="8", renewed="12:00:05"), 120.0) == Seen(
        replace(OTHER, version="8", renewed="12:00:05"), 120.0
    )


def test_a_watch_that_is_behind_brings_nobody_back() -> None:
    seen = Seen(cleared(OTHER), 100.0)
    assert seen.after(replace(OTHER, renewed="12:00:05"), 120.0) is seen
    assert seen.after(replace(OTHER, term=2), 120.0) is seen
    assert seen.after(FREE, 120.0, read=True) == Seen(FREE, 120.0), "somebody has emptied it"
    anew = replace(FREE, uid="u2")
    assert seen.after(anew, 120.0) == Seen(anew, 120.0, ended=155.0), (
        "its holder may rely on the old one till then"
    )


def test_a_term_is_over_when_it_was_cleared_or_another_followed() -> None:
    term = OTHER.name_of_term
    assert not is_over(term, [Seen.first(OTHER, 0.0)], 1e9)
    assert is_over(term, [Seen.first(cleared(OTHER), 0.0)], 1e9)
    following = taken(cleared(OTHER), "me", "", 35.0)
    assert (following.holder, following.term) == ("me", 4)
    assert is_over(term, [Seen.first(following, 0.0)], 1e9)
    assert not is_over(following.name_of_term, [Seen.first(following, 0.0)], 1e9)
    assert is_over(term, [Seen.first(taken(OTHER, "other", "", 35.0), 0.0)], 1e9), (
        "the same process again has a new term"
    )
    assert not is_over(term, [Seen.first(replace(FREE, seat="shard-1", uid="u2", term=9), 0.0)], 1e9)


def test_terms_of_a_lease_that_was_deleted_end_when_their_holder_stops_to_rely_on_them() -> None:
    term, anew = OTHER.name_of_term, replace(OTHER, uid="u2", term=1)
    followed = Seen.first(OTHER, 0.0).after(anew, 100.0).after(replace(anew, renewed="12:01:00"), 110.0)
    for seen, ended in ((followed, 135.0), (Seen.first(anew, 50.0), 85.0)):
        assert not is_over(term, [seen], ended - 0.1)
        assert is_over(term, [seen], ended)
        assert not is_over(anew.name_of_term, [seen], 1e9)
