"""Publishing through requests, with the real service: what people merge runs, what they close does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from controller_world import World, world
from forges import TOKEN, TestForge, forge_on

from aicore_sync.app.again import try_again
from aicore_sync.core.model import Health, Stage, TemplateKey


@asynccontextmanager
async def reviewed(tmp_path: Path) -> AsyncIterator[tuple[World, TestForge]]:
    """A world whose branch takes requests only."""
    async with world(tmp_path) as w:
        w.commit({"README": "hello\n"})
        with forge_on(w.remote, path="templates") as forge:
            (w.room / "token").write_text(TOKEN)
            assert w.sandbox.git
            login = {"username": w.sandbox.git["username"], "password": {"file": "git-password"}}
            publish = {
                "mode": "pullRequest",
                "forge": forge.kind,
                "apiUrl": forge.url,
                "token": {"file": "token"},
            }
            place = {"name": "templates", "url": f"{w.sandbox.git['url']}/templates.git"}
            w.extra["repositories"] = [place | {"credentials": login, "window": "300ms", "publish": publish}]
            yield w, forge


def waits(w: World, name: str, reason: str) -> bool:
    status = w.template_status(name)
    return bool(status and reason in {c.reason for c in status.conditions if c.stage is Stage.PUBLISH})


async def test_a_template_runs_after_the_merge_and_not_before(tmp_path: Path) -> None:
    async with reviewed(tmp_path) as (w, forge):
        w.write("alpha", run="onChange")
        app = await w.apply()  # ends when nothing is left to do but the merge
        assert [t.title for t in forge.tickets] == ["Templates: alpha"]
        assert w.file("alpha") is None
        rows = {str(s.key): s for s in app.board.rows()}
        assert rows["alpha/default"].health is Health.PROGRESSING
        assert "waits for its merge" in rows["alpha/default"].message

        async with w.service():
            await w.until(
                lambda: waits(w, "alpha", "AwaitingMerge"), "the service sees the request of another process"
            )
            assert not (await w.group()).executions
            forge.merge(delete=True)
            await w.healthy("alpha")
            assert len((await w.group()).runs("alpha")) == 1
            assert len(forge.tickets) == 1


@pytest.mark.slow
async def test_a_closed_request_holds_its_content_back_and_removals_are_reviewed_too(tmp_path: Path) -> None:
    async with reviewed(tmp_path) as (w, forge):
        w.write("alpha")
        w.write("beta")
        async with w.service() as app:
            await w.until(lambda: waits(w, "alpha", "AwaitingMerge") and waits(w, "beta", "AwaitingMerge"))
            forge.close()
            await w.until(
                lambda: waits(w, "alpha", "RequestClosed") and waits(w, "beta", "RequestClosed"), "no is no"
            )
            await w.quiet()
            assert len(forge.tickets) == 1

            w.write("alpha", text="print(2)")
            await w.until(lambda: waits(w, "alpha", "AwaitingMerge"), "new content is a new question")
            assert [t.title for t in forge.open_ones()] == ["Templates: alpha"]
            forge.merge(delete=True)
            await w.healthy("alpha")
            await w.quiet()
            assert waits(w, "beta", "RequestClosed"), "a no outlives the branch of requests"
            assert not forge.open_ones()
            await try_again(app, [TemplateKey("t", "beta")])
            await w.until(lambda: waits(w, "beta", "AwaitingMerge"), "asked again")
            assert [t.title for t in forge.open_ones()] == ["Templates: beta"]
            forge.merge()
            await w.healthy("beta")

            for file in w.path("alpha").parent.iterdir():
                file.unlink()
            await w.until(lambda: waits(w, "alpha", "AwaitingMerge"), "the removal is proposed")
            assert w.file("alpha") is not None
            forge.merge()
            await w.seen(lambda: w.file("alpha") is None and w.template_status("alpha") is None, "gone")


@pytest.mark.slow
async def test_a_flow_that_goes_before_its_merge_is_withdrawn(tmp_path: Path) -> None:
    async with reviewed(tmp_path) as (w, forge):
        w.write("alpha")
        w.write("beta")
        await w.apply()
        for file in w.path("beta").parent.iterdir():
            file.unlink()
        async with w.service():
            await w.seen(
                lambda: [t.title for t in forge.open_ones()] == ["Templates: alpha"], "beta is taken out"
            )
            forge.merge()
            await w.healthy("alpha")
