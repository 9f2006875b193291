"""Freeze windows against the real service: what waits, what goes on, and who may override."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_world import HOURLY, world

from aicore_sync.app import BuildOptions, apply_once, build, plan_once
from aicore_sync.core.model import FlowKey, Health, TemplateKey

ALWAYS = {"cron": "* * * * *", "duration": "2h"}


async def test_a_freeze_holds_changes_and_lets_go_what_the_manifest_takes_away(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        await w.apply()
        w.extra["freeze"] = [ALWAYS | {"timezone": "Europe/Berlin"}]
        w.write("alpha", run="onChange", schedule={"cron": "0 5 * * *", "suspend": True}, text="print(2)")
        w.write("beta")
        frozen = await w.apply()
        rows = {s.key: s for s in frozen.board.rows()}
        alpha, beta = (rows[FlowKey(name, "default")] for name in ("alpha", "beta"))
        assert (alpha.health, beta.health) == (Health.SUSPENDED, Health.SUSPENDED)
        assert "Frozen: environment default is frozen until" in alpha.message
        assert "Europe/Berlin" in alpha.message
        assert len(w.commits()) == 1
        group = await w.group()
        assert len(group.runs("alpha")) == 1
        schedule = group.schedules["team.alpha.main"]
        assert (schedule["status"], schedule["cron"]) == ("INACTIVE", HOURLY["cron"])


async def test_a_settled_flow_is_healthy_in_a_freeze(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        await w.apply()
        w.extra["freeze"] = [ALWAYS]
        app = await w.apply()
        assert {s.health for s in app.board.rows()} == {Health.HEALTHY}


@pytest.mark.slow
async def test_one_apply_may_override_and_leaves_no_mark(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.extra["freeze"] = [ALWAYS]
        w.write("alpha", run="onChange")
        async with build(w.settings(), BuildOptions(override_freeze=True, history=False)) as app:
            assert (await apply_once(app, 25)).settled, w.report(app)
            assert {s.health for s in app.board.rows()} == {Health.HEALTHY}
        w.write("alpha", run="onChange", text="print(2)")
        async with build(w.settings(), BuildOptions(history=False)) as app:
            plans = (await plan_once(app)).plans
        assert [h.reason for h in plans[TemplateKey("t", "alpha")].holds] == ["Frozen"]
        assert not plans[FlowKey("alpha", "default")].actions


@pytest.mark.slow
async def test_an_override_reaches_the_running_service(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.extra["freeze"] = [ALWAYS]
        w.write("alpha", run="onChange")
        async with w.service():
            await w.until(lambda: "Frozen" in w.reasons("alpha"), "frozen")
            await w.quiet()
            assert w.commits() == []
            code, _, err = await w.command("apply", "--override-freeze")
            assert code == 0, err
            assert "it may change default until" in err
            await w.healthy()
        assert len((await w.group()).runs("alpha")) == 1
