"""Taking away: only what is surely gone, schedules first, and never much at once without a person."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from controller_world import HOURLY, World, world

from aicore_sync.app import App
from aicore_sync.core.model import Stage, TemplateKey, TenantKey
from aicore_sync.core.refusals import Refusal
from aicore_sync.store import EventQuery


def names(count: int) -> list[str]:
    return [f"flow-{n}" for n in range(count)]


async def test_a_deleted_flow_loses_its_schedule_then_its_file(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in ("alpha", "beta"):
            w.write(name, schedule=HOURLY)
        async with w.service() as app:
            await w.healthy()
            shutil.rmtree(w.source / "alpha")

            async def retracted() -> bool:
                gone = w.file("alpha") is None
                scheduled = "team.alpha.main" in (await w.group()).schedules
                assert not (gone and scheduled), "the file went before the schedule"
                return gone

            await w.seen(retracted, "retracted")
            await w.until(lambda: w.status("alpha") is None and not w.template_status("alpha"), "forgotten")
            await w.healthy("beta")
            told = await app.store.events(EventQuery(text="removed"))
            assert {(e.flow, bool(e.environment)) for e in told} == {("alpha", True), ("alpha", False)}
            assert len(told) == 2
        await w.sandbox.sync()
        group = await w.group()
        assert list(group.schedules) == ["team.beta.main"]
        assert list(group.executables) == ["beta"]


async def test_an_empty_or_missing_root_removes_nothing_until_confirmed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in names(4):
            w.write(name, schedule=HOURLY)
        async with w.service() as app:
            await w.healthy()
            sent, commits = len(await w.sandbox.requests()), w.commits()
            w.source.rename(tmp_path / "unmounted")
            await app.desire.rescan()
            assert not app.desire.catalog.complete
            await w.quiet()
            assert await w.writes(sent) == []
            (tmp_path / "unmounted").rename(w.source)
            shutil.move(w.source / "flow-0", tmp_path / "flow-0")
            (w.source / "flow-0").symlink_to(tmp_path / "flow-0")
            refused = "flow-0: found a link that leaves the source"
            await w.until(lambda: refused in w.sentence("flow-0", Stage.DESIRE), "the refusal is told")
            await w.quiet()
            assert await w.writes(sent) == []
            shutil.rmtree(w.source)
            w.source.mkdir()
            await held(w, *names(4))
            await w.quiet()
            assert (await w.writes(sent), w.commits()) == ([], commits)

            fingerprint = w.fingerprint("flow-0")
            code, _, err = await w.command("apply", "--expect", fingerprint)
            assert code == 0, err
            assert "given the confirmation" in err
            await w.seen(lambda: not any(map(w.file, names(4))), "all retracted")
            assert (await w.group()).schedules == {}


@pytest.mark.slow
async def test_a_root_that_comes_back_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in names(5):
            w.write(name, schedule=HOURLY)
        async with w.service():
            await w.healthy()
            sent, commits = len(await w.sandbox.requests()), w.commits()
            for name in names(4):
                shutil.move(w.source / name, tmp_path / name)
            await held(w, *names(4))
            for name in names(4):
                shutil.move(tmp_path / name, w.source / name)
            await w.healthy(*names(5))
            await w.quiet()
            assert (await w.writes(sent), w.commits()) == ([], commits)


@pytest.mark.slow
async def test_apply_removes_many_only_with_the_fingerprint_of_the_plan(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in names(5):
            w.write(name, schedule=HOURLY)
        await w.apply()
        for name in names(4):
            shutil.rmtree(w.source / name)
        app = await w.apply()
        w.app = app
        fingerprint = w.fingerprint("flow-0")
        assert all(map(w.file, names(5)))
        w.app = None
        code, _, err = await w.command("apply", "--expect", "0123456789ab")
        assert (code, "the plan has changed" in err) == (2, True)
        assert all(map(w.file, names(5)))
        code, out, err = await w.command("apply", "--expect", fingerprint)
        assert code == 0, out + err
        assert [name for name in names(5) if w.file(name)] == ["flow-4"]
        assert list((await w.group()).schedules) == ["team.flow-4.main"]


async def held(w: World, *flows: str) -> None:
    await w.until(
        lambda: all("NeedsConfirmation" in w.reasons(name) and w.fingerprint(name) for name in flows),
        "held for confirmation",
    )


@pytest.mark.slow
async def test_an_environment_that_a_manifest_drops_loses_its_schedule_and_keeps_the_template(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.environments = ("default", "second")
        w.write("alpha", schedule=HOURLY, environments=["default", "second"])
        async with w.service() as app:
            await app.estate.tenants["t"].client.resource_groups.create("second", {})
            await w.seen(lambda: scheduled(w, "default", "second"), "scheduled twice")
            w.write("alpha", schedule=HOURLY, environments=["default"])
            await w.seen(lambda: scheduled(w, "default"), "scheduled once")
            await w.healthy("alpha")
            assert w.file("alpha")


@pytest.mark.slow
async def test_an_environment_that_disappears_is_left_alone_until_it_is_retired(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("keeper")
        w.write("alpha", schedule=HOURLY, environments=["default", "second"])
        w.environments = ("default", "second")
        await w.resource_group("second")
        async with w.service():
            await w.healthy("keeper", "alpha")
            await w.seen(lambda: scheduled(w, "default", "second"), "scheduled")
        w.environments = ("default",)
        w.write("alpha", text="print(2)", schedule=HOURLY)
        async with w.service() as app:
            await w.seen(lambda: "print(2)" in (w.file("alpha") or ""), "edited")
            await w.healthy("alpha")
            await w.until(lambda: "environment second" in tenant_words(app), "told")
            shutil.rmtree(w.source / "alpha")
            await w.until(lambda: "Orphaned" in reasons(app, "alpha"), "orphaned")
            await w.quiet()
        assert w.file("alpha")
        assert await scheduled(w, "second")
        places = [
            {"name": "default", "tenant": "t", "resourceGroup": "default"},
            {"name": "second", "tenant": "t", "resourceGroup": "second", "retire": True},
        ]
        w.extra["environments"] = places
        async with w.service():
            await w.seen(lambda: scheduled(w), "its schedule is gone")
            await w.seen(lambda: w.file("alpha") is None, "and its template")


def tenant_words(app: App) -> str:
    status = app.board.known(TenantKey("t"))
    return status.message if status else ""


def reasons(app: App, name: str) -> set[str]:
    status = app.board.known(TemplateKey("t", name))
    return {c.reason for c in status.conditions} if status else set()


async def scheduled(w: World, *environments: str) -> bool:
    found = [g for g in ("default", "second") if "team.alpha.main" in (await w.group(g)).schedules]
    return found == list(environments)


@pytest.mark.slow
async def test_manifests_that_lose_what_they_wanted_remove_nothing_until_confirmed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in names(8):
            w.write(name, schedule=HOURLY)
        async with w.service():
            await w.healthy()
            sent, commits = len(await w.sandbox.requests()), w.commits()
            for name in names(4):
                w.write(name, configurations=[])
            for name in names(8)[4:]:
                w.write(name, schedule=HOURLY, environments=[])
            await held(w, *names(8))
            await w.quiet()
            assert (await w.writes(sent), w.commits()) == ([], commits)
            code, _, err = await w.command("apply", "--expect", w.fingerprint("flow-0"))
            assert code == 0, err
            await w.seen(lambda: not any(map(w.file, names(8)[4:])), "retracted")
            await w.seen(lambda: none_scheduled(w), "unscheduled")
            assert all(map(w.file, names(4)))


async def none_scheduled(w: World) -> bool:
    return not (await w.group()).schedules


async def test_what_single_flows_lost_counts_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["maxRemovals"] = 1
        for name in names(3):
            w.write(name, schedule=HOURLY)
        await w.apply()
        w.write("flow-0")
        await w.apply()
        assert len((await w.group()).schedules) == 2
        w.write("flow-1")
        w.app = await w.apply()
        assert "NeedsConfirmation" in w.reasons("flow-1")
        w.app = None
        assert len((await w.group()).schedules) == 2


async def test_notes_of_templates_that_are_gone_go_too(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha")
        app = await w.apply()
        refused, paused = Refusal("d1", "no", app.estate.clock()), b'{"schedules": ["team.ghost.main"]}'
        notes = {"refused/t/ghost.json": refused.encoded(), "paused/t/ghost.json": paused}
        async with w.service() as app:
            await w.healthy()
            state = app.estate.branches["templates"].state
            await state.write(notes, "left behind")

            async def gone() -> bool:
                return not notes.keys() & (await state.read()).files.keys()

            await w.seen(gone, "the notes are gone")
