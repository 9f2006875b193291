"""What costs money has a brake, and a person can release it."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_world import world

from aicore_sync.core.model import Stage

NAMES = [f"flow-{n}" for n in range(7)]


@pytest.mark.slow
async def test_no_more_than_so_many_runs_a_day(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["maxRunsPerDay"] = 2
        async with w.service():
            for number in (1, 2):
                w.write("alpha", run="onChange", text=f"print({number})")
                await w.seen(lambda n=number: f"print({n})" in (w.file("alpha") or ""), "published")  # type: ignore[misc]
                await w.healthy()
            w.write("alpha", run="onChange", text="print(3)")
            await w.until(lambda: "maxRunsPerDay is 2" in w.sentence("alpha", Stage.EXECUTE), "held")
            await w.quiet()
            assert len((await w.group()).runs("alpha")) == 2


@pytest.mark.slow
async def test_many_starts_wait_and_a_confirmation_releases_exactly_them(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["interval"] = "3s"
        for name in NAMES:
            w.write(name, run="onChange")
        async with w.service():
            held = "flows want to run at once"
            await w.until(lambda: all(held in w.sentence(name, Stage.EXECUTE) for name in NAMES), "all held")
            await w.quiet()
            assert (await w.group()).executions == [], "time alone releases nothing"
            code, _, err = await w.command("apply", "--expect", w.fingerprint("flow-0"))
            assert code == 0, err
            assert "given the confirmation" in err
            await w.healthy(*NAMES)
        group = await w.group()
        group.check()
        assert len(group.executions) == len(NAMES)


@pytest.mark.slow
async def test_apply_itself_can_confirm_starts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in NAMES:
            w.write(name)
        await w.apply()
        for name in NAMES:
            w.write(name, run="onChange")
        app = await w.apply()
        w.app = app
        fingerprint = w.fingerprint("flow-6")
        w.app = None
        before = len((await w.group()).executions)
        assert before == 0
        code, out, err = await w.command("apply", "--expect", fingerprint)
        assert code == 0, out + err
        assert len((await w.group()).executions) == len(NAMES)
