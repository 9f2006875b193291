"""Whether the loop still gets its keys done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from aicore_sync.app.board import Board
from aicore_sync.controller.loop import STUCK, Loop, LoopOptions, Pass
from aicore_sync.core.model import Done, FlowKey, Health, Key, Status
from aicore_sync.notify import Notices
from aicore_sync.store import Store
from aicore_sync.telemetry import Metrics, NoTraces

LONGEST = 300.0


class Passes:
    """Each pass ends when it is let go; one that is never let go stands for a worker that hangs."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = asyncio.Event()

    async def sync_once(self, key: Key, now: datetime) -> Pass:
        self.begun.set()
        await self.go.wait()
        return Pass(Status(key, Health.HEALTHY, "", updated=now), Done())

    def facts(self, key: Key) -> Mapping[str, str]:
        return {}


async def test_only_keys_that_are_worked_on_and_never_done_are_a_reason_to_restart() -> None:
    now, passes, stop = [0.0], Passes(), asyncio.Event()
    board = Board(Store(), Metrics(), Notices((), {}), NoTraces())
    clock = LoopOptions(
        pass_timeout=LONGEST, clock=lambda: datetime(2026, 3, 1, tzinfo=UTC), monotonic=lambda: now[0]
    )
    loop = Loop(passes, board, board, clock)
    running = asyncio.create_task(loop.run(stop))
    now[0] += 10 * LONGEST
    assert not loop.stuck(), "nothing is due"
    loop.add(FlowKey("train", "dev"))
    await passes.begun.wait()
    loop.ended()
    now[0] += LONGEST + STUCK - 1
    assert not loop.stuck()
    now[0] += 2
    assert loop.stuck()
    passes.go.set()
    await loop.rested()
    assert not loop.stuck()
    stop.set()
    await running
