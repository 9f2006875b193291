"""A POST without an answer is under way still: it lands seconds later, whatever became of the one who sent it."""

from __future__ import annotations

from pathlib import Path

from controller_world import HOURLY
from storms import fair, still_sandbox

LATE = {"method": "POST", "latency": 6, "count": 1}
KINDS = ("executionSchedules", "executions")
MOST = 5  # rounds until a run has been started


async def test_a_start_and_a_schedule_that_land_after_a_crash_are_not_sent_again(tmp_path: Path) -> None:
    async with still_sandbox(tmp_path) as sandbox:
        w = await fair(tmp_path / "late", sandbox, "late")
        w.reconcile["requestTimeout"] = "1s"
        w.write("alpha", run="onChange", schedule=HOURLY)
        await sandbox.faults(*({"route": f"/{kind}$", **LATE} for kind in KINDS))

        async def sent() -> tuple[str, ...]:
            names = [p.rpartition("/")[2] for p in await w.writes() if p.startswith("POST")]
            return tuple(sorted(name for name in names if name in KINDS))

        async with w.running() as app:
            for _ in range(MOST):
                await w.pass_time(app)
                if await sent():
                    break
            await w.look(app)
            assert await sent() == KINDS, "both in one round"
        # It died: nobody gave the lock back, and what it sent has not arrived.
        async with w.running() as app:
            await w.look(app)
            assert await sent() == KINDS, "sent again at once"

            async def landed() -> bool:
                group = await w.group()
                return len(group.executions) + len(group.schedules) == 2

            await w.seen(landed, "both landed")
            for _ in range(2):
                await w.pass_time(app)
            await w.healthy("alpha")
        assert await sent() == KINDS
        group = await w.group()
        group.check()
        assert (len(group.executions), len(group.schedules)) == (1, 1)
        assert group.owner(group.executions[0]["id"]) == "team", "the run is known to be ours"
