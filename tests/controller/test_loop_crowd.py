"""Many flows and many writers on one branch: one commit for what belongs together, nothing of others touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from controller_world import template, world


async def test_ten_flows_at_once_are_one_commit(tmp_path: Path) -> None:
    names = [f"flow-{n}" for n in range(10)]
    async with world(tmp_path) as w:
        w.window = "3s"  # long enough for ten passes on a busy machine
        for name in names:
            w.write(name)
        async with w.service():
            await w.healthy()
            assert len(w.commits()) == 1
            for name in names:
                w.write(name, text="print(2)")
            await w.seen(lambda: all("print(2)" in (w.file(name) or "") for name in names), "all published")
            await w.healthy()
            assert len(w.commits()) <= 3
        group = await w.group()
        group.check()
        assert sorted(c["executableId"] for c in group.configurations) == names


async def test_a_race_with_a_foreign_writer_loses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.commit({"templates/README.md": "theirs\n", "other/x.txt": "theirs\n"})
        w.write("alpha")

        async def pester() -> None:
            for number in range(12):
                await asyncio.to_thread(w.commit, {f"other/{number}.txt": f"{number}\n"})

        async with w.service():
            other = asyncio.create_task(pester())
            await w.healthy()
            for number in range(3):
                w.write("alpha", text=f"print({number + 10})")
                await w.seen(lambda n=number: f"print({n + 10})" in (w.file("alpha") or ""), "published")  # type: ignore[misc]
            await other
            await w.healthy()
        from githosts import file_at

        assert [file_at(w.remote, f"other/{n}.txt") for n in range(12)] == [
            f"{n}\n".encode() for n in range(12)
        ]
        assert file_at(w.remote, "templates/README.md") == b"theirs\n"


async def test_a_foreign_file_with_our_name_is_contested_and_untouched(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        theirs = template("alpha", "print('theirs')", ["alpha"])
        w.commit({"templates/wt-alpha.yaml": theirs})
        w.write("alpha", run="onChange")
        w.write("beta")
        async with w.service():
            await w.healthy("beta")
            await w.until(lambda: "Contested" in w.reasons("alpha"), "contested")
            await w.quiet()
            assert w.file("alpha") == theirs
            assert (await w.group()).runs("alpha") == []
            w.path("alpha").unlink()
            w.path("alpha", "aicore.yaml").unlink()
            w.path("alpha").parent.rmdir()
            await w.until(lambda: w.status("alpha") is None, "forgotten")
            await w.quiet()
            assert w.file("alpha") == theirs


@pytest.mark.slow
async def test_our_file_is_restored_when_somebody_edits_or_deletes_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange")
        w.write("beta")
        async with w.service():
            await w.healthy()
            good = w.file("alpha")
            assert good
            w.commit({"templates/wt-alpha.yaml": good.replace("print(1)", "print('by hand')")})
            await w.seen(lambda: w.file("alpha") == good, "restored after an edit")
            w.commit({"templates/wt-alpha.yaml": None})
            await w.seen(lambda: w.file("alpha") == good, "restored after a deletion")
            await w.healthy()
        group = await w.group()
        group.check()
        assert len(group.runs("alpha")) == 1
