"""The quota of templates is never passed, however many want a place at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from controller_world import World, world

LIMIT = 4


def published(w: World, names: list[str]) -> set[str]:
    return {name for name in names if w.file(name)}


async def test_a_round_of_new_templates_fills_the_quota_and_no_more(tmp_path: Path) -> None:
    names = [f"flow-{n}" for n in range(8)]
    async with world(tmp_path) as w:
        await w.sandbox.faults(quota=LIMIT)
        w.reconcile["workers"] = 8
        for name in names:
            w.write(name)
        async with w.service():
            await w.until(
                lambda: sum("QuotaExceeded" in w.reasons(n) for n in names) == len(names) - LIMIT, "full"
            )
            first = published(w, names) or set()
            await w.healthy(*[n for n in names if "QuotaExceeded" not in w.reasons(n)])
            await w.quiet()
            first = published(w, names)
            assert len(first) == LIMIT
            refused = next(name for name in names if name not in first)
            status = w.template_status(refused)
            assert status
            assert f"{LIMIT} of {LIMIT} workflowTemplates" in status.message
            assert "stalest of ours: " in status.message
            assert "never run, synced 20" in status.message

            shutil.rmtree(w.source / min(first))
            await w.seen(lambda: w.file(min(first)) is None, "one is retired")
            await w.sandbox.sync("default")
            await w.until(lambda: len(published(w, names) - first) == 1, "the free place is taken")
            await w.quiet()
            assert len(published(w, names)) == LIMIT
        state = (await w.sandbox.dump())["tenants"]["default"]
        assert len(state["executables"]) == LIMIT


@pytest.mark.slow
async def test_a_restart_at_the_limit_counts_nothing_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.sandbox.faults(quota=3)
        for name in ("alpha", "beta"):
            w.write(name)
        await w.apply()
        w.write("gamma")
        await w.apply()
        assert w.file("gamma"), "the third of three has a place after a restart"
        w.write("alpha", text="print(2)")
        await w.apply()
        assert "print(2)" in (w.file("alpha") or ""), "a new version needs no place"
        w.write("delta")
        app = await w.apply()  # ends, although delta's configuration waits for a template that will not come
        reasons = {c.reason for s in app.board.all() for c in s.conditions if c.mark == "fail"}
        assert reasons == {"QuotaExceeded"}
