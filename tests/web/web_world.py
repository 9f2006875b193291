"""Made-up statuses for the tests of the window: every health and mark once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aicore_sync.aicore import LogLine, Metric
from aicore_sync.core.answers import Answer, TickAnswer, Where
from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.model import (
    Condition,
    FlowKey,
    Health,
    Mark,
    ObjectRow,
    Stage,
    Status,
    TemplateKey,
)
from aicore_sync.core.world import Execution
from aicore_sync.store import Store
from aicore_sync.web import Access, Parts, QuotaRow, Run, RunDetails, TokenHolder, Underway

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SEEN = NOW - timedelta(seconds=12)
COMMIT = "4f9d2c1a" * 5
SOURCE = f"flows/churn/flow.py@{COMMIT}"
FACTS = {
    "commit": "b7" * 20,
    "source": SOURCE,
    "version": "1.4.0-9c01ab23",
    "scenario": "churn",
    "tenant": "team-a",
}
HARSH = '<script>alert("x")</script>'


def flow(name: str, environment: str, health: Health, *conditions: Condition) -> Status:
    return Status(FlowKey(name, environment), health, f"flow {health}", conditions, FACTS, (), SEEN)


def template(name: str, health: Health, *conditions: Condition) -> Status:
    key = TemplateKey("team-a", name)
    return Status(
        key,
        health,
        f"template {health}",
        conditions,
        {"commit": FACTS["commit"], "source": SOURCE, "version": FACTS["version"]},
        (),
        SEEN,
    )


def ok(stage: Stage, reason: str, subject: str = "") -> Condition:
    return Condition(stage, Mark.OK, reason, "", subject)


PUBLISHED = (ok(Stage.PUBLISH, "Published"), ok(Stage.SYNC, "Synced"))
RUNS = (ok(Stage.CONFIGURE, "Configured"), ok(Stage.SCHEDULE, "Scheduled"), ok(Stage.EXECUTE, "Healthy"))
OBJECTS = (
    ObjectRow(
        "configuration", "team-a.churn-train.nightly.0f3c9a117b2e", "c-81f0", "COMPLETED", "alpha=0.1", SEEN
    ),
    ObjectRow("schedule", "team-a.churn-train.nightly", "s-1027", "ACTIVE", "0 3 * * *, next in 22 h", SEEN),
    ObjectRow("execution", "nightly", "e-5521", "RUNNING", "step train, 4 min", SEEN),
)

STATUSES: tuple[Status, ...] = (
    Status(FlowKey("churn-train", "dev"), Health.HEALTHY, "", RUNS, FACTS, OBJECTS, SEEN),
    flow("churn-train", "prod", Health.SUSPENDED,
         RUNS[0], Condition(Stage.SCHEDULE, Mark.OFF, "FlowSuspended", "by mira since Monday, quarter end"),
         Condition(Stage.EXECUTE, Mark.OFF, "FlowSuspended", "by mira since Monday, quarter end")),
    template("churn-train", Health.HEALTHY, *PUBLISHED),
    flow("evaluate", "dev", Health.PROGRESSING,
         Condition(Stage.CONFIGURE, Mark.WAIT, "ExecutableMissing", "Waits for the executable.")),
    template("evaluate", Health.PROGRESSING, ok(Stage.PUBLISH, "Published"),
             Condition(Stage.SYNC, Mark.WAIT, "SyncPending", "AI Core was asked to sync commit 4f9d2c1a 6 s ago.")),
    flow("fraud-score", "dev", Health.ATTENTION, *RUNS),
    template("fraud-score", Health.ATTENTION,
             Condition(Stage.PUBLISH, Mark.FAIL, "RenderFailed",
                       "flows/fraud/flow.py line 41: invalid syntax (expected ':'). The last template stays live."),
             PUBLISHED[1]),
    flow("hyper-search", "dev", Health.ATTENTION,
         Condition(Stage.CONFIGURE, Mark.FAIL, "BindingInvalid", f"Input {HARSH} is not of the executable.", "wide"),
         ok(Stage.CONFIGURE, "Configured", "narrow"), *RUNS[1:]),
    template("hyper-search", Health.ATTENTION, ok(Stage.PUBLISH, "Published"),
             Condition(Stage.SYNC, Mark.FAIL, "SyncFailed",
                       "AI Core refused wt-hyper-search.yaml: label scenarios.ai.sap.com/id is missing. Add it.")),
    Status(FlowKey("scratch", ""), Health.NOT_TARGETED, "No environment names this flow.", (), {}, (), SEEN),
    template("orphan-template", Health.HEALTHY, *PUBLISHED),
)  # fmt: skip


@dataclass
class MadeUpView:
    """A View whose answers the test sets."""

    now_statuses: Sequence[Status] = STATUSES
    is_ready: tuple[bool, str] = (True, "")
    is_alive: bool = True
    named: Mapping[str, str] = field(default_factory=lambda: {"owner": "team-a", "version": "0.1.0"})
    breaks: bool = False
    changes: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def statuses(self, own: bool = False) -> Sequence[Status]:
        if self.breaks:
            raise RuntimeError("a secret-looking detail")
        return self.now_statuses[:1] if own else self.now_statuses

    def revision(self) -> int:
        return self.changes

    async def news(self) -> None:
        await self.changed.wait()

    def change(self, statuses: Sequence[Status]) -> None:
        """Show other statuses and tell whoever waits."""
        self.now_statuses, self.changes = statuses, self.changes + 1
        self.changed.set()
        self.changed = asyncio.Event()

    def ready(self) -> tuple[bool, str]:
        return self.is_ready

    def alive(self) -> bool:
        return self.is_alive

    async def metrics(self) -> bytes:
        return b"aicore_sync_leader 1.0\n"

    def info(self) -> Mapping[str, str]:
        return self.named


TOKEN = "a-token-of-the-pipeline"


@dataclass
class MadeUpDesk:
    """A Desk that remembers what it was asked, and says what the test sets."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    error: SyncError | None = None

    async def _do(self, *words: object) -> str:
        if self.error:
            raise self.error
        self.asked.append(tuple(map(str, words)))
        return f"done: {words[0]}"

    async def sync(self, by: str, scope: Scope) -> Underway:
        return Underway(await self._do("sync", by, scope), NOW)

    async def suspend(self, by: str, scope: Scope, reason: str) -> str:
        return await self._do("suspend", by, scope, reason)

    async def resume(self, by: str, scope: Scope, reason: str) -> str:
        return await self._do("resume", by, scope, reason)

    async def rollback(self, by: str, flow: str, to: str, reason: str) -> Underway:
        return Underway(await self._do("rollback", by, flow, to, reason), NOW)

    async def end_rollback(self, by: str, flow: str) -> Underway:
        return Underway(await self._do("end_rollback", by, flow), NOW)

    async def confirm(self, by: str, fingerprint: str) -> str:
        return await self._do("confirm", by, fingerprint)

    async def trigger(self, by: str, scope: Scope, configuration: str) -> str:
        return await self._do("trigger", by, scope, configuration)

    async def stop(self, by: str, execution: str, environment: str) -> str:
        return await self._do("stop", by, execution, environment)


RUN = Run(
    "dev",
    Execution("e-1", "c-1", "churn-train", "churn", "COMPLETED", created_at=SEEN, completed_at=NOW),
    "churn-train",
    "team-a.churn-train.nightly.0f3c9a117b2e",
    "schedule",
)


@dataclass
class MadeUpRuns:
    """Runs that a test sets."""

    known: dict[str, RunDetails] = field(
        default_factory=lambda: {
            "e-1": RunDetails(
                RUN,
                {"alpha": "0.1"},
                {},
                (Metric("accuracy", 0.9, 1, SEEN), Metric("accuracy", 0.93, 2, NOW)),
                {"owner": "team-a"},
                {"train": "Succeeded"},
            )
        }
    )
    lines: tuple[LogLine, ...] = (LogLine(SEEN, f"hello {HARSH}", "pod-1", "main"),)

    async def quotas(self) -> Sequence[QuotaRow]:
        return [QuotaRow("team-a", "workflowtemplates", 41, 50)]

    async def runs(self, flow: str, environment: str, limit: int) -> Sequence[Run]:
        return [d.run for d in self.known.values() if flow in ("", d.run.flow)][:limit]

    async def run(self, execution: str, environment: str) -> RunDetails:
        try:
            return self.known[execution]
        except KeyError:
            raise Stalled(f"there is no execution {execution}", reason="NotFound") from None

    async def phases(self, execution: str, environment: str) -> Mapping[str, str]:
        return (await self.run(execution, environment)).phases

    async def metrics(self, executions: Sequence[str], environment: str) -> Mapping[str, Sequence[Metric]]:
        return {e: self.known[e].metrics for e in executions if e in self.known}

    async def log(
        self, execution: str, environment: str, *, follow: bool, since: datetime | None = None
    ) -> AsyncIterator[LogLine]:
        for line in self.lines:
            if since is None or line.time >= since:
                yield line

    async def tail(self, execution: str, environment: str, lines: int) -> Sequence[LogLine]:
        return self.lines[-lines:]


class MadeUpAnswers:
    """One tick of every flow that is asked for; nothing of other kinds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Where]] = []

    async def ask(self, kind: str, where: Where) -> Sequence[Answer]:
        self.asked.append((kind, where))
        if kind in ("trace", "compare"):
            raise Stalled(f"there is no execution {where.executions[0]} in dev", reason="NotFound")
        ticks = (TickAnswer(at=NOW, flow="evaluate", name="nightly", environment="dev", cron="0 3 * * *"),)
        return ticks if kind == "ticks" else ()


def parts(view: MadeUpView | None = None, desk: MadeUpDesk | None = None, **access: Any) -> Parts:
    """The window's parts with one token, of the user `pipeline`; `access` replaces who may act."""
    known = {"tokens": (TokenHolder("pipeline", lambda: TOKEN),), "session_key": "k" * 32}
    made = (view or MadeUpView(), desk or MadeUpDesk(), MadeUpRuns(), MadeUpAnswers(), Store())
    return Parts(*made, lambda: NOW, Access(**(known | access)))
