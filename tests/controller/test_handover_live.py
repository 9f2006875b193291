"""A plan from what a check rendered is the plan of the source, and runs nothing of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from controller_world import HOURLY, World, world

from aicore_sync.app import BuildOptions, Planned, build, hand_over, plan_once
from aicore_sync.core.errors import InvalidInput


async def planned(w: World, rendered: Path | None = None) -> Planned:
    async with build(w.settings(), BuildOptions(history=False, rendered=rendered)) as app:
        return await plan_once(app)


async def handed(w: World, out: Path) -> Path:
    async with build(w.settings(), BuildOptions(history=False)) as app:
        await app.read_sources()
        for name, data in (await hand_over(app.desire)).items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
    return out


async def test_a_plan_without_the_source_is_the_plan_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile["goneAfter"] = "1m"  # one look is not enough, however slow it is
        w.write("alpha", run="onChange", schedule=HOURLY)
        w.write("beta")
        w.write("gamma")
        await w.apply()
        assert (await planned(w, await handed(w, tmp_path / "same"))).changes == 0

        w.write("alpha", run="onChange", schedule={"cron": "5 * * * *"}, text="print(2)")
        shutil.rmtree(w.source / "gamma")
        out, expected = await handed(w, tmp_path / "changed"), await planned(w)
        shutil.rmtree(w.source)
        w.source.mkdir()
        found = await planned(w, out)
        assert found.fingerprint == expected.fingerprint
        assert found.changes >= 2
        assert {str(key): sorted(h.reason for h in plan.holds) for key, plan in found.plans.items()} == {
            str(key): sorted(h.reason for h in plan.holds) for key, plan in expected.plans.items()
        }
        assert any(h.reason == "SourceMissing" for p in found.plans.values() for h in p.holds), "gamma"

        file = out / "t" / "wt-alpha.yaml"
        file.write_text(file.read_text().replace("print(2)", "print(3)"))
        (holds,) = [p.holds for k, p in (await planned(w, out)).plans.items() if str(k) == "alpha@t"]
        assert "another template digest than it has" in " ".join(h.message for h in holds)
        (out / "flows.json").unlink()
        with pytest.raises(InvalidInput, match=r"flows\.json"):
            await planned(w, out)
