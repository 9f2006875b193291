"""Broken sources and refused templates: one poison never stops the others, and reducing always works."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_world import HOURLY, manifest, replace, world

from aicore_sync.app.desk import AppDesk
from aicore_sync.core.decisions import Scope
from aicore_sync.core.model import FlowKey, Stage

BROKEN = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nspec: [\n"


async def test_a_broken_template_stops_only_itself_and_still_obeys_suspend(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY | {"suspend": False})
        w.write("beta")
        async with w.service():
            await w.healthy()
            before = w.file("alpha")
            replace(w.path("alpha"), BROKEN)
            await w.until(lambda: "RenderFailed" in w.reasons("alpha"), "broken")
            w.write("beta", text="print(2)")
            await w.seen(lambda: "print(2)" in (w.file("beta") or ""), "beta goes on")
            await w.healthy("beta")
            text = manifest("alpha", schedule=HOURLY | {"suspend": True}, executable={"id": "alpha"})
            replace(w.path("alpha", "aicore.yaml"), text)

            async def suspended() -> bool:
                return bool((await w.group()).schedules["team.alpha.main"]["status"] == "INACTIVE")

            await w.seen(suspended, "suspended")
            assert w.file("alpha") == before
            w.write("alpha", schedule=HOURLY | {"suspend": False})
            await w.healthy("alpha")
            assert (await w.group()).schedules["team.alpha.main"]["status"] == "ACTIVE"


async def test_a_syntax_error_in_a_flow_file_keeps_what_runs_and_obeys_suspend(tmp_path: Path) -> None:
    """A Metaflow flow that never rendered still has its manifest; nothing is rendered for a file with an error."""
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        async with w.service():
            await w.healthy()
            w.path("alpha").unlink()
            (w.source / "alpha" / "flow.py").write_text(
                "from metaflow import FlowSpec\nclass Alpha(FlowSpec:\n"
            )
            text = manifest("alpha", schedule=HOURLY | {"suspend": True}).replace(
                "template: template.yaml", "flow: flow.py"
            )
            replace(w.path("alpha", "aicore.yaml"), text)

            async def suspended() -> bool:
                return bool((await w.group()).schedules["team.alpha.main"]["status"] == "INACTIVE")

            await w.seen(suspended, "suspended")
            await w.quiet()
            assert w.file("alpha") is not None


async def test_a_broken_manifest_removes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        w.write("beta")
        w.write("gamma")
        async with w.service():
            await w.healthy()
            sent = len(await w.sandbox.requests())
            replace(w.path("alpha", "aicore.yaml"), "template: template.yaml\nconfigurations: {nonsense\n")
            await w.until(lambda: "ManifestInvalid" in w.reasons("alpha"), "broken")
            for file in ("template.yaml", "aicore.yaml"):
                w.path("beta", file).unlink()
            w.write("gamma", text="print(2)")
            await w.seen(lambda: "print(2)" in (w.file("gamma") or ""), "gamma goes on")
            await w.healthy("gamma")
            await w.quiet()
            assert w.app is not None
            bad = [r for r in w.app.board.rows() if "ManifestInvalid" in {c.reason for c in r.conditions}]
            assert [r.key for r in bad] == [FlowKey("alpha", "default")]
            assert [c.reason for c in bad[0].conditions].count("ManifestInvalid") == 1
            assert w.file("alpha")
            assert w.file("beta"), "nothing is gone on the strength of a source that is not readable"
            assert "DELETE" not in " ".join(await w.writes(sent))


async def test_a_refused_template_goes_back_and_the_correction_goes_live(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        w.write("beta")
        async with w.service():
            await w.healthy()
            good = w.file("alpha")
            await w.sandbox.faults(syncFail={"wt-alpha.yaml": "admission webhook says no"})
            w.write("alpha", run="onChange", schedule=HOURLY, text="print('bad')")
            w.write("beta", text="print(2)")
            await w.until(lambda: "SyncFailed" in w.reasons("alpha"), "refused")
            await w.seen(lambda: w.file("alpha") == good and len(w.commits()) >= 3, "put back")
            await w.sandbox.calm()
            await w.healthy("beta")
            status = w.template_status("alpha")
            assert status
            assert "admission webhook says no" in status.message
            assert len((await w.group()).runs("alpha")) == 1
            w.write("alpha", run="onChange", schedule=HOURLY, text="print('better')")
            await w.healthy("alpha")
            assert "better" in (w.file("alpha") or "")
        group = await w.group()
        group.check()
        assert len(group.runs("alpha")) == 2
        assert group.version("alpha") in (w.file("alpha") or "")


@pytest.mark.slow
async def test_a_first_version_that_is_refused_is_taken_back_until_somebody_asks_for_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.sandbox.faults(syncFail={"wt-alpha.yaml": "no such resource plan"})
        w.write("alpha", run="onChange")
        w.write("beta")
        async with w.service():
            await w.healthy("beta")
            await w.seen(lambda: w.file("alpha") is None and len(w.commits()) >= 2, "taken back")
            status = w.template_status("alpha")
            assert status
            assert "no such resource plan" in status.message
            await w.sandbox.calm()
            await w.quiet()
            assert w.file("alpha") is None, "it waits for its time"
            assert w.app
            await AppDesk(w.app).sync("ada", Scope("alpha"))
            await w.healthy("alpha")


@pytest.mark.slow
async def test_a_file_that_blocks_the_whole_application_is_taken_back(tmp_path: Path) -> None:
    words = 'Failed to unmarshal "wt-alpha.yaml": error converting YAML to JSON'
    async with world(tmp_path) as w:
        w.write("alpha")
        w.write("beta")
        async with w.service():
            await w.healthy()
            good = w.file("alpha")
            await w.sandbox.faults(syncFail={"wt-alpha.yaml": words})
            w.write("alpha", text="print('bad')")
            await w.until(lambda: "SyncFailed" in w.reasons("alpha"), "refused")
            await w.seen(lambda: w.file("alpha") == good, "put back")
            await w.sandbox.calm()
            w.write("beta", text="print(2)")
            await w.seen(lambda: "print(2)" in (w.file("beta") or ""), "beta goes on")
            await w.healthy("beta")


@pytest.mark.slow
async def test_a_foreign_bad_file_is_named_and_nothing_of_ours_goes_back(tmp_path: Path) -> None:
    words = 'Failed to unmarshal "theirs.yaml": error converting YAML to JSON'
    async with world(tmp_path) as w:
        w.write("alpha")
        async with w.service():
            await w.healthy()
            w.commit({"templates/theirs.yaml": "a: [\n"})
            await w.sandbox.faults(syncFail={"theirs.yaml": words})
            w.write("alpha", text="print(2)")
            await w.until(lambda: "theirs.yaml" in w.sentence("alpha", Stage.SYNC), "named")
            assert "print(2)" in (w.file("alpha") or "")
            await w.sandbox.calm()
            w.commit({"templates/theirs.yaml": None})
            await w.sandbox.sync()
            await w.healthy()
            assert "print(2)" in (w.file("alpha") or "")
