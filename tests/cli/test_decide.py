"""suspend, resume and check as people use them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from command_line import Run, add_template, configure, runner, settings
from sandboxes import Sandbox, running_sandbox
from small_service import json_answer, small_service

from aicore_sync.cli.apply import _confirm
from aicore_sync.config import load_settings
from aicore_sync.core.decisions import Scope, decisions


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "alice")
    return runner(monkeypatch, capsys)


def git(room: Path, *arguments: str) -> str:
    command = ["git", "-C", str(room / "remote.git"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository where the configuration expects one, and one flow in the source."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "remote.git")], check=True)
    configure(tmp_path)
    add_template(tmp_path)
    return tmp_path


def standing(room: Path) -> set[Scope]:
    branch = "aicore-sync/team"
    if not git(room, "for-each-ref", f"refs/heads/{branch}"):
        return set()
    paths = git(room, "ls-tree", "-r", "--name-only", branch).split()
    return set(decisions({p: git(room, "show", f"{branch}:{p}").encode() for p in paths}).suspended)


@pytest.mark.parametrize(
    ("arguments", "scope"),
    [
        (("count-words",), Scope("count-words")),
        (("count-words", "--environment", "dev"), Scope("count-words", "dev")),
        (("--environment", "dev"), Scope(environment="dev")),
        (("--all",), Scope()),
    ],
)
def test_what_is_suspended_can_be_resumed_by_the_same_words(
    run: Run, remote: Path, arguments: tuple[str, ...], scope: Scope
) -> None:
    ended = run("suspend", *arguments, "--reason", "audit")
    assert (ended.code, ended.out) == (0, f"suspended: {scope}\n"), ended.err
    assert standing(remote) == {scope}
    assert git(remote, "log", "--format=%an|%s", "aicore-sync/team").splitlines() == [
        f"alice|alice: suspend {scope}: audit"
    ]
    ended = run("resume", *arguments)
    assert (ended.code, ended.out) == (0, f"resumed: {scope}\n"), ended.err
    assert standing(remote) == set()
    again = run("resume", *arguments)
    assert (again.code, again.out) == (0, f"was not suspended: {scope}\n")
    assert len(git(remote, "log", "--format=%h", "aicore-sync/team").splitlines()) == 2


def test_what_cannot_be_reached_is_told_and_the_others_are_held_back(run: Run, remote: Path) -> None:
    (first,) = settings(remote)["repositories"]
    gone = {"name": "gone", "url": (remote / "gone.git").as_uri()}
    configure(remote, repositories=[gone, first])
    ended = run("suspend", "--all")
    assert ended.code == 4
    assert f"done in {first['name']}, but not in gone" in ended.err
    assert standing(remote) == {Scope()}
    assert run("resume", "--all").code == 4
    assert standing(remote) == set()


def test_other_suspensions_stay_and_are_listed(run: Run, remote: Path) -> None:
    run("suspend", "--environment", "dev", "--reason", "a [red] release")
    run("suspend", "count-words")
    ended = run("resume", "count-words")
    assert ended.out.splitlines()[0] == "resumed: count-words in every environment"
    assert "still suspended: environment dev, by alice since" in ended.out
    assert "a [red] release" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "found nothing, expected a flow, --environment"),
        (("count-words", "--all"), "found both"),
        (("cuont-words",), "there is no flow cuont-words; did you mean"),
        (("--environment", "prod"), "there is no environment prod"),
    ],
)
def test_a_mistake_changes_nothing_and_says_what_was_meant(
    run: Run, remote: Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = run("suspend", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.said
    assert standing(remote) == set()


def test_a_broken_manifest_does_not_make_every_name_a_flow(run: Run, remote: Path) -> None:
    (remote / "flows" / "other").mkdir()
    (remote / "flows" / "other" / "aicore.yaml").write_text("flow: [\n")
    ended = run("suspend", "nope")
    assert (ended.code, ended.out) == (2, "")
    assert "there is no flow nope; known are: count-words" in ended.said
    assert run("suspend", "count-words").code == 0


# --- check ---


@asynccontextmanager
async def configured(room: Path) -> AsyncIterator[tuple[Sandbox, Path]]:
    async with running_sandbox(room) as sandbox:
        (tenant,) = settings(room)["tenants"]
        (room / "store").mkdir()
        file = configure(room, tenants=[tenant | {"datastore": {"root": f"file://{room}/store"}}])
        (room / "key.json").write_text(json.dumps(sandbox.service_keys["default"]))
        yield sandbox, file


async def checked(room: Path, file: Path) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Exit code and lines by what and where. A process: the sandbox's loop runs in this one."""
    command = [str(Path(sys.executable).with_name("aicore-sync")), "check", "-c", str(file), "-o", "json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1, cwd=room)
    out, err = await process.communicate()
    assert process.returncode is not None
    assert out, err.decode()
    return process.returncode, {(at["what"], at["place"]): at for at in json.loads(out)["lines"]}


async def test_check_names_everything_that_runs_would_miss(remote: Path) -> None:
    template = next((remote / "flows").rglob("template.yaml"))
    text = template.read_text().replace("spec:\n", "spec:\n  imagePullSecrets: [{name: registry}]\n", 1)
    template.write_text(text)
    async with configured(remote) as (_, file):
        code, lines = await checked(remote, file)
    assert code == 2
    states = {key: line["state"] for key, line in lines.items()}
    assert states["credential", "main"] == "ok"
    assert states["repository", "templates"] == "ok"
    assert states["application", "main"] == "ok"
    assert states["object store", "main"] == "ok"
    assert states["quota of workflowTemplates", "main"] == "ok"
    assert states["resource group default", "main/dev"] == "ok"
    missing = lines["registry secret registry", "main/dev"]
    assert missing["state"] == "missing"
    assert "tenants[].registrySecrets" in missing["message"]


async def test_check_of_a_refused_key_is_exit_code_5_and_looks_at_the_rest(remote: Path) -> None:
    async with configured(remote) as (sandbox, file):
        key = sandbox.service_keys["default"] | {"clientsecret": "wrong"}
        (remote / "key.json").write_text(json.dumps(key))
        code, lines = await checked(remote, file)
    assert code == 5
    assert lines["credential", "main"]["state"] == "missing"
    assert "create a new key" in lines["credential", "main"]["message"]
    assert lines["repository", "templates"]["state"] == "ok"
    assert not any(what == "application" for what, _ in lines)


@pytest.mark.parametrize("token", ["a-token-for-tests-only", ""])
async def test_what_is_confirmed_beside_a_service_is_confirmed_by_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    """In the name of the token's user; without a token it is a file in git, in the name of who calls."""
    monkeypatch.setenv("AICORE_SYNC_TOKEN", token)
    by_git: list[str] = []

    async def planned(_: Any) -> Any:
        return SimpleNamespace(fingerprint="all")

    async def confirmed(_: Any, fingerprint: str) -> None:
        by_git.append(fingerprint)

    monkeypatch.setattr("aicore_sync.cli.apply.plan_once", planned)
    monkeypatch.setattr("aicore_sync.cli.apply.agree", lambda *_: None)
    monkeypatch.setattr("aicore_sync.cli.apply.confirm", confirmed)
    with small_service({"/api/v1/confirm": json_answer({"message": "pipeline confirmed it"}, 202)}) as there:
        file = configure(tmp_path, http={"port": urlsplit(there.url).port})
        app: Any = SimpleNamespace(settings=load_settings(file, {}))
        await _confirm(app, "0f3c9a11")
    assert ("/api/v1/confirm" in there.paths, by_git) == ((True, []) if token else (False, ["0f3c9a11"]))
