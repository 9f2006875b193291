"""Values by key, kept for as long as somebody asks for them: as many as a round looks at, however many that are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

PERIOD = 3600.0  # seconds, longer than a round; what is not asked for during one or two of them is forgotten

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A bound on the number would do, were it not that a round over more than so many would find none of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turned = clock()
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value of `key`, None when it is not known."""
        self._turn()
        if key in self._old:
            self._young[key] = self._old.pop(key)
        return self._young.get(key)

    def put(self, key: K, value: V) -> None:
        self._turn()
        self._old.pop(key, None)
        self._young[key] = value

    def pop(self, key: K) -> None:
        """Forget it."""
        self._old.pop(key, None)
        self._young.pop(key, None)

    def _turn(self) -> None:
        if self._clock() - self._turned > PERIOD:
            self._old, self._young, self._turned = self._young, {}, self._clock()
