"""Freeze windows: when an environment must not change, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicore_sync.core.freeze import Window, frozen

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0
WEEKEND = Window("0 18 * * 5", 62 * HOUR, "Europe/Berlin")
OFFICE = Window("0 9 * * 1-5", 8 * HOUR, "Europe/Berlin", mode="allow")


def berlin(day: int, hour: int, minute: int = 0, *, month: int = 6, fold: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN, fold=fold)


def until(windows: list[Window], at: datetime, environment: str = "prod") -> datetime | None:
    found = frozen(windows, environment, at.astimezone(UTC))
    return found.until.astimezone(BERLIN) if found else None


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (berlin(5, 17, 59), None),
        (berlin(5, 18), berlin(8, 8)),
        (berlin(8, 7, 59), berlin(8, 8)),
        (berlin(8, 8), None),
    ],
)
def test_a_deny_window_begins_at_its_start_and_ends_before_its_end(
    at: datetime, end: datetime | None
) -> None:
    assert until([WEEKEND], at) == end


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (berlin(3, 8, 59), berlin(3, 9)),
        (berlin(3, 9), None),
        (berlin(3, 17), berlin(4, 9)),
        (berlin(5, 20), berlin(8, 9)),
    ],
)
def test_outside_of_allow_windows_everything_is_frozen(at: datetime, end: datetime | None) -> None:
    assert until([OFFICE], at) == end


def test_deny_wins_and_the_end_is_where_changes_are_possible_again() -> None:
    lunch = Window("0 12 * * *", HOUR, "Europe/Berlin")
    assert until([OFFICE, lunch], berlin(3, 12, 30)) == berlin(3, 13)
    early = Window("0 7 * * *", 3 * HOUR, "Europe/Berlin")  # reaches into the office hours
    assert until([OFFICE, early], berlin(3, 5)) == berlin(3, 10)


def test_windows_without_a_gap_are_one_and_name_the_first() -> None:
    first, second = Window("0 8 * * *", 2 * HOUR), Window("0 10 * * *", 3 * HOUR)
    found = frozen([first, second], "prod", datetime(2026, 6, 3, 9, tzinfo=UTC))
    assert found
    assert found.until == datetime(2026, 6, 3, 13, tzinfo=UTC)
    assert found.window == first


def test_a_window_holds_only_for_its_environments() -> None:
    ours = Window("0 0 * * *", 24 * HOUR, environments=("prod",))
    at = datetime(2026, 6, 3, 9, tzinfo=UTC)
    assert frozen([ours], "prod", at)
    assert frozen([ours], "dev", at) is None
    allow = Window("0 8 * * *", HOUR, environments=("prod",), mode="allow")
    assert frozen([allow], "dev", at) is None


def test_a_freeze_without_end_lasts() -> None:
    always = Window("* * * * *", 7 * 24 * HOUR)
    at = datetime(2026, 6, 3, 9, tzinfo=UTC)
    found = frozen([always], "prod", at)
    assert found
    assert frozen([always], "prod", found.until)


# --- daylight saving time: a window begins by the wall clock and lasts in elapsed time ---


def test_a_window_over_the_lost_hour_keeps_its_length() -> None:
    night = Window("0 1 * * *", 3 * HOUR, "Europe/Berlin")
    assert until([night], berlin(28, 1, month=3)) == berlin(28, 4, month=3)
    assert until([night], berlin(29, 1, month=3)) == berlin(29, 5, month=3)


def test_a_start_in_the_lost_hour_comes_right_after_it() -> None:
    lost = Window("30 2 * * *", HOUR, "Europe/Berlin")
    assert until([lost], berlin(29, 1, 59, month=3)) is None
    assert until([lost], berlin(29, 3, month=3)) == berlin(29, 4, month=3)


def test_a_start_in_the_hour_that_comes_twice_counts_once() -> None:
    twice = Window("30 2 * * *", HOUR, "Europe/Berlin")
    first = berlin(25, 2, 30, month=10)
    end = frozen([twice], "prod", first.astimezone(UTC))
    assert end
    assert end.until == first.astimezone(UTC) + timedelta(hours=1)
    assert until([twice], berlin(25, 2, 45, month=10, fold=1)) is None


crons = st.sampled_from(["0 18 * * 5", "30 2 * * *", "15 */5 * * 1-5", "0 0 1 * *", "0 9 * * 1-5"])
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
windows = st.builds(
    Window,
    crons,
    st.integers(1, 40 * 3600).map(float),
    zones,
    mode=st.sampled_from(["deny", "allow"]),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@settings(max_examples=80, deadline=None)
@given(st.lists(windows, max_size=3), moments)
def test_the_end_is_in_the_future_and_the_first_moment_without_a_freeze(
    found: list[Window], at: datetime
) -> None:
    freeze = frozen(found, "prod", at)
    if freeze is None:
        return
    assert freeze.until > at
    lasts = freeze.until - at >= timedelta(
        days=7
    )  # the look ahead is bounded: windows may follow each other for ever
    assert lasts or frozen(found, "prod", freeze.until) is None
    assert frozen(found, "prod", freeze.until - timedelta(microseconds=1))
