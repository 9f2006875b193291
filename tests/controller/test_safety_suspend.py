"""Suspended: nothing is published, created, re-pointed or started; what the manifest takes away still goes."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path

import pytest
from controller_world import HOURLY, World, world
from githosts import git

from aicore_sync.app import BuildOptions, build, resume, suspend
from aicore_sync.core.decisions import Scope
from aicore_sync.core.model import Health, Stage

STATE = "aicore-sync/team"


async def suspended(w: World, name: str, environment: str = "default") -> None:
    def so() -> bool:
        status = w.status(name, environment)
        return status is not None and status.health is Health.SUSPENDED

    await w.until(so, f"{name} is suspended")


async def hold(w: World, scope: Scope, reason: str = "") -> None:
    """What the command does, from another process's point of view: nothing but the state branch is shared."""
    async with build(w.settings(), BuildOptions(history=False)) as app:
        await suspend(app, scope, reason)


async def release(w: World, scope: Scope) -> None:
    async with build(w.settings(), BuildOptions(history=False)) as app:
        assert (await resume(app, scope, "")).changed


async def add_group(w: World, name: str) -> None:
    async with build(w.settings(), BuildOptions(history=False)) as app:
        await app.estate.tenants["t"].client.resource_groups.create(name, {})


async def test_a_flow_is_held_back_while_others_go_on_and_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        w.write("beta")
        async with w.service():
            await w.healthy()
            before = await w.group()
            await hold(w, Scope("alpha"), "audit")
            await suspended(w, "alpha")
            status = w.status("alpha")
            assert status
            assert getpass.getuser() in status.message
            assert "audit" in status.message

            w.write(
                "alpha",
                run="onChange",
                schedule={"cron": "0 5 * * *"},
                text="print(2)",
                values={"alpha": "7"},
            )
            w.write("beta", text="print(2)")
            await w.seen(lambda: "print(2)" in (w.file("beta") or ""), "beta is published")
            await w.healthy("beta")
            await w.quiet()
            assert "print(1)" in (w.file("alpha") or "")
            held = await w.group()
            assert held.schedules == before.schedules
            assert [len(g.configurations) for g in (before, held)] == [2, 2]
            assert len(held.runs("alpha")) == 1

            await release(w, Scope("alpha"))
            await w.seen(lambda: "print(2)" in (w.file("alpha") or ""), "alpha is published")
            await w.until(lambda: w.version("alpha") != before.version("alpha"), "alpha is live")
            await w.healthy()
        after = await w.group()
        after.check()
        assert len(after.runs("alpha")) == 2
        assert after.schedules["team.alpha.main"]["cron"] == "0 5 * * *"


async def test_a_suspension_lets_suspend_true_through_and_holds_what_vanished(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in ("alpha", "beta"):
            w.write(name, schedule=HOURLY)
        async with w.service():
            await w.healthy()
            await hold(w, Scope(environment="default"))
            await suspended(w, "alpha")
            w.write("alpha", schedule={"cron": "30 4 * * *", "suspend": True})
            w.write("beta")

            async def reduced() -> bool:
                return bool((await w.group()).schedules["team.alpha.main"]["status"] == "INACTIVE")

            await w.seen(reduced, "alpha is inactive")
            await w.quiet()
            schedules = (await w.group()).schedules
            assert schedules["team.alpha.main"]["cron"] == HOURLY["cron"]
            assert schedules["team.beta.main"]["status"] == "ACTIVE"


async def test_a_flow_that_disappears_while_everything_is_suspended_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in ("alpha", "beta"):
            w.write(name, schedule=HOURLY)
        async with w.service():
            await w.healthy()
            await hold(w, Scope(), "the mount is being moved")
            await suspended(w, "alpha")
            shutil.rmtree(w.source / "alpha")
            await w.until(lambda: "FlowSuspended" in w.reasons("alpha"), "the removal is held")
            await w.quiet()
            assert w.file("alpha")
            assert "team.alpha.main" in (await w.group()).schedules
            await release(w, Scope())
            await w.seen(lambda: w.file("alpha") is None, "the template is gone")
            await w.healthy("beta")
        assert list((await w.group()).schedules) == ["team.beta.main"]
        words = git(w.remote, "log", "--format=%an %s", STATE).splitlines()
        user = getpass.getuser()
        assert f"{user} {user}: suspend everything: the mount is being moved" in words
        assert f"{user} {user}: resume everything" in words


@pytest.mark.slow
async def test_a_suspended_environment_holds_the_template_that_it_shares(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.environments = ("default", "prod")
        both = {"environments": ["default", "prod"]}
        w.write("alpha", **both)
        w.write("beta", isolate=True, **both)
        await add_group(w, "prod")
        async with w.service():
            await w.healthy()
            await hold(w, Scope("alpha", "prod"))
            await hold(w, Scope("beta", "prod"))
            await suspended(w, "alpha", "prod")
            await suspended(w, "beta", "prod")
            for name in ("alpha", "beta"):
                w.write(name, text="print(2)", **both, **({"isolate": True} if name == "beta" else {}))
            await w.seen(lambda: "print(2)" in (w.file("beta-default") or ""), "its own template of default")
            await suspended(w, "alpha", "default")
            held = w.status("alpha", "default")
            assert held
            assert "alpha in prod is suspended" in held.message
            publish = held.condition(Stage.PUBLISH)
            assert publish
            assert publish.reason == "FlowSuspended"
            await w.quiet()
            assert "print(1)" in (w.file("alpha") or "")
            assert "print(1)" in (w.file("beta-prod") or "")


@pytest.mark.slow
async def test_apply_ends_and_says_what_is_suspended(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        code, _, err = await w.command("suspend", "alpha", "--environment", "default")
        assert code == 0, err
        code, out, err = await w.command("apply", "-o", "json")
        assert code == 0, err
        assert '"health": "Suspended"' in out
        assert w.commits() == []
        assert "Healthy" not in out
