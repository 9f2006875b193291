"""One writer at a time: between commands, beside the service, and after one that died."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from controller_world import HOURLY, World, world
from githosts import commit_as_somebody, file_at, make_remote

from aicore_sync.app import (
    App,
    BuildOptions,
    Planned,
    agree,
    apply_once,
    build,
    plan_once,
    take_locks,
)
from aicore_sync.core.errors import Stalled, Transient

STATE = "aicore-sync/team"


async def test_a_second_apply_is_refused_and_a_third_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        async with (
            build(w.settings(), BuildOptions(history=False)) as first,
            build(w.settings(), BuildOptions(history=False)) as second,
        ):
            await take_locks(first)
            with pytest.raises(Transient) as refused:
                await apply_once(second, 10)
            assert refused.value.reason == "LockHeld"
            assert w.commits() == []
            assert (await apply_once(first, 20)).settled
            assert (await apply_once(second, 20)).settled
            await an_edit_after_the_plan_is_not_taken_for_confirmed(w, first)
        (await w.group()).check()


async def an_edit_after_the_plan_is_not_taken_for_confirmed(w: World, app: App) -> None:
    w.write("alpha", schedule=HOURLY, text="print(2)")
    shown = (await plan_once(app)).fingerprint
    w.write("alpha", schedule=HOURLY, text="print(3)")

    async def agreed(planned: Planned) -> None:
        agree(app, planned, shown)
        w.write("alpha", schedule=HOURLY, text="print(4)")

    waits = app.memory.settled_at = {"elsewhere": datetime(2026, 3, 1, tzinfo=UTC)}
    with pytest.raises(Stalled, match="the plan has changed"):
        await apply_once(app, 20, agreed=agreed)
    assert app.memory.settled_at == waits, "the next holder is told that somebody may have sent a start"
    assert "print(1)" in (w.file("alpha") or "")
    assert json.loads(file_at(w.remote, "lock.json", revision=STATE) or b"")["released"] is True
    w.write("alpha", schedule=HOURLY, text="print(2)")
    assert (await apply_once(app, 20, agreed=agreed)).settled
    assert "print(2)" in (w.file("alpha") or ""), "what was shown, not what came later"
    with pytest.raises(Stalled, match="has changed since"):
        await app.desire.rescan()


@pytest.mark.slow
async def test_apply_leaves_out_a_repository_that_cannot_be_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        whole = w.configuration()
        (repository,), (tenant,) = whole["repositories"], whole["tenants"]
        gone = repository | {"name": "gone", "url": repository["url"].replace("templates.git", "gone.git")}
        (w.room / "other.json").write_text(
            json.dumps(w.sandbox.service_keys["default"]).replace(w.sandbox.url, "http://127.0.0.1:9")
        )
        other = tenant | {"name": "other", "repository": "gone", "serviceKey": {"file": "other.json"}}
        places = [{"name": "default", "tenant": "t"}, {"name": "there", "tenant": "other"}]
        w.extra = {"repositories": [gone, repository], "tenants": [tenant, other], "environments": places}
        w.write("alpha", schedule=HOURLY)
        w.write("beta", environments=["there"])
        code, out, err = await w.command("apply")
        assert code == 4, out + err
        assert "nothing was done in repository gone" in err
        assert w.file("alpha")
        assert list((await w.group()).schedules) == ["team.alpha.main"]


async def test_a_repository_has_one_lock_and_who_does_not_get_all_gives_back_those_it_took(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        make_remote(tmp_path / "git", "second.git")
        (first,) = w.configuration()["repositories"]
        second = first | {"name": "second", "url": first["url"].replace("templates.git", "second.git")}
        dev = second | {"name": "dev", "branch": "dev"}
        w.extra = {"repositories": [first, second, dev], "cacheDir": "other"}
        async with build(w.settings(), BuildOptions(history=False)) as other:
            await take_locks(other)
            assert other.memory.settled_at == {}, "a branch is no unclean predecessor of its neighbour"
            assert all(branch.lock.held for branch in other.estate.branches.values())
            await other.estate.branches["templates"].lock.release()
            assert [home.name for home in other.estate.homes() if home.lock.held] == ["second"]
        w.extra["cacheDir"] = "cache"
        async with build(w.settings(), BuildOptions(history=False)) as app:
            with pytest.raises(Transient) as refused:
                await take_locks(app)
            assert refused.value.reason == "LockHeld"
            assert not app.estate.branches["templates"].lock.held
        lock = json.loads(file_at(w.remote, "lock.json", revision=STATE) or b"")
        assert lock["released"] is True


@pytest.mark.slow
async def test_a_command_beside_the_service_is_refused_in_words(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha")
        async with w.service():
            await w.healthy()
            code, _, err = await w.command("apply")
            assert code == 2
            assert "holds the lock" in err
            code, out, _ = await w.command("plan", "-o", "json")
            code, _, err = await w.command("apply", "--expect", json.loads(out)["fingerprint"])
            assert code == 2
            assert "nothing waits for" in err


async def test_the_lock_of_a_dead_holder_goes_to_its_own_disk_at_once_and_to_others_when_it_expires(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.reconcile["settle"] = "1s"
        w.write("alpha", run="onChange", schedule=HOURLY)
        async with build(w.settings(), BuildOptions(history=False)) as dead:
            await take_locks(dead)  # and never gives it back
        app = await w.apply()
        assert app.memory.settled_at, "a predecessor that died may have sent something"
        async with build(w.settings(), BuildOptions(history=False)) as dead:
            await take_locks(dead)
        shutil.rmtree(tmp_path / "cache")
        with pytest.raises(Transient) as refused:
            await w.apply()
        assert refused.value.reason == "LockHeld"
        lock = json.loads(file_at(w.remote, "lock.json", revision=STATE) or b"")
        lock["expires"] = (datetime.now(UTC) - timedelta(seconds=31)).isoformat()
        commit_as_somebody(w.remote, {"lock.json": json.dumps(lock)}, branch=STATE)
        app = await w.apply()
        assert app.memory.settled_at
        group = await w.group()
        group.check()
        assert len(group.runs("alpha")) == 1


@pytest.mark.slow
async def test_plan_tells_what_apply_does_and_writes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        code, out, _ = await w.command("plan", "-o", "json")
        assert code == 1
        actions = [a["what"] for p in json.loads(out)["plans"] for a in p["actions"]]
        assert any(what.startswith("publish wt-alpha.yaml") for what in actions)
        assert (w.commits(), await w.writes()) == ([], [])
        code, out, err = await w.command("apply")
        assert code == 0, out + err
        code, out, _ = await w.command("plan", "-o", "json")
        assert code == 0, out
