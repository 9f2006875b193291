"""The sandbox's time: real, or moved only by hand. All times in answers are whole seconds in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


class Clock:
    """Starts at real now. With `manual=True` it stands still until `move` is called."""

    def __init__(self, *, manual: bool) -> None:
        self.manual = manual
        self._at = datetime.now(UTC)

    def exact(self) -> datetime:
        """Now with its fraction, for log lines."""
        return self._at if self.manual else datetime.now(UTC)

    def now(self) -> datetime:
        """Now, cut to the second, as AI Core shows times."""
        return self.exact().replace(microsecond=0)

    def move(self, to: datetime) -> None:
        """Set a manual clock. Raises ValueError for a real clock or a step backwards."""
        if not self.manual:
            raise ValueError("the clock is real; start the sandbox with --clock manual to move it")
        if to < self._at:
            raise ValueError(
                f"the clock stands at {self._at.isoformat()} and cannot go back to {to.isoformat()}"
            )
        self._at = to
