"""How quickly pages, API and webhooks answer with 10,000 flows on the board: 50th and 99th percentile over loopback.

usage: python bench/window.py [--flows 10000] [--seconds 10]

The window runs in a process of its own, as in the service; the load comes from this one. Webhooks come signed, at 200 a
second whatever the answers take; the rest one after the other. `busy` changes 50 statuses before each request. The CPU
of the window's process for each answer (Linux) says most on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
from starlette.types import Receive, Scope, Send

from aicore_sync.aicore import LogLine, Metric
from aicore_sync.core.answers import Answer, Where
from aicore_sync.core.decisions import Scope as Concerns
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import Condition, FlowKey, Health, Mark, ObjectRow, Stage, Status, TemplateKey
from aicore_sync.store import Store
from aicore_sync.telemetry import Metrics
from aicore_sync.web import Hook, HookRoom, Parts, QuotaRow, Run, RunDetails, Underway, WebServer, create_app

SECRET = "a-secret-for-the-bench"
RATE = 200
PATHS = {
    "first page": "/",
    "first page, page 50": "/?page=50",
    "search": "/?q=flow-77+dev",
    "needs attention": "/?health=NeedsAttention",
    "flow": "/flows/flow-00077/dev",
    "events": "/events",
    "API flows": "/api/v1/flows?perPage=100",
    "API search": "/api/v1/flows?q=flow-77",
    "API status (all)": "/api/v1/status",
    "metrics": "/metrics",
}


def statuses(flows: int) -> list[Status]:
    """A template and a flow each; one in fifty needs attention."""
    found: list[Status] = []
    for number in range(flows):
        name, at = f"flow-{number:05}", datetime.now(UTC)
        bad = number % 50 == 0
        facts = {
            "version": "1.0.0-9c01ab23",
            "commit": "4f" * 20,
            "tenant": "t",
            "template": name,
            "scenario": "s",
        }
        sync = Condition(
            Stage.SYNC, Mark.FAIL if bad else Mark.OK, "SyncFailed" if bad else "Synced", "words " * 5
        )
        runs = tuple(Condition(s, Mark.OK, "Fine") for s in (Stage.CONFIGURE, Stage.SCHEDULE, Stage.EXECUTE))
        cron = f"{number % 60} {number % 24} * * *"
        objects = (
            ObjectRow("schedule", f"o.{name}.nightly", "s-1", "ACTIVE", cron, at),
            *(ObjectRow("execution", f"o.{name}.nightly.x", f"e-{n}", "COMPLETED", "", at) for n in range(5)),
        )
        health = Health.ATTENTION if bad else Health.HEALTHY
        found.append(
            Status(
                TemplateKey("t", name),
                health,
                "",
                (Condition(Stage.PUBLISH, Mark.OK, "Published"), sync),
                facts,
                (),
                at,
            )
        )
        found.append(Status(FlowKey(name, "dev"), Health.HEALTHY, "", runs, facts, objects, at))
    return found


@dataclass
class Board:
    """A view of made statuses; `change` makes `churn` of them new objects."""

    now: list[Status]
    churn: int = 0
    changes: int = 0
    numbers: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        for status in self.now:
            self.numbers.show(status)

    def change(self) -> None:
        self.changes += 1
        for n in range(self.churn):
            at = (self.changes * self.churn + n) % len(self.now)
            self.now[at] = replace(self.now[at], updated=datetime.now(UTC))
            self.numbers.show(self.now[at])

    def statuses(self, own: bool = False) -> Sequence[Status]:
        return self.now

    def ready(self) -> tuple[bool, str]:
        return True, ""

    def alive(self) -> bool:
        return True

    async def metrics(self) -> bytes:
        return await asyncio.to_thread(self.numbers.expose)

    def info(self) -> Mapping[str, str]:
        return {"owner": "bench"}

    def revision(self) -> int:
        return self.changes

    async def news(self) -> None:
        await asyncio.sleep(1)


class Nothing:
    """Desk and AI Core of a bench that asks neither."""

    async def sync(self, by: str, scope: Concerns) -> Underway:
        return Underway("", datetime.now(UTC))

    async def suspend(self, by: str, scope: Concerns, reason: str) -> str:
        return ""

    async def resume(self, by: str, scope: Concerns, reason: str) -> str:
        return ""

    async def rollback(self, by: str, flow: str, to: str, reason: str) -> Underway:
        return Underway("", datetime.now(UTC))

    async def end_rollback(self, by: str, flow: str) -> Underway:
        return Underway("", datetime.now(UTC))

    async def confirm(self, by: str, fingerprint: str) -> str:
        return ""

    async def trigger(self, by: str, scope: Concerns, configuration: str) -> str:
        return ""

    async def stop(self, by: str, execution: str, environment: str) -> str:
        return ""

    async def quotas(self) -> Sequence[QuotaRow]:
        return [QuotaRow("t", "workflowTemplates", 41, 50)]

    async def runs(self, flow: str, environment: str, limit: int) -> Sequence[Run]:
        return []

    async def run(self, execution: str, environment: str) -> RunDetails:
        raise Stalled("no run", reason="NotFound")

    async def phases(self, execution: str, environment: str) -> Mapping[str, str]:
        return {}

    async def metrics(self, executions: Sequence[str], environment: str) -> Mapping[str, Sequence[Metric]]:
        return {}

    async def log(
        self, execution: str, environment: str, *, follow: bool, since: datetime | None = None
    ) -> AsyncIterator[LogLine]:
        for line in tuple[LogLine, ...]():
            yield line

    async def tail(self, execution: str, environment: str, lines: int) -> Sequence[LogLine]:
        return ()

    async def ask(self, kind: str, where: Where) -> Sequence[Answer]:
        return ()


def serve(flows: int, churn: int, pipe: Connection) -> None:
    """The window, until the pipe closes."""

    async def wake(names: frozenset[str], addresses: frozenset[str]) -> None:
        return None

    async def main() -> None:
        room = HookRoom((Hook("bench", "github", lambda: SECRET),), lambda _: False, wake)
        nothing = Nothing()
        board = Board(statuses(flows), churn)
        parts = Parts(board, nothing, nothing, nothing, Store(), lambda: datetime.now(UTC), hooks=room)
        app = create_app(parts)

        async def changing(scope: Scope, receive: Receive, send: Send) -> None:
            board.change()
            await app(scope, receive, send)

        server = WebServer(changing, "127.0.0.1", 0)
        pipe.send(await server.start())
        await asyncio.to_thread(pipe.recv)
        await server.stop()

    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main())


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def shown(name: str, times: Sequence[float], used: float) -> None:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    numbers = [cuts[49], cuts[98], max(times), used / len(times)]
    print(f"| {name} | {len(times)} | {' | '.join(f'{one * 1e3:.1f}' for one in numbers)} |", flush=True)


async def pages(client: httpx.AsyncClient, suffix: str, rounds: int, pid: int) -> None:
    for name, path in PATHS.items():
        times = []
        await client.get(path)
        before = cpu(pid)
        for _ in range(3 if "all" in name else rounds):
            start = time.perf_counter()
            answer = await client.get(path)
            times.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text[:300]
        shown(name + suffix, times, cpu(pid) - before)


async def hooks(client: httpx.AsyncClient, seconds: float, pid: int) -> None:
    """RATE deliveries a second, open loop: a slow answer delays no later delivery."""
    times: list[float] = []
    start = time.perf_counter() + 0.2

    async def deliver(number: int) -> None:
        place = {"clone_url": "https://git.example.com/x.git"}
        body = json.dumps({"after": f"{number:040x}", "repository": place, "pad": "x" * 4000}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
        due = start + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answer = await client.post("/hooks/bench", content=body, headers=headers)
        times.append(time.perf_counter() - due)
        assert answer.status_code == 202, answer.text

    before = cpu(pid)
    await asyncio.gather(*(deliver(n) for n in range(1, int(seconds * RATE))))
    shown(f"webhook at {RATE}/s, from when it was due", times, cpu(pid) - before)


async def main(flows: int, seconds: float) -> None:
    print(
        f"{flows} flows\n\n| What | answers | p50 ms | p99 ms | worst ms | CPU ms each |\n|---|--:|--:|--:|--:|--:|"
    )
    for churn, suffix in ((0, ""), (50, ", busy")):
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(flows, churn, theirs), daemon=True
        )
        process.start()
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        async with httpx.AsyncClient(
            base_url=ours.recv(), timeout=60, trust_env=False, limits=limits
        ) as client:
            assert process.pid
            await pages(client, suffix, max(10, int(seconds * 3)), process.pid)
            if not churn:
                await hooks(client, seconds, process.pid)
        ours.send("end")
        process.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--flows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args(sys.argv[1:])
    asyncio.run(main(arguments.flows, arguments.seconds))
