"""The work queue: a data structure with the clock as an argument; no asyncio, no timers inside.

Set semantics, one in flight per key, earliest time wins. A key that is added while in flight is ready again when it
is done. Times are seconds on any monotonic clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Backoff:
    """Doubles from `first` to `most` seconds; `spread` 0.2 varies each delay by ±20 %."""

    first: float = 0.75
    most: float = 900.0
    spread: float = 0.2

    def delay(self, failures: int, random: float) -> float:
        """Seconds to wait after `failures` failures in a row (1 is the first); `random` is in [0, 1)."""
        base = min(self.most, self.first * 2.0 ** min(failures - 1, 60))
        return base * (1 + self.spread * (2 * random - 1))


@dataclass
class WorkQueue(Generic[K]):
    """Keys that wait for their time."""

    backoff: Backoff = field(default_factory=Backoff)
    _due: dict[K, float] = field(default_factory=dict)
    _heap: list[tuple[float, int, K]] = field(default_factory=list)
    _in_flight: set[K] = field(default_factory=set)
    _again: dict[K, float] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _counter: int = 0

    def __len__(self) -> int:
        return len(self._due) + len(self._in_flight)

    def add(self, key: K, now: float, after: float = 0.0) -> None:
        """Look at `key` in `after` seconds or earlier when it is wanted earlier already."""
        due = now + after
        if key in self._in_flight:
            self._again[key] = min(due, self._again.get(key, due))
            return
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._counter += 1
        heapq.heappush(self._heap, (due, self._counter, key))

    def add_backoff(self, key: K, now: float, random: float, at_least: float = 0.0) -> float:
        """Look again after a delay that doubles with each failure in a row; returns the delay in seconds."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        delay = max(at_least, self.backoff.delay(failures, random))
        self.add(key, now, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key is well: its next failure starts at the first delay again."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    def pop(self, now: float) -> K | None:
        """The key that is due longest, now in flight; None when nothing is due."""
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) != due:
                continue  # replaced by an earlier time
            del self._due[key]
            self._in_flight.add(key)
            return key
        return None

    def done(self, key: K, now: float) -> None:
        """The pass of `key` has ended. What was added meanwhile counts now."""
        self._in_flight.discard(key)
        if key in self._again:
            self.add(key, now, max(0.0, self._again.pop(key) - now))

    @property
    def in_flight(self) -> frozenset[K]:
        """Keys that are being worked on."""
        return frozenset(self._in_flight)

    def busy(self, now: float) -> bool:
        """True while a key is in flight or due."""
        due = self.next_due()
        return bool(self._in_flight) or (due is not None and due <= now)

    def next_due(self) -> float | None:
        """When the next key is due, None when none waits."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
