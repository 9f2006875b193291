"""What models of files that people write have in common: strictness, names, durations, sizes, shares."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SIZES = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
_SIZE = re.compile(r"([0-9]+)(Ki|Mi|Gi|k|M|G)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?")


class Strict(BaseModel):
    """Unknown keys are errors, values never change, keys are camelCase in files and snake_case in Python."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def refuse(expected: str, cure: str = "", found: str = "") -> PydanticCustomError:
    """An error for validators; becomes a `Problem` with these words. `found` replaces the value itself."""
    context: dict[str, Any] = {"expected": expected, "cure": cure, "found": found}
    return PydanticCustomError("refused", "{expected}", context)


def parse_duration(value: object) -> object:
    """`90s`, `1h30m`, `7d`, `750ms` or a number of seconds → seconds as float."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refuse("a duration such as 90s, 3m, 1h30m or 7d")
    if isinstance(value, int | float):
        seconds = float(value)
    elif _DURATION.fullmatch(value.strip()):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    else:
        raise refuse("a duration such as 90s, 3m, 1h30m or 7d", "units are ms, s, m, h and d")
    if seconds < 0:
        raise refuse("a duration of 0 or more")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds in the notation that `parse_duration` reads: 5400 → `1h30m`."""
    rest, text = round(seconds * 1000), ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, round(_UNITS[unit] * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def parse_size(value: object) -> object:
    """`512Mi`, `2Gi`, `10M` or a number of bytes → bytes as int."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse("a size such as 512Mi or 2Gi, or a number of bytes")
    return int(match[1]) * _SIZES[match[2] or ""]


def size_text(count: int) -> str:
    """Bytes in the notation that `parse_size` reads."""
    for unit in ("Gi", "Mi", "Ki"):
        if count and count % _SIZES[unit] == 0:
            return f"{count // _SIZES[unit]}{unit}"
    return str(count)


def parse_share(value: object) -> object:
    """`5%` or 0.05 → 0.05."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?%", value):
        value = float(value[:-1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise refuse("a share such as 5% or 0.05, between 0 and 1")
    return float(value)


def parse_time(value: object) -> object:
    """RFC 3339 with a zone and without fractions (AI Core takes no fractions) → aware datetime in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    expected = "a time such as 2026-12-01T02:00:00Z"
    if match is None:
        raise refuse(expected)
    if match[1]:
        raise refuse(expected, "leave out the fractions of a second: AI Core does not take them")
    if not match[2]:
        raise refuse(expected, "say the time zone: append Z for UTC, or an offset such as +01:00")
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refuse(expected, "check day, month and hour") from None


def _text_or_number(pattern: str, examples: list[str]) -> dict[str, Any]:
    return {
        "anyOf": [{"type": "string", "pattern": pattern}, {"type": "number", "minimum": 0}],
        "examples": examples,
    }


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(_text_or_number(r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$", ["90s", "3m", "1h30m", "7d"])),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(_text_or_number(r"^[0-9]+(Ki|Mi|Gi|k|M|G)?$", ["512Mi", "2Gi"])),
]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema(_text_or_number(r"^[0-9]+(\.[0-9]+)?%$", ["5%", "0.05"])),
]
Time = Annotated[
    datetime, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})
]


def matching(pattern: str, expected: str, cure: str = "") -> BeforeValidator:
    """A check of text against `pattern` whose error says in words what is expected."""
    compiled = re.compile(pattern)

    def check(value: object) -> object:
        if isinstance(value, str) and not compiled.fullmatch(value):
            raise refuse(expected, cure)
        return value

    return BeforeValidator(check)


def _name(length: int) -> Any:
    words = f"1 to {length} lower-case letters, digits and hyphens, no hyphen at either end"
    schema = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": length}
    pattern = rf"(?=.{{1,{length}}}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    return matching(pattern, words, "dots separate our names in AI Core, so none inside"), WithJsonSchema(
        schema
    )


OwnerName = Annotated[str, *_name(16)]
EnvironmentName = Annotated[str, *_name(20)]
ConfigurationName = Annotated[str, *_name(40)]
PlainName = Annotated[str, *_name(51)]
EXECUTABLE_ID = r"[a-z0-9]([a-z0-9-]{2,61}[a-z0-9])"
_EXECUTABLE_WORDS = "4 to 63 lower-case letters, digits and hyphens, no hyphen at either end"
ExecutableId = Annotated[
    str,
    matching(EXECUTABLE_ID, _EXECUTABLE_WORDS),
    WithJsonSchema({"type": "string", "pattern": f"^{EXECUTABLE_ID}$"}),
]
# AI-API `^[\w.-]{4,64}$`, and a Kubernetes label value: 63 at most, alphanumeric at both ends.
SCENARIO_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{2,61}[A-Za-z0-9]"
ScenarioId = Annotated[
    str,
    matching(SCENARIO_ID, "4 to 63 letters, digits, `_`, `.` or `-`, a letter or digit at both ends"),
    WithJsonSchema({"type": "string", "pattern": f"^{SCENARIO_ID}$"}),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Description = Annotated[str, StringConstraints(max_length=5000)]
SecretName = Annotated[
    str,
    matching(
        r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "a secret's name: lower-case letters, digits, `-`, `.`",
    ),
]
