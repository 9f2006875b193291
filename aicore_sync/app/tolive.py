"""From a push to the proof that AI Core runs it: which templates are not live yet, and how long each took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from aicore_sync.controller.source import Push
from aicore_sync.core.model import Key, Mark, Stage, Status

SLACK = timedelta(seconds=60)  # from having a commit to the pass that knows what it changed


class ToLive:
    """Fed with every status of a template, in order. Times of `monotonic` are seconds."""

    def __init__(self) -> None:
        self.push: Callable[[str], Push | None] = lambda source: None  # of a source revision
        self._unsynced: dict[Key, float] = {}  # since when, while it waits or fails
        self._settled: dict[
            Key, tuple[str, datetime]
        ] = {}  # its source, and the pushes until then are done with
        self._reached: dict[Key, datetime] = {}  # with which push that became live which just has

    def put(self, status: Status, monotonic: float) -> float | None:
        """The seconds that a change took which this status proves live; None where it proves none."""
        key, sync, source = status.key, status.condition(Stage.SYNC), status.facts.get("source", "")
        if sync is not None and sync.mark in (Mark.WAIT, Mark.FAIL):
            self._unsynced.setdefault(key, monotonic)
            return None
        begun = self._unsynced.pop(key, None)
        proven = sync is not None and sync.mark is Mark.OK
        pushed = self.pushed(key, source) if proven and begun is not None else None
        if status.updated:  # a person who holds it back ends the wait: nobody's patience is measured then
            self._settled[key] = (source, status.updated - SLACK if proven else status.updated)
        if pushed and status.updated:
            self._reached[key] = pushed
            return max(0.0, (status.updated - pushed).total_seconds())
        return monotonic - begun if proven and begun is not None else None

    def pushed(self, key: Key, source: str) -> datetime | None:
        """When the change was pushed that made the template of this source; None where it was no push.

        Another version of a tool makes a new template of an old commit: the template was well long after that came.
        """
        push, (before, at) = self.push(source), self._settled.get(key, ("", None))
        if push is None or source == before or (at and at > push.seen):
            return None
        return push.at

    def reached(self, key: Key) -> datetime | None:
        """The push that the last status proved live; asked once."""
        return self._reached.pop(key, None)

    def oldest(self, monotonic: float) -> float:
        """Seconds since the oldest change came that should be live and is not; 0 without one."""
        return monotonic - min(self._unsynced.values(), default=monotonic)

    def forget(self, key: Key) -> None:
        """The key is gone, or another replica's."""
        for known in (self._unsynced, self._settled, self._reached):
            known.pop(key, None)
