"""A source in git: the newest state that may be used, and why a newer one is not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

import structlog

from aicore_sync.controller.source.origins import View
from aicore_sync.controller.source.pushes import Push, Signs, push_of
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.git import Authorship, Checkout, Follower

log = structlog.get_logger()
REMEMBERED = 1000  # commits


class Fetched:
    """Looks when asked and keeps what it found; a look that fails leaves the files as they are."""

    def __init__(self, follower: Follower, clock: Callable[[], datetime]) -> None:
        self._follower = follower
        self._clock = clock
        self._view = View(None)
        self._pushes: OrderedDict[str, Push] = OrderedDict()
        self._looked: datetime | None = None  # when the last good look began
        self.woken: datetime | None = None  # by a webhook, since the last good look

    @property
    def name(self) -> str:
        """The source's name."""
        return self._follower.remote.name

    async def authorship(self, commit: str) -> Authorship | None:
        """Who made a commit of this source, None when it has no such commit or cannot be asked now."""
        try:
            return await self._follower.authorship(commit)
        except SyncError:
            return None

    def view(self) -> View:
        """What the last look found."""
        return self._view

    async def look(self) -> bool:
        """Ask the remote; True when there is something new to know, files or an error."""
        before, began = self._view, self._clock()
        try:
            found = await self._follower.look()
            self._view = View(found.directory, found.revision)
            self._saw(found, began)
        except SyncError as error:
            self._view = View(before.root, before.revision, error)
        except OSError as error:
            full = Transient(f"source {self.name}: its files cannot be written: {error}", reason="GitFailed")
            self._view = View(before.root, before.revision, full)
        changed = _told(before) != _told(self._view)
        if self._view.error and changed:
            log.warning(
                "source_not_read",
                source=self.name,
                reason=self._view.error.reason,
                error=self._view.error.message,
            )
        return changed

    def push(self, revision: str) -> Push | None:
        """When a commit of this source was pushed; None when it did not come while we looked."""
        return self._pushes.get(revision)

    def _saw(self, found: Checkout, began: datetime) -> None:
        if found.revision not in self._pushes:
            signs = Signs(found.committed, self.woken, self._looked)
            self._pushes[found.revision] = push_of(signs, self._clock())
            while len(self._pushes) > REMEMBERED:
                self._pushes.popitem(last=False)
        self._looked, self.woken = began, None


def _told(view: View) -> tuple[object, ...]:
    return view.root, view.error.message if view.error else ""
