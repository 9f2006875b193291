"""Shared, short-lived lists of what AI Core holds: many keys of a round read them, one request fills them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

T = TypeVar("T")


@dataclass
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = float("-inf")
    value: Any = None
    changes: int = 0  # drops and puts so far: what was read before one of them is not news


class Snapshots:
    """Values by key with the time they were read at. One reader fills, the others wait for it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[Hashable, _Entry] = {}

    async def get(self, key: Hashable, fetch: Callable[[], Awaitable[T]], max_age: float) -> T:
        """The value of `key`, read again with `fetch` when it is older than `max_age` seconds."""
        entry = self._entries.setdefault(key, _Entry())
        async with entry.lock:
            if self._clock() - entry.at > max_age:
                started, changes = self._clock(), entry.changes
                value = await fetch()
                if entry.changes != changes:
                    return value
                entry.value, entry.at = value, started
            return cast(T, entry.value)

    def age(self, key: Hashable) -> float:
        """Seconds since the value was read; infinite when it never was."""
        entry = self._entries.get(key)
        return self._clock() - entry.at if entry else float("inf")

    def newest(self, kind: str) -> Iterator[tuple[str, Any]]:
        """What was last read under keys (`kind`, name), however old: for people, never for decisions."""
        for key, entry in tuple(self._entries.items()):  # scrapes read in a thread
            if isinstance(key, tuple) and key[0] == kind and entry.value is not None:
                yield str(key[1]), entry.value

    def put(self, key: Hashable, value: object) -> None:
        """A value that was just read elsewhere."""
        entry = self._entries.setdefault(key, _Entry())
        entry.value, entry.at = value, self._clock()
        entry.changes += 1

    def drop(self, *keys: Hashable) -> None:
        """Read again next time: something of ours has changed it."""
        for key in keys:
            if key in self._entries:
                self._entries[key].at = float("-inf")
                self._entries[key].changes += 1
