"""Logins: what is told when they fail, and that they are seen nowhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from git_desk import Desk, open_desk
from githosts import PASSWORD, USERNAME, file_at, log_of, make_remote, running_git_host
from structlog.testing import capture_logs

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.git import Batch, Change, Credentials

BASIC = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
DEADLINE = 20.0
CHANGE = Change("churn", "models", "wt-churn.yaml", b"a: 1\n")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def hook(desk: Desk, script: str) -> None:
    path = desk.repository / "hooks" / "pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def until(path: Path) -> str:
    """Shell words that wait for a file."""
    return f"while [ ! -e {path} ]; do sleep 0.02; done"


async def appears(path: Path) -> None:
    async with asyncio.timeout(DEADLINE):
        while not path.exists():
            await asyncio.sleep(0.01)


def leaking() -> list[str]:
    """The command lines on this machine that hold the password."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((process / "cmdline").read_bytes().decode(errors="replace"))
    return [line for line in lines if PASSWORD in line or BASIC in line]


def working_in(directory: Path) -> list[int]:
    """The processes whose GIT_DIR is below `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"GIT_DIR={directory}/".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


async def test_a_wrong_password_is_told_with_its_cure(desk: Desk) -> None:
    clone = desk.clone(credentials=lambda: Credentials(USERNAME, "wr0ng"))
    with pytest.raises(Stalled) as caught:
        await clone.fetch()
    assert caught.value.reason == "AuthenticationFailed"
    assert "replace the token" in caught.value.message
    assert "wr0ng" not in repr(caught.value)


async def test_credentials_are_asked_for_before_every_call(desk: Desk) -> None:
    logins = [Credentials(USERNAME, "expired"), Credentials(USERNAME, PASSWORD)]
    clone = desk.clone(credentials=lambda: logins.pop(0) if len(logins) > 1 else logins[0])
    with pytest.raises(Stalled):
        await clone.fetch()
    assert await clone.fetch() is not None


async def test_an_unknown_repository_and_a_closed_port(desk: Desk) -> None:
    with pytest.raises(Stalled) as caught:
        await desk.clone(url=desk.host.url_of("absent.git")).fetch()
    assert caught.value.reason == "RepositoryNotFound"
    with pytest.raises(Transient) as refused:
        await desk.clone(url="http://127.0.0.1:9/flows.git").fetch()
    assert refused.value.reason == "Unreachable"


async def test_a_push_without_answer_ends_at_the_timeout_and_takes_its_children_along(
    desk: Desk, tmp_path: Path
) -> None:
    hook(desk, f"touch {tmp_path}/reached; {until(tmp_path / 'go')}")
    clone = desk.clone(timeout=1.5)
    with pytest.raises(Transient) as caught:
        await clone.publish(Batch((CHANGE,)))
    assert (tmp_path / "reached").exists()
    assert caught.value.reason == "Timeout"
    assert caught.value.ambiguous
    assert working_in(desk.remote.cache_dir) == []
    (tmp_path / "go").touch()


async def test_the_password_is_seen_nowhere(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(desk, f"touch {tmp_path}/reached; {until(tmp_path / 'go')}")
    for name, value in {
        "GIT_TRACE_REDACT": "0",
        "GIT_TRACE_CURL": str(tmp_path / "trace"),
        "GIT_TRACE2": str(tmp_path / "trace2"),
        "GIT_TRACE2_ENV_VARS": "GIT_CONFIG_VALUE_12",
        "GIT_DIR": "/elsewhere",
    }.items():
        monkeypatch.setenv(name, value)
    clone = desk.clone()
    with capture_logs() as logs:
        pushing = asyncio.ensure_future(clone.publish(Batch((CHANGE,))))
        await appears(tmp_path / "reached")
        leaks, busy = leaking(), working_in(desk.remote.cache_dir)
        ours = [path for path in desk.remote.cache_dir.rglob("*") if path.is_file()]
        held = [
            path
            for path in ours
            if PASSWORD.encode() in (data := path.read_bytes()) or BASIC.encode() in data
        ]
        (tmp_path / "go").touch()
        await pushing
    assert len(busy) >= 2, "git push and its transport were looked at"
    assert leaks == []
    assert ours
    assert held == []
    assert [entry["event"] for entry in logs] == ["git_pushed"]
    assert PASSWORD not in str(logs)
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "trace2").exists()


async def test_a_server_that_repeats_the_password_does_not_get_it_into_a_message(desk: Desk) -> None:
    hook(desk, f"echo 'you sent {PASSWORD} and {BASIC}' >&2; exit 1")
    with pytest.raises(Stalled) as caught:
        await desk.clone().publish(Batch((CHANGE,)))
    assert caught.value.reason == "PushRejected"
    assert "you sent *** and ***" in caught.value.message


async def test_a_cancelled_publish_leaves_no_process_and_a_usable_clone(desk: Desk, tmp_path: Path) -> None:
    hook(
        desk,
        f"[ -e {tmp_path}/reached ] && exit 0; touch {tmp_path}/reached; {until(tmp_path / 'go')}; exit 1",
    )
    clone = desk.clone()
    pushing = asyncio.ensure_future(clone.publish(Batch((CHANGE,))))
    await appears(tmp_path / "reached")
    pushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pushing
    assert working_in(desk.remote.cache_dir) == []
    (tmp_path / "go").touch()
    assert (await clone.publish(Batch((CHANGE,)))).commit is not None
    assert len(log_of(desk.repository)) == 2


async def test_the_host_takes_packs_in_chunks_and_only_from_its_user(desk: Desk, tmp_path: Path) -> None:
    async with running_git_host(tmp_path / "served") as host:
        repository = make_remote(host.root)
        large = random.Random(1).randbytes(3_000_000)  # git sends more than 1 MiB in chunks
        clone = desk.clone(url=host.url_of("flows.git"))
        await clone.publish(Batch((Change("large", "models", "wt-large.yaml", large),)))
        assert file_at(repository, "models/wt-large.yaml") == large
        with pytest.raises(Stalled, match="replace the token"):
            await desk.clone(url=host.url_of("flows.git"), credentials=lambda: None).fetch()


async def test_the_host_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'aicore_sync.sandbox.githost', '--root', sys.argv[1], '--user', 'u']\n"
        "host = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "host.stdout.readline()\n"
        "print(host.pid)\n"
    )
    environment = {**os.environ, "AICORE_SYNC_GITHOST_PASSWORD": "p"}
    command = [sys.executable, "-c", script, str(tmp_path)]
    parent = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, check=True, env=environment, text=True
    )
    pid = int(parent.stdout)
    async with asyncio.timeout(DEADLINE):
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            await asyncio.sleep(0.02)
