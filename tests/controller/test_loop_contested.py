"""What others put in our way: an executable of our id, a configuration under our name with other content."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_world import HOURLY, template, world
from githosts import git

from aicore_sync.app import BuildOptions, build, plan_once
from aicore_sync.core.actions import CreateConfiguration
from aicore_sync.core.model import Stage
from aicore_sync.core.world import Application, Configuration


async def test_an_executable_of_another_application_is_never_published_over(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("beta")
        await w.apply()  # so that AI Core knows the repository
        theirs = template("alpha", "print('theirs')").replace("id: tests", "id: elsewhere")
        w.commit({"others/anything.yaml": theirs})
        async with w.somebody() as client:
            (repository,) = await client.repositories.list()
            await client.applications.create(Application("theirs", repository.url, "main", "others"))
        await w.sandbox.sync()
        w.write("alpha")
        w.write("beta", text="print(2)")
        async with w.service():
            await w.until(lambda: "Contested" in w.reasons("alpha"), "contested")
            await w.healthy("beta")
            await w.quiet()
            assert "scenario elsewhere" in w.sentence("alpha", Stage.PUBLISH)
            assert not git(w.remote, "log", "--format=%h", "main", "--", "templates/wt-alpha.yaml")
            assert (await w.group()).executables["alpha"]["application"] == "theirs"
            w.commit({"others/anything.yaml": theirs.replace("alpha", "renamed")})
            await w.sandbox.sync()
            await w.healthy()


@pytest.mark.slow
async def test_a_configuration_of_our_name_with_other_content_is_contested_and_no_loop(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.write("alpha")
        await w.apply()
        w.write("alpha", values={"alpha": "2"})
        async with build(w.settings(), BuildOptions(history=False)) as app:
            plans = (await plan_once(app)).plans.values()
            (wanted,) = [a for p in plans for a in p.actions if isinstance(a, CreateConfiguration)]
        async with w.somebody() as client:
            theirs = Configuration("", wanted.name, "alpha", "tests", {"alpha": "3"})
            await client.group("default").configurations.create(theirs)
        async with w.service():
            await w.until(lambda: "Contested" in w.reasons("alpha"), "contested")
            await w.quiet()
        named = [c for c in (await w.group()).configurations if c["name"] == wanted.name]
        assert [c["parameterBindings"] for c in named] == [[{"key": "alpha", "value": "3"}]]


@pytest.mark.slow
async def test_patches_that_fail_are_not_taken_for_somebody_who_sets_the_schedule_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        async with w.service():
            await w.healthy()
            patch = {"route": "/lm/executionSchedules", "method": "PATCH"}
            await w.sandbox.faults(patch | {"status": 503, "count": 6})
            w.write("alpha", schedule=HOURLY | {"suspend": True})

            async def paused() -> bool:
                status: str = (await w.group()).schedules["team.alpha.main"]["status"]
                return status == "INACTIVE"

            await w.seen(paused, "the schedule is paused")
        assert len([line for line in await w.writes() if line.startswith("PATCH /v2/lm/executionSched")]) == 7
