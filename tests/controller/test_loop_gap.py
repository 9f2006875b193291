"""Old schedules and new templates: no tick in the gap starts old bindings on a template that does not take them."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_world import HOURLY, world

NAME = "team.alpha.main"


async def test_a_schedule_sleeps_while_its_template_changes_its_parameters(tmp_path: Path) -> None:
    async with world(tmp_path, "--clock", "manual") as w:
        w.write("alpha", schedule=HOURLY, declares=["alpha"], values={"alpha": "1"})
        async with w.service():
            await w.healthy()
            old = await w.group()
            await w.sandbox.faults({"route": "/refresh$", "status": 503})
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "2"})
            await w.seen(lambda: "beta" in (w.file("alpha") or ""), "published")
            asleep = (await w.group()).schedules[NAME]
            assert asleep["status"] == "INACTIVE", "asleep before the new template is in the repository"
            await w.sandbox.clock(advance=2 * 3600)
            assert (await w.group()).executions == []
            await w.sandbox.calm()
            await w.healthy()
            new = await w.group()
            assert new.schedules[NAME]["status"] == "ACTIVE"
            assert new.schedules[NAME]["id"] == old.schedules[NAME]["id"]
            assert new.schedules[NAME]["configurationId"] != old.schedules[NAME]["configurationId"]
            await w.sandbox.clock(advance=3600)
            (run,) = (await w.group()).executions
            assert run["configurationId"] == new.schedules[NAME]["configurationId"]
            await w.seen(lambda: not paused(w.remote), "the note about the pause is dropped")


@pytest.mark.slow
async def test_a_schedule_that_a_person_stopped_stays_stopped(tmp_path: Path) -> None:
    async with world(tmp_path, "--clock", "manual") as w:
        w.write("alpha", schedule=HOURLY, declares=["alpha"], values={"alpha": "1"})
        async with w.service() as app:
            await w.healthy()
            group = app.estate.tenants["t"].client.group("default")
            (ours,) = await group.schedules.list()
            await group.schedules.patch(ours.id, {"status": "INACTIVE"})
            await w.until(lambda: "Suspended" in w.reasons("alpha"), "the service has seen it")
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "2"})

            async def repointed() -> bool:
                return bool((await w.group()).schedules[NAME]["configurationId"] != ours.configuration)

            await w.seen(repointed, "re-pointed")
            await w.quiet()
            assert (await w.group()).schedules[NAME]["status"] == "INACTIVE"


async def test_a_change_taken_back_before_it_was_live_wakes_the_schedule(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY, declares=["alpha"], values={"alpha": "1"})
        async with w.service():
            await w.healthy()
            old = (await w.group()).schedules[NAME]
            await w.sandbox.faults({"route": "/refresh$", "status": 503})
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "2"})
            await w.seen(lambda: "beta" in (w.file("alpha") or ""), "published")
            w.write("alpha", schedule=HOURLY, declares=["alpha"], values={"alpha": "1"})
            await w.seen(lambda: "beta" not in (w.file("alpha") or ""), "taken back")
            await w.sandbox.calm()

            async def awake() -> bool:
                return bool((await w.group()).schedules[NAME]["status"] == "ACTIVE")

            await w.seen(awake, "awake again")
            new = (await w.group()).schedules[NAME]
            assert (new["id"], new["configurationId"]) == (old["id"], old["configurationId"])
            await w.healthy()


@pytest.mark.slow
async def test_a_refused_template_lets_the_schedule_of_the_old_one_go_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY, declares=["alpha"], values={"alpha": "1"})
        async with w.service():
            await w.healthy()
            await w.sandbox.faults(syncFail={"wt-alpha.yaml": "no"})
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "2"})
            await w.until(lambda: "SyncFailed" in w.reasons("alpha"), "refused")
            await w.seen(lambda: "beta" not in (w.file("alpha") or ""), "put back")

            async def awake() -> bool:
                return bool((await w.group()).schedules[NAME]["status"] == "ACTIVE")

            await w.seen(awake, "awake again")
            await w.sandbox.calm()
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "3"}, text="print(2)")
            await w.seen(lambda: "beta" in (w.file("alpha") or ""), "corrected")
            await w.healthy()
            current = (await w.group()).current(NAME)
            assert current["parameterBindings"] == [{"key": "beta", "value": "3"}]
            await w.seen(awake, "awake on the corrected one")


@pytest.mark.slow
async def test_a_refused_push_lets_the_schedule_of_the_old_template_go_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["interval"] = "10m"  # until the push is tried again
        w.write("alpha", schedule=HOURLY, declares=["alpha"], values={"alpha": "1"})
        async with w.service():
            await w.healthy()
            old = (await w.group()).schedules[NAME]
            hook = w.remote / "hooks" / "pre-receive"
            hook.parent.mkdir(exist_ok=True)
            hook.write_text("#!/bin/sh\nread old new ref\n[ $ref != refs/heads/main ]\n")
            hook.chmod(0o755)
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "2"})
            await w.until(lambda: "PushRejected" in w.reasons("alpha"), "refused")

            async def awake() -> bool:
                return bool((await w.group()).schedules[NAME]["status"] == "ACTIVE")

            await w.seen(awake, "awake again")
            await w.seen(lambda: not paused(w.remote), "the note about the pause is dropped")
            new = (await w.group()).schedules[NAME]
            assert (new["id"], new["configurationId"]) == (old["id"], old["configurationId"])
            assert new["modifiedAt"] > old["modifiedAt"], "it slept in between"
            hook.unlink()
            w.write("alpha", schedule=HOURLY, declares=["beta"], values={"beta": "3"}, text="print(2)")
            await w.seen(lambda: "beta" in (w.file("alpha") or ""), "published")
            await w.healthy()
            await w.seen(awake, "awake on the new one")
            current = (await w.group()).current(NAME)
            assert current["parameterBindings"] == [{"key": "beta", "value": "3"}]


def paused(remote: Path) -> list[str]:
    from githosts import git

    listed = git(remote, "ls-tree", "-r", "--name-only", "aicore-sync/team").splitlines()
    return [path for path in listed if path.startswith("paused/")]
