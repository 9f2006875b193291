"""Which branches belong together, and which seat works on which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicore_sync.core.shards import seat_of, shards

SEATS = [f"shard-{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("repositories", "tenants", "expected"),
    [
        ({"a": "x", "b": "y"}, [["a"], ["b"], ["b"]], {"a": "a", "b": "b"}),
        ({"a": "x", "b": "x"}, [["a"], ["b"]], {"a": "a", "b": "a"}),
        ({"a": "x", "b": "y", "c": "z"}, [["b", "c"], ["a"]], {"a": "a", "b": "b", "c": "b"}),
        (
            {"a": "x", "b": "y", "c": "x", "d": "z"},
            [["b", "c"], ["d"]],
            {"a": "a", "b": "a", "c": "a", "d": "d"},
        ),
        ({"a": "x"}, [], {"a": "a"}),
    ],
)
def test_what_shares_a_repository_or_a_tenant_belongs_together(
    repositories: dict[str, str], tenants: list[list[str]], expected: dict[str, str]
) -> None:
    assert shards(repositories, tenants) == expected


def test_without_seats_nobody_works() -> None:
    assert seat_of("a", []) is None


@given(st.sets(st.text(max_size=8), max_size=30), st.integers(1, 9))
def test_a_new_seat_takes_shards_only_to_itself(names: set[str], count: int) -> None:
    before, after = SEATS[:count], SEATS[: count + 1]
    for name in names:
        assert seat_of(name, after) in {seat_of(name, before), SEATS[count]}


@pytest.mark.parametrize("count", range(2, 11))
def test_shards_spread_over_seats(count: int) -> None:
    names = [f"team-{number}" for number in range(1000)]
    share = 1000 / count
    for seat in SEATS[:count]:
        assert 0.6 * share < sum(seat_of(name, SEATS[:count]) == seat for name in names) < 1.4 * share
