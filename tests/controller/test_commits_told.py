"""What a forge shows beside the source's commit, and the plan on a pull request: the real service, the real command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from controller_world import World, manifest, template, world
from githosts import commit_as_somebody, git, make_remote
from small_forge import SmallForge

TOKEN = "forge-token-0123456789"


def flow_files(name: str, text: str = "print(1)") -> dict[str, str]:
    return {
        f"{name}/template.yaml": template(name, template=text, parameters=["alpha"]),
        f"{name}/aicore.yaml": manifest(name),
    }


def told_source(w: World, api: str) -> dict[str, Any]:
    assert w.sandbox.git
    (w.room / "forge-token").write_text(TOKEN)
    login = {"username": w.sandbox.git["username"], "password": {"file": "git-password"}}
    report = {"forge": "github", "apiUrl": api, "token": {"file": "forge-token"}, "deployments": True}
    place = {"url": f"{w.sandbox.git['url']}/team/flows.git", "credentials": login, "interval": "1s"}
    return {"name": "flows", "git": place | {"report": report}}


def states(forge: SmallForge, commit: str) -> list[str]:
    return [s["state"] for s in forge.statuses if s["sha"] == commit]


@pytest.mark.slow
async def test_a_commit_is_pending_until_it_is_live_and_fails_when_it_cannot_be(tmp_path: Path) -> None:
    forge = SmallForge()
    async with world(tmp_path) as w, forge.served() as api:
        (w.remote.parent / "team").mkdir()
        remote = make_remote(w.remote.parent / "team", "flows.git", files=flow_files("alpha"))
        w.extra["sources"] = [told_source(w, api)]
        async with w.service():
            first = git(remote, "rev-parse", "main").strip()
            await w.seen(lambda: states(forge, first) == ["pending", "success"], "the first commit is told")
            commit_as_somebody(remote, {"beta/aicore.yaml": "template: nothing.yaml\nnope: 1\n"})
            second = git(remote, "rev-parse", "main").strip()
            await w.seen(lambda: states(forge, second)[-1:] == ["failure"], "a broken manifest fails it")
            assert "beta/aicore.yaml" in forge.statuses[-1]["description"]
            commit_as_somebody(remote, {"beta/aicore.yaml": None})
            third = git(remote, "rev-parse", "main").strip()
            await w.seen(lambda: states(forge, third)[-1:] == ["success"], "it is mended")
            ends = ["success", "failure", "success"]
            await w.seen(lambda: [d["states"][-1] for d in forge.deployments] == ends, "deployments follow")
        assert {s["context"] for s in forge.statuses} == {"aicore-sync/team/default"}
        assert forge.tokens == {f"Bearer {TOKEN}"}


@pytest.mark.slow
async def test_the_plan_is_one_comment_on_the_pull_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = SmallForge()
    async with world(tmp_path) as w, forge.served() as api:
        w.write("alpha")
        code, _, err = await w.command("plan", "--comment")
        assert code == 2
        assert "GITHUB_REPOSITORY" in err
        for name, value in {
            "GITHUB_REPOSITORY": "team/flows",
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_API_URL": api,
            "GITHUB_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(name, value)
        for _ in range(2):
            code, out, err = await w.command("plan", "--comment")
            assert code == 1, err
        (comment,) = forge.comments
        assert "    alpha@t: publish: publish wt-alpha.yaml" in comment["body"]
        assert out.split("fingerprint ")[1].strip() in comment["body"]
        await w.apply()
        code, _, _ = await w.command("plan", "--comment")
        assert code == 0
        assert "nothing to do" in comment["body"]
        assert len(forge.comments) == 1
        assert TOKEN not in out + err
