"""AI Core in bad weather: lost answers, lists that lag, refusals, expired tokens, an outage. Nothing is done twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from controller_world import HOURLY, World, world

from aicore_sync.core.model import Health

DATA = [{"name": "data", "kind": "dataset", "url": "ai://default/data"}]


async def three(w: World) -> None:
    await w.object_store()
    for name in ("alpha", "beta", "gamma"):
        w.write(name, run="onChange", schedule=HOURLY, artifacts=DATA)


@pytest.mark.parametrize(
    "route",
    [
        "/executions$",
        "/executionSchedules$",
        pytest.param("/configurations$", marks=pytest.mark.slow),
        pytest.param("/artifacts$", marks=pytest.mark.slow),
    ],
)
async def test_a_write_that_lands_without_an_answer_is_not_sent_twice(tmp_path: Path, route: str) -> None:
    async with world(tmp_path) as w:
        w.reconcile["settle"] = "1s"
        await w.object_store()
        w.write("alpha", run="onChange", schedule=HOURLY, artifacts=DATA)
        await w.sandbox.faults({"route": route, "method": "POST", "applyThenReset": True, "count": 1})
        async with w.service():
            await w.healthy()
        group = await w.group()
        group.check()
        assert len(group.runs("alpha")) == 1
        assert len(group.artifacts) == 1


@pytest.mark.slow
async def test_lists_that_lag_lead_to_no_duplicate(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["settle"] = "3s"
        await three(w)
        await w.sandbox.faults(staleLists=2)
        async with w.service():
            await w.healthy()
            w.write("alpha", run="onChange", schedule=HOURLY, artifacts=DATA, text="print(2)")
            await w.seen(lambda: "print(2)" in (w.file("alpha") or ""), "published")
            await w.healthy()
        group = await w.group()
        group.check()
        assert [len(group.runs(name)) for name in ("alpha", "beta", "gamma")] == [2, 1, 1]
        keys = Counter(
            label["value"] for a in group.artifacts for label in a["labels"] if label["key"].endswith(".key")
        )
        assert set(keys.values()) == {1}, keys


@pytest.mark.slow
async def test_refusals_and_expired_tokens_only_delay(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["settle"] = "1s"
        await three(w)
        await w.sandbox.faults(
            {"route": "/v2/", "status": 500, "probability": 0.15},
            {"route": "/v2/", "status": 429, "retryAfter": 1, "probability": 0.05},
            {"route": "/v2/", "reset": True, "probability": 0.05},
            {"route": "/v2/", "method": "POST", "applyThenReset": True, "probability": 0.1},
        )
        async with w.service():
            await w.seen(lambda: bool(w.commits()), "the first commit")
            await w.sandbox.faults(expireTokens=True)
            await w.healthy(deadline=240)
            await w.sandbox.calm()
            await w.healthy()
        group = await w.group()
        group.check()
        assert [len(group.runs(name)) for name in ("alpha", "beta", "gamma")] == [1, 1, 1]


@pytest.mark.slow
async def test_an_outage_is_waited_out(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await three(w)
        await w.sandbox.faults({"route": "/(v2|oauth)/", "reset": True})
        async with w.service():
            await w.until(lambda: len(w.rows()) == 3, "rows")
            await w.until(lambda: all(s.health is Health.PROGRESSING for s in w.rows()), "waiting")
            assert w.commits() == [], "nothing is published blindly"
            await w.sandbox.calm()
            await w.healthy()
        (await w.group()).check()


@pytest.mark.slow
async def test_schedules_deleted_by_hand_come_back_and_foreign_ones_stay(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY | {"suspend": False})
        async with w.service() as app:
            await w.healthy()
            group = app.estate.tenants["t"].client.group("default")
            (ours,) = await group.schedules.list()
            foreign = await group.executions.create(ours.configuration)
            await group.schedules.patch(ours.id, {"status": "INACTIVE"})

            async def active(but: str = "") -> bool:
                found = (await w.group()).schedules.get("team.alpha.main", {})
                return found.get("status") == "ACTIVE" and found.get("id") != but

            await w.seen(active, "a manual stop is reverted")
            await group.schedules.patch(ours.id, {"status": "INACTIVE"})
            await group.schedules.delete(ours.id)
            await w.seen(lambda: active(ours.id), "made again")
            await w.quiet()
            assert [e["id"] for e in (await w.group()).executions] == [foreign]


@pytest.mark.slow
async def test_patches_that_lists_do_not_show_yet_are_not_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        async with w.service():
            await w.healthy()
            before, since = await w.group(), len(await w.sandbox.requests())
            await w.sandbox.faults(staleLists=4)
            moved = {"cron": "5 * * * *"}
            w.write("alpha", schedule=moved, text="print(2)", declares=["beta"], values={"beta": "1"})

            async def repointed() -> bool:
                schedule = (await w.group()).schedules["team.alpha.main"]
                old = before.schedules["team.alpha.main"]["configurationId"]
                return bool(schedule["configurationId"] != old and schedule["status"] == "ACTIVE")

            await w.seen(repointed, "the schedule goes on")
            reads = [r for r in await w.sandbox.requests(since) if "/executionSchedules/" in r["path"]]
        patches = [r for r in reads if r["method"] == "PATCH"]
        assert 2 <= len(patches) <= 4  # asleep, the cron, pointed elsewhere, awake
        assert len(reads) <= 60, "asked again with growing distance, not in a loop"
