"""What the window is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from aicore_sync.store import Store
from aicore_sync.web.answers import Answers
from aicore_sync.web.auth import Access
from aicore_sync.web.desk import Desk
from aicore_sync.web.hooks import HookRoom
from aicore_sync.web.index import Index
from aicore_sync.web.live import Live
from aicore_sync.web.runs import Runs
from aicore_sync.web.streams import Streams
from aicore_sync.web.view import View


async def _sleep_on(_names: frozenset[str], _addresses: frozenset[str]) -> None:
    """Nobody is woken."""


NOBODY = Access()
NO_HOOKS = HookRoom((), lambda _: False, _sleep_on)
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Parts:
    """`now` gives an aware datetime in UTC."""

    view: View
    desk: Desk
    runs: Runs
    answers: Answers
    store: Store
    now: Clock
    access: Access = NOBODY
    hooks: HookRoom = NO_HOOKS

    @cached_property
    def index(self) -> Index:
        """The view's statuses as rows."""
        return Index(self.view)

    @cached_property
    def own_index(self) -> Index:
        """The same without what other replicas work on."""
        return Index(self.view, own=True)

    @cached_property
    def live(self) -> Live:
        """Tells browsers of changes; `closing` is set before the server stops."""
        return Live(self.view)

    @cached_property
    def streams(self) -> Streams:
        """Answers that go on; they end with `live`."""
        return Streams(self.live.closing)
