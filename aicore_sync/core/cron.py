"""Cron expressions as AI Core's schedules take them: five numeric fields, evaluated in UTC, an hour apart at least.

Names and `@daily`-like words are translated; what has no safe meaning in five numeric fields is refused with its
cure. Ticks are computed by cronsim; day of month and day of week follow cron's rule (either one matches when both
are restricted). There is no daylight saving time in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise

from cronsim import CronSim, CronSimError

ELSEWHERE = "CRON_TZ="  # before the fields of a flow's @schedule that are no times in UTC
MINIMUM_MINUTES = 60  # limits.minimumFrequencyHour of AI Core's /lm/meta is 1

_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = dict(JAN=1, FEB=2, MAR=3, APR=4, MAY=5, JUN=6, JUL=7, AUG=8, SEP=9, OCT=10, NOV=11, DEC=12)  # noqa: C408
_DAYS = dict(SUN=0, MON=1, TUE=2, WED=3, THU=4, FRI=5, SAT=6)  # noqa: C408
_NO_NAMES: dict[str, int] = {}
_FIELDS = (
    ("minute", 0, 59, _NO_NAMES),
    ("hour", 0, 23, _NO_NAMES),
    ("day of month", 1, 31, _NO_NAMES),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_ITEM = re.compile(r"(?:(\*)|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([0-9]+))?")


class CronError(ValueError):
    """A cron expression that cannot be used. `expected` and `cure` are words for a person."""

    def __init__(self, expected: str, cure: str = "") -> None:
        super().__init__(f"expected {expected}" + (f"; {cure}" if cure else ""))
        self.expected = expected
        self.cure = cure


def normalise(cron: str) -> str:
    """Five numeric fields with the same ticks; Sunday is 0.

    Raises CronError for anything else, also for dates that never come (30 February).
    """
    fields = _five(cron)
    texts = [_field(text, at) for at, text in enumerate(fields)]
    result = " ".join(texts)
    _simulated(result, datetime(2001, 1, 1, tzinfo=UTC))
    return result


def from_metaflow(cron: str) -> str:
    """`@schedule`'s notation (`?` for any day, sometimes a sixth field for the year) → five numeric fields.

    Raises CronError also for times of another zone than UTC, which the text says before the fields.
    """
    if cron.startswith(ELSEWHERE):
        zone = cron.removeprefix(ELSEWHERE).partition(" ")[0]
        cure = "take timezone away and give the time in UTC, or write schedule.cron in the manifest, which then counts"
        raise CronError(f"a time in UTC, which is all that AI Core knows, and not in {zone}", cure)
    fields = cron.replace("?", "*").split()
    if len(fields) == 6 and fields[5] == "*":
        fields = fields[:5]
    return normalise(" ".join(fields))


def next_ticks(cron: str, after: datetime, count: int) -> tuple[datetime, ...]:
    """The next `count` ticks strictly after `after`, in UTC."""
    return tuple(islice(_simulated(normalise(cron), after.astimezone(UTC)), count))


def minimum_spacing(cron: str) -> int:
    """The shortest distance of two neighbouring ticks in minutes, exactly, for all time.

    Within a day it is the smallest difference of the times of day, over midnight the distance from the last
    to the first; the smallest gap between two days is found over 28 years, the period of the calendar's
    weekdays (the irregular centuries only lengthen gaps).
    """
    text = normalise(cron)
    inner, wrap = _spacing_by_time(text)
    return min(inner, (_day_gap(text) - 1) * 1440 + wrap)


@lru_cache(maxsize=1024)
def require_spacing(cron: str) -> str:
    """`normalise(cron)`; CronError when two ticks are less than an hour apart, with their times of day."""
    text = normalise(cron)
    inner, wrap = _spacing_by_time(text)
    # Looking through the calendar costs a tenth of a second: only where midnight is what could be too close.
    if min(inner, wrap) >= MINIMUM_MINUTES or (spacing := minimum_spacing(text)) >= MINIMUM_MINUTES:
        return text
    start = datetime(2001, 1, 1, tzinfo=UTC) - timedelta(minutes=1)
    ticks = ", ".join(f"{tick:%H:%M}" for tick in islice(_simulated(text, start), 4))
    expected = f"ticks at least {MINIMUM_MINUTES} minutes apart"
    raise CronError(
        expected, f"it ticks every {spacing} min at the closest (at {ticks}, … UTC): use e.g. `0 * * * *`"
    )


def _spacing_by_time(text: str) -> tuple[int, int]:
    """Minutes between the closest ticks within a day, and over a midnight between two days that both tick."""
    times = _times_of_day(text)
    inner = min((b - a for a, b in pairwise(times)), default=10**9)
    return inner, times[0] + 1440 - times[-1]


def _five(cron: str) -> list[str]:
    text = cron.strip()
    if text.startswith("@"):
        if text.lower() not in _WORDS:
            raise CronError("five fields or one of " + ", ".join(sorted(_WORDS)))
        text = _WORDS[text.lower()]
    fields = text.upper().split()
    if len(fields) == 6:
        cure = "leave out the field for seconds (the first) or years (the last)"
        raise CronError("five fields: minute hour day month weekday", cure)
    if len(fields) != 5:
        raise CronError("five fields: minute hour day month weekday", f"there are {len(fields)}")
    if any("?" in field for field in fields):
        raise CronError("numbers, `*`, ranges, lists and steps", "write `*` instead of `?`")
    return fields


def _field(text: str, at: int) -> str:
    return ",".join(_item(item, at) for item in text.split(","))


def _item(item: str, at: int) -> str:
    label, low, high, names = _FIELDS[at]
    match = _ITEM.fullmatch(item)
    if match is None:
        raise CronError(
            f"numbers, `*`, ranges, lists and steps in the field {label}", f"`{item}` is none of these"
        )
    star, first, last, step = match.groups()
    if step is not None and not 1 <= int(step) <= high - low + (low == 1):
        raise CronError(
            f"a step from 1 to {high - low + (low == 1)} in the field {label}", f"`{item}` has another"
        )
    if star:
        return item
    begin = _number(first, names, at)
    if last is None:
        if step is not None:
            raise CronError(f"a range before `/` in the field {label}", f"write `{begin}-{high}/{step}`")
        return str(begin % 7 if at == 4 else begin)
    end = _number(last, names, at)
    if at == 4 and end == 0 and begin > 0:
        end = 7  # FRI-SUN
    if begin > end:
        raise CronError(
            f"a range that goes up in the field {label}", f"split `{item}` into two, joined by a comma"
        )
    return _range(begin, end, int(step or 1), at)


def _number(text: str, names: dict[str, int], at: int) -> int:
    label, low, high, _ = _FIELDS[at]
    if text in names:
        return names[text]
    if not text.isdigit() or not low <= int(text) <= high:
        raise CronError(f"a number from {low} to {high} in the field {label}", f"`{text}` is none")
    return int(text)


def _range(begin: int, end: int, step: int, at: int) -> str:
    """A range as it goes on the wire; one that reaches Sunday as 7 becomes a list with 0."""
    if at == 4 and end == 7:
        return _listed({day % 7 for day in range(begin, end + 1, step)})
    return f"{begin}-{end}" + (f"/{step}" if step > 1 else "")


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _simulated(text: str, after: datetime) -> Iterator[datetime]:
    try:
        return CronSim(text, after)
    except CronSimError:
        raise CronError("days that exist in one of the months", "such a date never comes") from None


def _times_of_day(text: str) -> list[int]:
    minute, hour, *_ = text.split()
    every = datetime(2001, 1, 1, tzinfo=UTC)
    ticks = CronSim(f"{minute} {hour} * * *", every - timedelta(minutes=1))
    times = []
    for tick in ticks:
        if tick >= every + timedelta(days=1):
            break
        times.append(tick.hour * 60 + tick.minute)
    return times


def _day_gap(text: str) -> int:
    days = CronSim("0 0 " + " ".join(text.split()[2:]), datetime(2000, 12, 31, tzinfo=UTC))
    end = datetime(2029, 1, 1, tzinfo=UTC)
    gap = 366 * 28
    before: datetime | None = None
    for day in days:
        if day >= end or gap == 1:
            break
        gap = min(gap, (day - before).days) if before else gap
        before = day
    return gap
