"""What became of renders, by the digest of their inputs. What may end otherwise next time is not kept for long."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, TypeVar

from aicore_sync.controller.recent import Recent
from aicore_sync.core.errors import InvalidInput, Stalled
from aicore_sync.render import RenderFailed

AGAIN = 900.0  # seconds until a failure is tried again that the inputs alone do not explain

T = TypeVar("T")


class Outcomes(Generic[T]):
    """Results are kept, and failures; `clock` gives seconds of a clock that is never set back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known = Recent[str, tuple[T | Stalled, float]](clock)

    def get(self, digest: str) -> T | Stalled | None:
        """None when it is not known, or not any more."""
        outcome, until = self._known.get(digest) or (None, math.inf)
        return outcome if self._clock() < until else None

    def put(self, digest: str, outcome: T | Stalled) -> None:
        lasts = not isinstance(outcome, Stalled) or _made_of_inputs(outcome)
        self._known.put(digest, (outcome, math.inf if lasts else self._clock() + AGAIN))

    def forget(self, digest: str) -> None:
        self._known.pop(digest)


def _made_of_inputs(error: Stalled) -> bool:
    """Equal inputs fail equally: the rules refuse them, or the flow's own line raises. A deadline does neither."""
    return isinstance(error, InvalidInput) or (isinstance(error, RenderFailed) and error.line > 0)
