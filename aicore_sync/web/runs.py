"""What must be asked of AI Core, asked of nobody in particular. Answers may be some seconds old."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from aicore_sync.aicore import LogLine, Metric
from aicore_sync.core.world import Execution


@dataclass(frozen=True)
class QuotaRow:
    """How much of a tenant's quota is used."""

    tenant: str
    name: str
    used: int
    limit: int


@dataclass(frozen=True)
class Run:
    """An execution. `configuration` is that one's name; `whose` is aicore-sync, schedule or foreign."""

    environment: str
    execution: Execution
    flow: str
    configuration: str
    whose: str

    @property
    def seconds(self) -> float | None:
        """How long it has run, None before it began or has ended."""
        begun, ended = self.execution.started_at or self.execution.created_at, self.execution.completed_at
        return (ended - begun).total_seconds() if begun and ended else None

    @property
    def begun(self) -> datetime | None:
        """When it was created."""
        return self.execution.created_at


@dataclass(frozen=True)
class RunDetails:
    """One run in full. `phases` maps steps of the template to Argo's phase."""

    run: Run
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, str] = field(default_factory=dict)


class Runs(Protocol):
    """All raise SyncError: Stalled (NotFound) for what there is not, Transient while AI Core cannot be asked."""

    async def quotas(self) -> Sequence[QuotaRow]:
        """Of every tenant that can be asked."""

    async def runs(self, flow: str, environment: str, limit: int) -> Sequence[Run]:
        """The newest runs of our configurations, newest first; "" asks for all."""

    async def run(self, execution: str, environment: str) -> RunDetails:
        """One run; "" looks in every environment."""

    async def phases(self, execution: str, environment: str) -> Mapping[str, str]:
        """The phases of a run's steps."""

    async def metrics(self, executions: Sequence[str], environment: str) -> Mapping[str, Sequence[Metric]]:
        """The metrics of some runs; one without metrics is absent."""

    def log(
        self, execution: str, environment: str, *, follow: bool, since: datetime | None = None
    ) -> AsyncIterator[LogLine]:
        """A run's log from its start or from `since` on; with `follow` until its end."""

    async def tail(self, execution: str, environment: str, lines: int) -> Sequence[LogLine]:
        """The last lines of a run's log, oldest first."""
