"""What the window asks of AI Core: runs with their metrics, logs, quotas. Kept for some seconds, many may look."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from aicore_sync.aicore import ExecutionMetrics, LogLine, Metric, NotFound
from aicore_sync.app.build import App
from aicore_sync.app.follow import follow_log, whole_log
from aicore_sync.app.followers import Followers
from aicore_sync.app.patience import Pace
from aicore_sync.app.runs import Found, find, group_of, listed
from aicore_sync.controller.archive import log_start
from aicore_sync.core.errors import SyncError
from aicore_sync.core.template.walk import entries
from aicore_sync.web import QuotaRow, Run, RunDetails

T = TypeVar("T")
SECONDS, MINUTE = 3.0, 60.0
MOST = 300  # answers kept
FOLLOW = 4.0  # seconds at most until a new line of a log is seen


@dataclass
class _Kept:
    """Answers by question, each asked for once at a time."""

    answers: dict[Hashable, tuple[float, asyncio.Task[Any]]] = field(default_factory=dict)

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]], age: float) -> T:
        at, task = self.answers.get(key, (float("-inf"), None))
        if task is None or time.monotonic() - at > age or (task.done() and _failed(task)):
            if len(self.answers) >= MOST:
                self.answers.pop(next(iter(self.answers)))
            task = asyncio.ensure_future(_asked(ask))
            self.answers[key] = (time.monotonic(), task)
        found: T = await asyncio.shield(task)
        return found


async def _asked(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None


class AppRuns:
    """See `aicore_sync.web.Runs`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kept = _Kept()
        self._followers = Followers()

    async def quotas(self) -> Sequence[QuotaRow]:
        found: list[QuotaRow] = []
        for name, tenant in self._app.estate.tenants.items():
            try:
                listed_ = await self._kept.get(("quotas", name), tenant.client.quotas, MINUTE)
            except SyncError:
                continue
            found += [QuotaRow(name, q.name, q.used, q.limit) for q in listed_]
        return found

    async def runs(self, flow: str, environment: str, limit: int) -> Sequence[Run]:
        found = await self._kept.get(
            ("runs", flow, environment, limit),
            lambda: listed(self._app, flow, environment, limit),
            SECONDS,
        )
        return [_run(one) for one in found]

    async def run(self, execution: str, environment: str) -> RunDetails:
        return await self._kept.get(
            ("run", execution, environment), lambda: self._details(execution, environment), SECONDS
        )

    async def phases(self, execution: str, environment: str) -> Mapping[str, str]:
        group = group_of(self._app, self._app.estate.environment(environment))
        details = await self._kept.get(
            ("phases", environment, execution), lambda: group.executions.details(execution), SECONDS
        )
        return phases(details)

    async def metrics(self, executions: Sequence[str], environment: str) -> Mapping[str, Sequence[Metric]]:
        group = group_of(self._app, self._app.estate.environment(environment))
        found = await self._kept.get(
            ("metrics", environment, *executions), lambda: group.metrics.get(executions), SECONDS
        )
        return {one.execution: one.metrics for one in found}

    async def log(
        self, execution: str, environment: str, *, follow: bool, since: datetime | None = None
    ) -> AsyncIterator[LogLine]:
        found = await find(self._app, execution, environment)
        group = group_of(self._app, found.place)

        def followed() -> AsyncIterator[LogLine]:
            return follow_log(group, found.execution, Pace(longest=FOLLOW), since)

        if not follow:
            lines = whole_log(group, found.execution, since)
        elif since:
            lines = followed()
        else:
            lines = self._followers.lines((found.place.name, execution), followed)
        async for line in lines:
            yield line

    async def tail(self, execution: str, environment: str, lines: int) -> Sequence[LogLine]:
        return await self._kept.get(
            ("tail", execution, environment, lines),
            lambda: self._tail(execution, environment, lines),
            SECONDS,
        )

    async def _tail(self, execution: str, environment: str, lines: int) -> Sequence[LogLine]:
        found = await find(self._app, execution, environment)
        logs = group_of(self._app, found.place).logs
        try:
            return await logs.tail(execution, log_start(found.execution), lines)
        except NotFound:  # for a moment after a start
            return ()

    async def _details(self, execution: str, environment: str) -> RunDetails:
        found = await find(self._app, execution, environment)
        group = group_of(self._app, found.place)
        measured = next(iter(await group.metrics.get([execution])), ExecutionMetrics(execution))
        try:
            configuration = await group.configurations.get(found.execution.configuration)
        except NotFound:
            configuration = None
        return RunDetails(
            _run(found),
            dict(configuration.parameters) if configuration else {},
            dict(configuration.inputs) if configuration else {},
            measured.metrics,
            dict(measured.tags),
            phases(await group.executions.details(execution)),
        )


def phases(details: Mapping[str, Any]) -> dict[str, str]:
    """Step → Argo's phase, of the free-form `statusDetails`; the worst of a step that runs many times.

    An attempt does not count beside the node of its retries.
    """
    nodes = entries(details.get("workflowInfo", details.get("workflow_info")))
    named = {str(node.get("name", "")): str(node.get("phase", "")) for node in nodes}
    found: dict[str, str] = {}
    for name, phase in named.items():
        step = _TURN.sub("", name).rsplit(".", 1)[-1]
        if not _tried_again(name, named) and _RANK.get(phase, 0) >= _RANK.get(found.get(step, ""), -1):
            found[step] = phase
    return found


def _tried_again(name: str, named: Mapping[str, str]) -> bool:
    """True for an attempt of a step, `step(0)`, and for what failed within a group of turns that went well."""
    for turn in _TURN.finditer(name):
        group = named.get(name[: turn.start()])
        attempt = turn.end() == len(name) and turn[1].isdecimal()
        if group is not None and (attempt or (group == "Succeeded" != named[name])):
            return True
    return False


_TURN = re.compile(r"\(([^()]*)\)")  # `(0)` is an attempt, `(0:item)` a turn of a loop
_RANK = {
    "": 0,
    "Succeeded": 1,
    "Skipped": 1,
    "Omitted": 1,
    "Pending": 2,
    "Running": 3,
    "Failed": 4,
    "Error": 5,
}


def _run(found: Found) -> Run:
    flow = found.name.split(".")[1] if found.name.count(".") > 1 else ""
    return Run(found.place.name, found.execution, flow, found.name, found.whose)
