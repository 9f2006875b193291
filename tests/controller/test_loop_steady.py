"""From nothing to healthy, and then nothing more: equal input means no commit, no write, no run."""

from __future__ import annotations

import shutil
from pathlib import Path

from controller_world import HOURLY, world


async def test_all_is_made_once_and_a_new_disk_makes_nothing_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        w.write("beta")
        async with w.service():
            await w.healthy()
        group = await w.group()
        group.check()
        assert [len(group.runs(n)) for n in ("alpha", "beta")] == [1, 0]
        assert group.current("team.alpha.main")["executableId"] == "alpha"
        commits, sent = w.commits(), len(await w.sandbox.requests())
        assert len(commits) == 1
        for directory in ("cache", "state"):
            shutil.rmtree(tmp_path / directory, ignore_errors=True)
        async with w.service():
            await w.healthy()
            await w.quiet()
        assert w.commits() == commits
        assert await w.writes(sent) == []


async def test_an_edit_is_one_commit_one_version_one_run_and_the_same_schedule(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        async with w.service():
            await w.healthy()
            before = await w.group()
            w.write("alpha", run="onChange", schedule=HOURLY, text="print(2)")
            await w.seen(lambda: len(w.commits()) == 2, "second commit")
            await w.until(lambda: w.version("alpha") != before.version("alpha"), "new version")
            await w.healthy()
            after = await w.group()
            assert after.version("alpha") != before.version("alpha")
            one, other = (g.schedules["team.alpha.main"] for g in (before, after))
            assert one["id"] == other["id"]
            assert one["configurationId"] != other["configurationId"]
            assert len(after.runs("alpha")) == 2

            w.write("alpha", run="onChange", schedule=HOURLY, text="print(1)")
            await w.seen(lambda: len(w.commits()) == 3, "third commit")
            await w.until(lambda: w.version("alpha") == before.version("alpha"), "old version")
            await w.healthy()
            await w.quiet()
        last = await w.group()
        last.check()
        assert len(last.runs("alpha")) == 2, "going back to old content does not run again"
        assert last.schedules["team.alpha.main"]["configurationId"] == one["configurationId"]


async def test_a_comment_a_touch_and_a_moved_directory_change_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange", schedule=HOURLY)
        async with w.service():
            await w.healthy()
            sent = len(await w.sandbox.requests())
            w.path("alpha").write_text("# a comment\n" + w.path("alpha").read_text())
            w.path("alpha", "aicore.yaml").touch()
            await w.quiet()
            shutil.move(w.source / "alpha", w.source / "elsewhere")
            await w.until(lambda: "elsewhere" in str(w.app and w.app.desire.catalog), "the move is seen")
            await w.quiet()
        assert len(w.commits()) == 1
        assert await w.writes(sent) == []
        assert len((await w.group()).runs("alpha")) == 1
