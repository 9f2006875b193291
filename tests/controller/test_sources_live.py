"""Several sources and one service: who may write where, what an unreadable one may not cause, and what is no news."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from controller_world import HOURLY, World, manifest, template, world
from githosts import commit_as_somebody, git, make_remote

from aicore_sync.core.model import FlowKey


def flow_files(name: str, prefix: str = "", **options: Any) -> dict[str, str]:
    return {
        f"{prefix}{name}/template.yaml": template(name, parameters=["alpha"]),
        f"{prefix}{name}/aicore.yaml": manifest(name, **options),
    }


def git_source(w: World, name: str, **options: Any) -> dict[str, Any]:
    assert w.sandbox.git
    login = {"username": w.sandbox.git["username"], "password": {"file": "git-password"}}
    place = {"url": f"{w.sandbox.git['url']}/{name}.git", "credentials": login, "interval": "1s"}
    return {"name": name, "git": place | options}


def told(w: World, name: str) -> str:
    """All that the rows of a flow say, in whatever environment."""
    found = (
        *(s for s in w.rows() if isinstance(s.key, FlowKey) and s.key.flow == name),
        w.template_status(name),
    )
    return "\n".join(c.message for status in found if status for c in status.conditions)


def flow_environments(w: World) -> set[tuple[str, str]]:
    return {(s.key.flow, s.key.environment) for s in w.rows() if isinstance(s.key, FlowKey)}


@pytest.mark.slow
async def test_a_team_writes_into_its_own_environment_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.environments = ("default", "other")
        make_remote(w.remote.parent, "team-b.git", files=flow_files("beta", "flows/", environments=["other"]))
        directory = {"name": "team-a", "directory": "flows", "environments": ["default"]}
        w.extra["sources"] = [directory, git_source(w, "team-b", path="flows") | {"environments": ["other"]}]
        w.write("alpha")
        async with w.service() as app:
            await app.estate.tenants["t"].client.resource_groups.create("other", {})
            await w.healthy("alpha", "beta")
            remote = w.remote.parent / "team-b.git"
            head = git(remote, "rev-parse", "main")
            assert f"team-b/beta/template.yaml@{head}" in (w.file("beta") or "")

            commit_as_somebody(remote, flow_files("beta", "flows/", environments=["other", "default"]))
            await w.until(lambda: "may use" in told(w, "beta"), "the denial is told")
            assert flow_environments(w) == {("alpha", "default"), ("beta", "other")}
            assert "an environment that source team-b may use" in told(w, "beta")


@pytest.mark.slow
async def test_an_unreadable_source_removes_nothing_and_hands_nothing_over(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        remote = make_remote(
            w.remote.parent, "team-b.git", files=flow_files("beta", environments=["default"])
        )
        both = {"environments": ["default"]}
        directory = {"name": "team-a", "directory": "flows"} | both
        w.extra["sources"] = [directory, git_source(w, "team-b") | both]
        w.write("alpha")
        await w.apply()
        published, commits = w.file("beta"), w.commits()

        remote.rename(remote.with_name("away.git"))
        w.write("beta", text="print('taken over')")
        async with w.service():
            await w.until(lambda: "SourceIncomplete" in w.reasons("beta"), "the takeover is held")
            await w.healthy("alpha")
            await w.quiet()
            assert (w.file("beta"), w.commits()) == (published, commits)
            remote.with_name("away.git").rename(remote)
            await w.until(lambda: "unique in tenant" in told(w, "beta"), "both files are named")
            assert w.file("beta") == published


@pytest.mark.slow
async def test_a_right_that_is_taken_away_removes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        w.write("beta", schedule=HOURLY)
        make_remote(w.remote.parent, "team-b.git", files={"README": "no flows yet"})
        directory = {"name": "team-a", "directory": "flows"}
        w.extra["sources"] = [directory | {"environments": ["default"]}, git_source(w, "team-b")]
        await w.apply()
        before, commits = (await w.group()).schedules, w.commits()
        assert set(before) == {"team.alpha.main", "team.beta.main"}

        w.extra["sources"] = [directory, git_source(w, "team-b")]  # somebody forgot a line
        async with w.service():
            await w.until(lambda: "may use" in told(w, "alpha"), "the denial is told")
            await w.quiet()
            assert (await w.group()).schedules == before
            assert w.commits() == commits
