"""What people may do in the window, asked of nobody in particular."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aicore_sync.core.decisions import Scope


@dataclass(frozen=True)
class Underway:
    """What was asked for and goes on: passes that begin at `since` or later know of it, and of the sources."""

    message: str
    since: datetime


class Desk(Protocol):
    """Every call is in the name of `by` and answers with one sentence. All raise SyncError, which says what to do."""

    async def sync(self, by: str, scope: Scope) -> Underway:
        """Look at the source and at these flows now."""

    async def suspend(self, by: str, scope: Scope, reason: str) -> str:
        """Hold these flows back until somebody resumes them."""

    async def resume(self, by: str, scope: Scope, reason: str) -> str:
        """Take such a suspension back."""

    async def rollback(self, by: str, flow: str, to: str, reason: str) -> Underway:
        """Keep FLOW, or FLOW@TENANT, at an earlier version; `to` is a commit, "" the version before."""

    async def end_rollback(self, by: str, flow: str) -> Underway:
        """Publish its source again."""

    async def confirm(self, by: str, fingerprint: str) -> str:
        """Allow what waits for a confirmation of this fingerprint."""

    async def trigger(self, by: str, scope: Scope, configuration: str) -> str:
        """Start a run of a flow; "" is the only environment or configuration."""

    async def stop(self, by: str, execution: str, environment: str) -> str:
        """Stop a run of ours."""
