"""Every new status against every route; what is worth a note goes to that route's carrier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aicore_sync.core.model import FlowKey, Key, Status
from aicore_sync.notify.changes import Known, Note, Rule, known_before, step


class Carrier(Protocol):
    """Takes a note at once: it never waits for a receiver and raises nothing."""

    def put(self, note: Note) -> None: ...


@dataclass(frozen=True)
class Route:
    """Who is told of what."""

    rule: Rule
    carrier: Carrier


class Notices:
    """Remembers what the readers of each route know of each key."""

    def __init__(
        self, routes: Sequence[Route], environments: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """`environments`: tenant → its environments; a template concerns all of its tenant's."""
        self._routes = tuple(routes)
        self._known: list[dict[Key, Known]] = [{} for _ in routes]
        self._environments = environments or {}

    def recall(self, statuses: Iterable[Status]) -> None:
        """The last statuses of an earlier process: a restart tells nothing twice that was surely told."""
        for status in statuses:
            for route, known in zip(self._routes, self._known, strict=True):
                known[status.key] = known_before(route.rule, status)

    def changed(self, status: Status) -> None:
        """Called with every new status of a key."""
        key = status.key
        places = () if isinstance(key, FlowKey) else self._environments.get(key.tenant, ())
        for route, known in zip(self._routes, self._known, strict=True):
            if route.rule.concerns(key, places):
                known[key], note = step(route.rule, known.get(key, Known()), status)
                if note:
                    route.carrier.put(note)

    def forget(self, key: Key) -> None:
        """The key is gone; if it comes back it is new."""
        for known in self._known:
            known.pop(key, None)
