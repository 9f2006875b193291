"""Whose tags are looked up in a round: everybody comes to his turn, and settled rounds ask for little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aicore_sync.controller.observe.owners import AGAIN, AT_ONCE, Missed, choose

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROUND = timedelta(minutes=3)


def test_old_runs_of_ours_are_found_behind_many_of_others_and_then_little_is_asked() -> None:
    foreign = [f"f{i}" for i in range(1200)]
    runs, missed, asked, now = [*foreign, "ours"], dict[str, Missed](), list[int](), NOW
    while "ours" in runs:
        chosen = choose(runs, missed, now)
        asked.append(len(chosen))
        if "ours" in chosen:
            runs.remove("ours")
        missed |= {i: Missed(now) for i in chosen if i != "ours" and i not in missed}
        now += ROUND
        assert len(asked) <= 25
    for _ in range(480):  # a day
        chosen = choose(runs, missed, now)
        assert len(chosen) <= AGAIN
        missed |= {i: Missed(now, missed[i].wait * 2) for i in chosen}
        now += ROUND


def test_who_is_due_longest_comes_first_and_new_ones_before_all() -> None:
    missed = {
        "just": Missed(NOW),
        "hour": Missed(NOW - timedelta(hours=1)),
        "late": Missed(NOW - timedelta(hours=9)),
        "seldom": Missed(NOW - timedelta(hours=9), timedelta(days=1)),
    }
    assert choose(["new", *missed], missed, NOW) == ("new", "late", "hour")
    many = [f"n{i}" for i in range(AT_ONCE + 1)]
    assert choose([*missed, *many], missed, NOW) == tuple(many[:AT_ONCE])
