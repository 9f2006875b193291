"""Cron: what goes on the wire, what is refused with which cure, and exact spacing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aicore_sync.core.cron import (
    CronError,
    from_metaflow,
    minimum_spacing,
    next_ticks,
    normalise,
    require_spacing,
)

SATURDAY = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "wire"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("  5   2 * * * ", "5 2 * * *"),
        ("@daily", "0 0 * * *"),
        ("@Weekly", "0 0 * * 0"),
        ("0 2 * jan-mar SUN", "0 2 * 1-3 0"),
        ("0 2 * * 7", "0 2 * * 0"),
        ("0 2 * * FRI-SUN", "0 2 * * 0,5,6"),
        ("0 2 * * 1-7/2", "0 2 * * 0,1,3,5"),
        ("0 9-17/2 * * mon-fri", "0 9-17/2 * * 1-5"),
        ("0,30 */2 1,15 * *", "0,30 */2 1,15 * *"),
        ("00 02 * * *", "0 2 * * *"),
    ],
)
def test_normalise(cron: str, wire: str) -> None:
    assert normalise(cron) == wire
    assert normalise(wire) == wire


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 0 2 * * *", "field for seconds"),
        ("0 2 * *", "there are 4"),
        ("0 2 ? * *", "write `*` instead of `?`"),
        ("@reboot", "@daily"),
        ("*/90 * * * *", "a step from 1 to 59"),
        ("*/0 * * * *", "a step from 1 to 59"),
        ("5/10 * * * *", "write `5-59/10`"),
        ("60 * * * *", "from 0 to 59"),
        ("0 2 * * 8", "from 0 to 7"),
        ("0 2 * * SAT-MON", "split"),
        ("0 2 L * *", "`L`"),
        ("0 2 * * MON#2", "`MON#2`"),
        ("0 2 30 2 *", "never comes"),
        ("0 2 * * MONDAY", "`MONDAY`"),
        ("", "there are 0"),
        ("-1 * * * *", "`-1`"),
    ],
)
def test_refused(cron: str, words: str) -> None:
    with pytest.raises(CronError) as caught:
        normalise(cron)
    assert words in str(caught.value)


def test_weekdays_and_days_are_crons_own() -> None:
    assert next_ticks("0 2 * * 0", SATURDAY, 1) == (datetime(2026, 11, 22, 2, tzinfo=UTC),)
    either = next_ticks("0 0 13 * 5", SATURDAY, 3)
    assert [f"{tick:%a %d}" for tick in either] == ["Fri 27", "Fri 04", "Fri 11"]
    assert f"{next_ticks('0 0 13 * 5', either[-1], 1)[0]:%a %d}" == "Sun 13", "either field matches"


@pytest.mark.parametrize(
    ("cron", "minutes"),
    [
        ("*/45 * * * *", 15),
        ("*/7 * * * *", 4),
        ("0,59 * * * *", 1),
        ("0 * * * *", 60),
        ("0 0 13 * 5", 1440),
        ("0 0 1 1 *", 365 * 1440),
        ("30 23,0 * * *", 60),
        ("59 23,0 * * *", 60),
        ("0 0 29 2 *", 1461 * 1440),
        ("0 0 1 1 1", 1440),
        ("0 0 31 * *", 31 * 1440),
        ("0,30 0 * * 1", 30),
        ("50 23 * * 1,3", 2 * 1440),
    ],
)
def test_spacing(cron: str, minutes: int) -> None:
    assert minimum_spacing(cron) == minutes


def test_too_often_shows_the_ticks() -> None:
    with pytest.raises(CronError) as caught:
        require_spacing("*/45 * * * *")
    assert "15 min" in str(caught.value)
    assert "00:00, 00:45, 01:00" in str(caught.value)
    assert require_spacing("0 */1 * * *") == "0 */1 * * *"


@pytest.mark.parametrize(
    ("metaflow", "wire"),
    [("0 * * * ? *", "0 * * * *"), ("0 0 ? * SUN *", "0 0 * * 0"), ("0 2 * * ?", "0 2 * * *")],
)
def test_metaflows_notation(metaflow: str, wire: str) -> None:
    assert from_metaflow(metaflow) == wire


def test_metaflows_years_are_refused() -> None:
    with pytest.raises(CronError):
        from_metaflow("0 0 * * ? 2027")


_MINUTES = st.sampled_from(["0", "5", "*/20", "0,30", "10-50/10", "59"])
_HOURS = st.sampled_from(["0", "23", "*", "*/6", "0,23", "9-17"])
_DAYS = st.sampled_from(["*", "1", "13", "31", "*/10"])
_WEEKDAYS = st.sampled_from(["*", "0", "1-5", "6,0", "7"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_MINUTES, _HOURS, _DAYS, _WEEKDAYS)
def test_no_two_ticks_are_closer_than_the_spacing(minute: str, hour: str, day: str, weekday: str) -> None:
    cron = f"{minute} {hour} {day} * {weekday}"
    spacing = timedelta(minutes=minimum_spacing(cron))
    ticks = next_ticks(cron, SATURDAY, 60)
    seen = min(b - a for a, b in pairwise(ticks))
    assert seen >= spacing
    if day == weekday == "*":  # daily: sixty ticks hold the closest pair
        assert seen == spacing
