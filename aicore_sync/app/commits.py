"""Tells the forge of each git source how its newest commit stands: a status per environment, and deployments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

import structlog

from aicore_sync.aicore import open_http
from aicore_sync.app.build import App
from aicore_sync.app.wires import api_network
from aicore_sync.config import CommitReport, GitSource
from aicore_sync.core.catalog import NOWHERE
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.model import FlowKey, Status
from aicore_sync.core.standing import Standing, standings
from aicore_sync.forge import CommitStatus, Http, Login, Project, Statuses, connect_statuses

log = structlog.get_logger()

QUIET = 1.0  # seconds in which changes join
AGAIN = (5.0, 30.0, 120.0, 600.0)  # seconds before the next try after each failure in a row


@dataclass
class Reported:
    """One source with a forge: where it is told, and what has been told."""

    source: str
    statuses: Statuses
    commit: Callable[[], str]
    deployments: bool = False
    since: tuple[str, datetime] | None = None
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)  # commits and environments left pending
    failures: int = 0
    not_before: float = 0.0


class Rows(Protocol):
    """Where statuses come from; `news` returns when there is something new."""

    def rows(self) -> tuple[Status, ...]: ...
    async def news(self) -> None: ...


@dataclass(frozen=True)
class Naming:
    """How the status of an environment is called, and where it leads ("" without an address)."""

    context: Callable[[str], str]
    link: Callable[[str], str]


class CommitReports:
    """Looks when statuses change; each status is sent once, and again only when it says something else."""

    def __init__(
        self,
        sources: Iterable[Reported],
        keys: Callable[[str], Iterable[FlowKey]],
        naming: Naming,
        clock: Callable[[], datetime],
        wake: Callable[[FlowKey], None],
    ) -> None:
        """`keys` gives the flows of a source; `wake` has one of them looked at."""
        self._sources = tuple(sources)
        self._keys = keys
        self._wake = wake
        self._naming = naming
        self._clock = clock

    async def run(self, board: Rows) -> None:
        """Until cancelled; a forge that does not answer costs nobody but itself."""
        if not self._sources:
            return
        while True:
            await self._round(board.rows())
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await board.news()
            await asyncio.sleep(QUIET)

    def _patience(self) -> float | None:
        waiting = [s.not_before for s in self._sources if s.failures]
        return max(0.0, min(waiting) - self._clock().timestamp()) if waiting else None

    async def _round(self, statuses: Iterable[Status]) -> None:
        rows = {s.key: s for s in statuses if isinstance(s.key, FlowKey)}
        for source in self._sources:
            await self._tell(source, rows)

    async def _tell(self, source: Reported, rows: Mapping[FlowKey, Status]) -> None:
        commit, now = source.commit(), self._clock()
        if not commit or now.timestamp() < source.not_before:
            return
        if source.since is None or source.since[0] != commit:
            if source.since is not None:
                pending = [name for name, (state, _) in source.told.items() if state == "pending"]
                source.left += [(source.since[0], name) for name in pending]
            source.since, source.told = (commit, now), {}
            for key in self._keys(
                source.source
            ):  # also those that the commit did not touch: they stand with it
                self._wake(key)
        try:
            await self._settle(source, commit)
            for standing in standings(self._keys(source.source), rows, source.since[1]):
                if source.told.get(standing.environment) != standing.news:
                    await self._send(source, commit, standing)
                    source.told[standing.environment] = standing.news
            source.failures, source.not_before = 0, 0.0
        except SyncError as error:
            wait = AGAIN[min(source.failures, len(AGAIN) - 1)]
            hint = error.retry_after if isinstance(error, Transient) and error.retry_after else 0.0
            source.failures, source.not_before = source.failures + 1, now.timestamp() + max(wait, hint)
            log.warning(
                "commit_status_not_sent", source=source.source, reason=error.reason, error=error.message
            )

    async def _send(self, source: Reported, commit: str, standing: Standing) -> None:
        name, words = standing.environment, (standing.state, standing.text)
        await _show(
            source, CommitStatus(commit, name, self._naming.context(name), *words, self._naming.link(name))
        )

    async def _settle(self, source: Reported, commit: str) -> None:
        """Nobody looks after older commits any more: what was still pending there is said to be over, once."""
        while source.left:
            old, name = source.left[0]
            words = f"superseded by {commit[:12]} before it was done"
            context, link = self._naming.context(name), self._naming.link(name)
            await _show(source, CommitStatus(old, name, context, "superseded", words, link))
            source.left.pop(0)


async def _show(source: Reported, status: CommitStatus) -> None:
    await source.statuses.show(status)
    if source.deployments:
        await source.statuses.deploy(status)
    told = {"commit": status.commit, "environment": status.environment, "state": status.state}
    log.info("commit_status_sent", source=source.source, **told)


async def commit_reports(app: App, stack: AsyncExitStack) -> CommitReports:
    """Those that the configuration asks for. Each environment is told of by the replica that works on it."""
    settings = app.settings

    def keys(source: str) -> list[FlowKey]:
        here = app.desire.catalog
        ours = [key for key, target in here.flows.items() if target.source.origin == source]
        ours += [
            FlowKey(name, NOWHERE)
            for name, broken in here.broken.items()
            if app.desire.sources.origin_of(broken.file) == source
        ]
        return [key for key in ours if key.environment == NOWHERE or app.share.works_on(key, app.estate)]

    base = (settings.http.public_url or "").rstrip("/")
    naming = Naming(
        lambda environment: f"aicore-sync/{settings.owner}/{environment}",
        lambda environment: f"{base}/environments/{quote(environment)}" if base else "",
    )
    wanted = [(s.name, s.git, s.git.report) for s in settings.sources if s.git and s.git.report]
    reported = []
    if wanted:
        http = await stack.enter_async_context(
            await open_http(api_network(settings.network), settings.reconcile.request_timeout)
        )
        reported = [_reported(app, name, http, (git, report)) for name, git, report in wanted]
    return CommitReports(reported, keys, naming, app.estate.clock, app.loop.add)


def _reported(app: App, name: str, http: Http, told: tuple[GitSource, CommitReport]) -> Reported:
    git, report = told
    project = replace(Project.of(git.url, report.api_url or ""), part=f"sources.{name}.git.report")
    statuses = connect_statuses(report.forge, http, project, lambda: Login(report.token.read()))
    return Reported(name, statuses, lambda: app.desire.revisions.get(name, ""), report.deployments)
