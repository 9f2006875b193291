"""Words, numbers, times, labels and listings: what every reader is made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

Json = Mapping[str, Any]


class Unreadable(ValueError):
    """The answer is not what the AI-API describes: no object, or one without identity."""


def read_object(value: object) -> Json:
    """The value as a JSON object."""
    if not isinstance(value, dict):
        raise Unreadable(f"expected a JSON object, found {type(value).__name__}")
    return value


def read_items(value: object) -> list[Json]:
    """The items of a listing, `{count, resources}` or a bare array. No list is read as empty only if `count` is 0."""
    if isinstance(value, list):
        items: object = value
    else:
        body = read_object(value)
        items = [] if body.get("resources") is None and body.get("count") == 0 else body.get("resources")
    if not isinstance(items, list):
        raise Unreadable("expected a list under `resources`")
    return [read_object(item) for item in items]


def read_count(value: object) -> int:
    """A whole number: the body of `$count`, or the `count` of a listing."""
    number = value.get("count") if isinstance(value, dict) else value
    if isinstance(number, bool) or not isinstance(number, int):
        raise Unreadable(f"expected a number, found {type(number).__name__}")
    return number


def read_id(value: object) -> str:
    """The id in an answer to a POST."""
    return must(read_object(value), "id")


def read_nothing(value: object) -> None:
    """An answer whose body does not matter."""


def read_time(value: object) -> datetime | None:
    """A time in UTC. None for missing ones: absent, empty, "Unknown", or the year 1970, which means "never"."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC) if found.year > 1970 else None


def write_time(value: datetime) -> str:
    """RFC 3339 in UTC without fractions, as schedules require: 2026-01-31T08:00:00Z. Rounds up to the next second."""
    if value.microsecond:
        value = value.replace(microsecond=0) + timedelta(seconds=1)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_instant(value: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as the log endpoints take it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def read_labels(value: object, name: str = "key") -> dict[str, str]:
    """Labels as an object, or as an array of `{key, value}`; tags and custom info call the key `name`."""
    if isinstance(value, dict):
        return {str(key): str(text) for key, text in value.items()}
    if not isinstance(value, list):
        return {}
    pairs = [item for item in value if isinstance(item, dict) and isinstance(item.get(name), str)]
    return {item[name]: str(item.get("value", "")) for item in pairs}


def write_labels(labels: Mapping[str, str], name: str = "key") -> list[dict[str, str]]:
    """The array form of labels, sorted."""
    return [{name: key, "value": labels[key]} for key in sorted(labels)]


def must(body: Json, *names: str) -> str:
    found = text(body, *names)
    if not found:
        raise Unreadable(f"expected a non-empty {names[0]!r}")
    return found


def text(body: Json, *names: str) -> str:
    values = (body.get(name) for name in names)
    return next((str(v) for v in values if isinstance(v, str | int | float) and v != ""), "")


def optional(body: Json, name: str) -> str | None:
    value = body.get(name)
    return None if value is None else str(value)


def known(body: Json, name: str) -> str:
    value = text(body, name)
    return "" if value == "Unknown" else value


def objects(body: Json, *names: str) -> list[Json]:
    """The first of these lists that has items, without anything that is no object."""
    lists = (body.get(name) for name in names)
    items = next((value for value in lists if isinstance(value, list) and value), [])
    return [item for item in items if isinstance(item, dict)]


def inner(body: Json, *names: str) -> Json:
    for name in names:
        inner = body.get(name)
        body = inner if isinstance(inner, dict) else {}
    return body


def is_number(value: object) -> TypeGuard[int | float]:
    """True for a JSON number; Python counts booleans as numbers too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(body: Json, name: str) -> float:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
