"""What every POST to AI Core is held by: the lock, the wait after a take-over, and lists that lag."""

from __future__ import annotations

from collections.abc import Awaitable

from aicore_sync.controller.estate import Estate
from aicore_sync.controller.memory import Memory
from aicore_sync.core.actions import PatchSchedule
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.model import FlowKey
from aicore_sync.core.plan.timing import is_done
from aicore_sync.core.world import Schedule


class Posts:
    """Guards of creations; one per process, with the memory of what was just written."""

    def __init__(self, estate: Estate, memory: Memory) -> None:
        self._estate = estate
        self._memory = memory

    async def certain(self, sent: Awaitable[str], environment: str, name: str) -> str:
        """Lists are waited for from the answer on: between the decision and the POST an announcement may take long.

        A refusal that was not ambiguous left nothing behind, so that the next pass need not wait.
        """
        try:
            made = await sent
        except SyncError as error:
            if isinstance(error, Transient) and error.ambiguous:
                self._memory.wrote(environment, name, self._estate.clock())
            else:
                self._memory.writes.pop((environment, name), None)
            raise
        self._memory.wrote(environment, name, self._estate.clock())
        return made

    def require_settled(self, key: FlowKey) -> None:
        """A pass may have planned before the lock was ours, and so before the wait of a take-over was known."""
        until = self._memory.settled_at.get(self._estate.tenant_of(key.environment).branch.home.name)
        now = self._estate.clock()
        if until and now < until:
            message = "waits after a start or take-over until lists are trustworthy"
            raise Transient(message, reason="Settling", retry_after=(until - now).total_seconds())

    def require_lock(self, environment: str) -> None:
        """Directly before a write: the lock is still ours, and long enough. Raises Transient."""
        self._estate.tenant_of(environment).branch.lock.ensure_held(self._estate.timings.lock_margin)

    def require_news(self, schedule: Schedule, action: PatchSchedule) -> None:
        """Directly before a PATCH: what is there already, only lists do not show it yet."""
        if is_done(schedule, action.changes, action.soon):
            message = f"schedule {schedule.name} was just changed; waits until lists show it"
            raise Transient(message, reason="Settling", retry_after=1.0)

    def once_per_settle(self, environment: str, name: str) -> None:
        """Directly before a POST: the lock is still ours, and lists that lag do not lead to the same write twice."""
        self.require_lock(environment)
        now, written = self._estate.clock(), self._memory.writes.get((environment, name))
        if written and now - written < self._estate.settle:
            left = (written + self._estate.settle - now).total_seconds()
            raise Transient(
                "was just created; waits until lists would show it", reason="Settling", retry_after=left
            )
        self._memory.wrote(environment, name, now)
