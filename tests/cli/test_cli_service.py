"""Commands with a running service: what they ask of it, in whose name, and what they do when it is not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cli_world import CliWorld, cli_world
from command_line import Run, runner
from githosts import file_at, git

from aicore_sync.cli.complete import flow_names

pytestmark = pytest.mark.slow
TOKEN = "a-token-for-tests-only"
DEADLINE = 60.0


@contextmanager
def running(world: CliWorld, port: int) -> Iterator[str]:
    """The service as a process; yields its address when it answers."""
    command = [str(Path(sys.executable).with_name("aicore-sync")), "run", "-c", str(world.config)]
    with (world.room / "service.log").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            url, limit = f"http://127.0.0.1:{port}", time.monotonic() + DEADLINE
            while not _knows_flows(url):
                assert process.poll() is None, (world.room / "service.log").read_text()[-2000:]
                assert time.monotonic() < limit, (world.room / "service.log").read_text()[-2000:]
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _knows_flows(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/api/v1/status", timeout=5, trust_env=False).json()["items"])
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CliWorld, str]]:
    with cli_world(tmp_path_factory.mktemp("served")) as world, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        (world.room / "api-token").write_text(TOKEN)
        login = {"tokens": [{"name": "pipeline", "token": {"file": "api-token"}}]}
        world.configure(http={"port": port, "login": login})
        world.write("alpha", configurations=[{"name": "main"}])
        with running(world, port) as url:
            yield world, url


@pytest.fixture
def run(
    served: tuple[CliWorld, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.setenv("AICORE_SYNC_CONFIG", str(served[0].config))
    monkeypatch.setenv("AICORE_SYNC_TOKEN", TOKEN)
    monkeypatch.delenv("AICORE_SYNC_URL", raising=False)
    return runner(monkeypatch, capsys)


def test_sync_asks_the_service_and_waits_for_what_it_has_done(run: Run, served: tuple[CliWorld, str]) -> None:
    ended = run("sync", "--wait", "--timeout", "60")
    assert ended.code == 0, ended.err
    assert "pipeline asked for a look at everything" in ended.out
    (flow,) = run("get", "flows", "-o", "json").json()["flows"]
    assert (flow["name"], flow["health"], flow["tenant"]) == ("alpha", "Healthy", "t")
    assert run("wait", "alpha").code == 0
    assert "there is no flow alhpa; did you mean" in run("wait", "alhpa").said


def test_apply_beside_a_service_has_it_done_by_the_service(
    run: Run, served: tuple[CliWorld, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run("apply", "--wait", "--timeout", "60")
    assert ended.code == 0, ended.err
    assert "pipeline asked for a look at everything" in ended.out
    assert "alpha" in ended.out
    (line,) = run("apply", "-o", "json").json()["statuses"]
    assert (line["key"], line["health"]) == ("alpha/dev", "Healthy")
    monkeypatch.delenv("AICORE_SYNC_TOKEN")
    ended = run("apply")
    assert ended.code == 2
    assert "LockHeld" in ended.err


def test_a_broken_flow_is_exit_code_4_and_a_short_patience_3(run: Run, served: tuple[CliWorld, str]) -> None:
    world, _ = served
    manifest = world.room / "flows" / "alpha" / "aicore.yaml"
    good = manifest.read_text()
    manifest.write_text(f"{good}\nschedul: x\n")
    try:
        ended = run("sync", "alpha", "--wait", "--timeout", "60")
        assert ended.code == 4, ended.out + ended.err
        assert "schedul" in ended.out
        assert run("status").code == 4
    finally:
        manifest.write_text(good)
    assert run("sync", "alpha", "--wait", "--timeout", "60").code == 0


def test_decisions_and_runs_are_made_in_the_name_of_the_token(run: Run, served: tuple[CliWorld, str]) -> None:
    world, _ = served
    assert run("suspend", "alpha", "--reason", "audit").out == (
        "pipeline suspended alpha in every environment: audit\n"
    )
    assert git(world.remote, "log", "-1", "--format=%an|%s", "aicore-sync/team", "--", "suspended") == (
        "pipeline|pipeline: suspend alpha in every environment: audit"
    )
    assert run("resume", "alpha").out == "pipeline resumed alpha in every environment\n"
    assert run("sync", "--wait", "--timeout", "60").code == 0
    ended = run("trigger", "alpha", "--wait")
    assert ended.code == 0, ended.err
    assert "COMPLETED" in ended.out
    (execution,) = run("get", "executions", "-o", "json").json()["executions"]
    assert "already" in run("stop", execution["id"]).out
    events = run("events", "-o", "json").json()["events"]
    order = [(event["at"], event["id"]) for event in events]
    assert order == sorted(order)
    assert "pipeline" in {event["by"] for event in events}


def test_a_rollback_is_the_services_and_waits_until_it_is_live(
    run: Run, served: tuple[CliWorld, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = served

    def published() -> bytes:
        return file_at(world.remote, "templates/wt-alpha.yaml") or b""

    def decided() -> str:
        return git(world.remote, "log", "-1", "--format=%an|%s", "aicore-sync/team", "--", "pinned")

    assert run("sync", "alpha", "--wait", "--timeout", "60").code == 0
    first = published()
    world.write("alpha", code="print(2)", configurations=[{"name": "main"}])
    assert run("sync", "alpha", "--wait", "--timeout", "60").code == 0
    second = published()
    ended = run("rollback", "alpha", "--reason", "wrong numbers", "-o", "json")
    assert ended.code == 0, ended.err
    assert "pipeline rolled back alpha@t: back to 1.0.0-" in ended.json()["message"]
    assert published() == first != second
    assert decided() == "pipeline|pipeline: roll alpha back: wrong numbers"
    nothing = run("rollback", "alpha", "--to", "0123456")
    assert (nothing.code, nothing.out) == (2, "")
    assert "no commit 0123456 among the last" in nothing.said
    ended = run("rollback", "alpha", "--undo")
    assert (ended.code, ended.out) == (0, "pipeline: alpha@t: its rollback ends\n"), ended.err
    assert published() == second
    assert decided() == "pipeline|pipeline: end the rollback of alpha"
    nothing = run("rollback", "alpha", "--undo")
    assert (nothing.code, nothing.out) == (0, "alpha@t: was not rolled back\n"), nothing.err
    assert "did you mean `alpha`" in run("sync", "alhpa").said
    events = run("events", "-o", "json").json()["events"]
    assert [event["reason"] for event in events].count("RollbackEnded") == 1
    acts = {event["reason"]: event for event in events if event["by"] == "pipeline"}
    assert {acts[reason]["flow"] for reason in ("RolledBackByHand", "RollbackEnded")} == {"alpha"}
    monkeypatch.delenv("AICORE_SYNC_TOKEN")  # then it is a file in git, and the service finds it
    ended = run("rollback", "alpha")
    assert ended.code == 0, ended.err
    assert "a running service holds the lock" in ended.said
    assert run("rollback", "alpha", "--undo").code == 0
    monkeypatch.setenv("AICORE_SYNC_TOKEN", TOKEN)
    assert run("sync", "alpha", "--wait", "--timeout", "60").code == 0


def test_a_url_is_all_that_is_needed(
    run: Run, served: tuple[CliWorld, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICORE_SYNC_CONFIG")
    url = served[1]
    assert run("--url", url, "get", "flows", "-o", "name").out == "alpha/dev\n"
    assert run("--url", url, "wait").code == 0
    assert run("--url", url, "logs", a_run(run, "--url", url)).code == 0
    assert run("--url", url, "logs", "nope").code == 2
    monkeypatch.setenv("AICORE_SYNC_URL", url)
    assert run("sync").code == 0
    assert flow_names("al") == ["alpha"]
    assert flow_names("x") == []
    monkeypatch.delenv("AICORE_SYNC_TOKEN")
    ended = run("sync")
    assert (ended.code, ended.out) == (5, "")
    assert "AICORE_SYNC_TOKEN" in ended.said
    monkeypatch.setenv("AICORE_SYNC_TOKEN", "not-the-token-at-all")
    ended = run("status")
    assert ended.code == 5
    assert "not-the-token" not in ended.out + ended.err


def a_run(run: Run, *where: str) -> str:
    """The id of a run, whichever tests came before."""
    if not (found := run(*where, "get", "executions", "-o", "name").out.split()):
        assert run(*where, "sync", "alpha", "--wait", "--timeout", "60").code == 0
        assert run(*where, "trigger", "alpha", "--wait").code == 0
        found = run(*where, "get", "executions", "-o", "name").out.split()
    return found[-1]


KINDS = ("configurations", "schedules", "executions", "artifacts", "sources", "tenants", "flows")
RELATIVES = ("tree", "ticks", "history alpha", "get executions alpha -e dev")


def test_every_kind_is_the_same_from_the_service_and_from_here(
    run: Run, served: tuple[CliWorld, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identity = a_run(run)
    commands = [*(f"get {kind}" for kind in KINDS), *RELATIVES, f"trace {identity}", f"compare {identity}"]
    here = [run(*command.split(), "-o", "json") for command in commands]
    monkeypatch.setattr("aicore_sync.cli.service._address", lambda settings: "")
    alone = [run(*command.split(), "-o", "json") for command in commands]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICORE_SYNC_CONFIG")
    there = [run("--url", served[1], *command.split(), "-o", "json") for command in commands]
    for command, *ways in zip(commands, here, alone, there, strict=True):
        assert [one.code for one in ways] == [0, 0, 0], f"{command}: {[one.err for one in ways]}"
        assert ways[0].json() == ways[1].json() == ways[2].json(), command
    ended = run("--url", served[1], "get", "schedules", "alhpa")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean `alpha`" in ended.said


def test_a_named_service_that_is_not_there_is_an_error(run: Run) -> None:
    ended = run("--url", "http://127.0.0.1:9", "status")
    assert (ended.code, ended.out) == (2, "")
    assert "ServiceUnreachable" in ended.said


def test_without_a_token_the_lock_says_whom_to_ask(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AICORE_SYNC_TOKEN")
    ended = run("sync", "alpha")
    assert ended.code == 2
    assert "LockHeld" in ended.said
    assert "AICORE_SYNC_TOKEN" in ended.said


def test_events_can_be_watched_without_losing_one(run: Run, served: tuple[CliWorld, str]) -> None:
    world, _ = served
    command = [str(Path(sys.executable).with_name("aicore-sync")), "events", "-w", "--limit", "1"]
    environment = {**os.environ, "AICORE_SYNC_CONFIG": str(world.config)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as watching:
        assert watching.stdout
        first = watching.stdout.readline()
        assert first
        run("suspend", "alpha", "--reason", "seen live")
        line = ""
        limit = time.monotonic() + DEADLINE
        while "seen live" not in line:
            assert time.monotonic() < limit
            line = watching.stdout.readline()
        watching.terminate()
    assert run("resume", "alpha").code == 0
