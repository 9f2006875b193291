"""Taking over what people made: a first plan without anything to do, then without a gap and without a double run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from controller_world import World, replace, template, world

from aicore_sync.aicore import GitCredentials
from aicore_sync.core.world import Application, Configuration, Repository, Schedule

ALPHA = template("alpha", parameters=["alpha"])


async def by_hand(w: World) -> str:
    """Repository, application, a synced template and a schedule, all without us; returns the schedule's id."""
    w.commit({"templates/churn.yaml": ALPHA})
    assert w.sandbox.git
    url, git = f"{w.sandbox.git['url']}/templates.git", w.sandbox.git
    async with w.somebody() as person:
        await person.repositories.create(
            Repository("their-repository", url), GitCredentials(git["username"], git["password"])
        )
        await person.applications.create(Application("main", url, "main", "templates"))
        await w.sandbox.sync()
        group = person.group("default")
        bound = await group.configurations.create(
            Configuration("", "by hand", "alpha", "tests", {"alpha": "1"})
        )
        return await group.schedules.create(Schedule("", "Every Night!", "0 2 * * *", bound))


async def schedules(w: World) -> dict[str, tuple[str, str]]:
    return {n: (s["status"], s["cron"]) for n, s in (await w.group()).schedules.items()}


def edit(w: World, **changes: Any) -> None:
    path = w.path("alpha", "aicore.yaml")
    replace(path, yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


@pytest.mark.slow
async def test_what_was_made_by_hand_is_first_left_as_it_is_and_then_taken_over(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = await by_hand(w)
        code, out, err = await w.command("adopt", "-o", str(w.source))
        assert (code, "churn.yaml of t, 1 schedules" in out) == (0, True), err
        sent = len(await w.sandbox.requests())
        code, out, err = await w.command("plan")
        assert (code, "nothing to do" in out) == (0, True), out + err
        code, out, err = await w.command("apply")
        assert (code, "AsFound" in out) == (0, True), out + err
        assert await w.writes(sent) == []
        assert len(w.commits()) == 1

        ours = {"name": "every-night", "parameters": {"alpha": "1"}, "schedule": {"cron": "0 3 * * *"}}
        edit(w, configurations=[ours])
        async with w.service():

            async def taken() -> bool:
                now = await schedules(w)
                asleep = now["Every Night!"] == ("INACTIVE", "0 2 * * *")
                return asleep and now.get("team.alpha.every-night") == ("ACTIVE", "0 3 * * *")

            await w.seen(taken, "ours runs in place of the old one")
            await w.healthy("alpha")
            new = (await w.group()).schedules["team.alpha.every-night"]["id"]
            bodies = [line for line in await w.writes(sent) if "Schedules" in line]
            route = "/v2/lm/executionSchedules"
            assert bodies == [
                f"POST {route}",
                f"PATCH {route}/{new}",
                f"PATCH {route}/{old}",
                f"PATCH {route}/{new}",
            ]
            assert len(w.commits()) == 1, "the template has not changed"

            w.path("alpha").write_text(ALPHA.replace("print(1)", "print(2)"))
            await w.seen(lambda: w.file("alpha") is not None, "the new version is published")
            await w.healthy("alpha")
            assert w.commits()[-2] == "flows: adopt churn.yaml", "the annotations are a commit of their own"
            await w.quiet()
        assert (await schedules(w))["Every Night!"][0] == "INACTIVE"


@pytest.mark.slow
async def test_without_adopt_others_are_contested_and_their_schedules_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await by_hand(w)
        w.write("alpha")
        async with w.service():
            await w.until(lambda: "Contested" in w.reasons("alpha"), "the executable is somebody's")
            await w.until(lambda: "ForeignSchedule" in w.reasons("alpha"), "their schedule is told")
            w.write("alpha", adopt={"file": "churn.yaml"})
            await w.seen(lambda: w.file("alpha") is not None, "the file is taken over")
            await w.healthy("alpha")
            status = w.status("alpha")
            assert status
            assert "Every Night!" in status.message
        assert json.dumps(await schedules(w)) == '{"Every Night!": ["ACTIVE", "0 2 * * *"]}'
