"""Commands that wait for the service go on when it restarts, and end when time runs out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command_line import Run, configure, runner
from small_service import Answers, SmallService, answer, in_turn, json_answer, small_service

from aicore_sync.core.answers import ExecutionAnswer
from aicore_sync.core.model import FlowKey, Health, Status
from aicore_sync.core.statuses import status_answer

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AWAY = answer(b"", "text/plain", 503)
SINCE = {"message": "pipeline did it", "by": "pipeline", "since": AT.isoformat()}
Send = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("AICORE_SYNC_CONFIG", "AICORE_SYNC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AICORE_SYNC_TOKEN", "a-token-for-tests-only")
    monkeypatch.setattr("aicore_sync.cli.service.AGAIN", 0.01)
    monkeypatch.setattr("aicore_sync.app.patience.FIRST", 0.01)
    return runner(monkeypatch, capsys)


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """As a process does that ends."""
    request.close_connection = True


def board(health: Health) -> Send:
    status = Status(FlowKey("alpha", "dev"), health, "words", facts={"template": "alpha-dev"}, updated=AT)
    return json_answer(status_answer([status], {}, {}).model_dump(mode="json"))


def runs(*states: str) -> Send:
    found = [
        ExecutionAnswer(
            id=f"e-{number}", flow="alpha", configuration="main", configuration_id="c-1", environment="dev",
            status=state, message="", by="aicore-sync", created=AT, completed=None, outputs=(),
        )
        for number, state in reversed(list(enumerate(states)))
    ]  # fmt: skip
    return json_answer({"executions": [one.model_dump(mode="json", by_alias=True) for one in found]})


def called(run: Run, room: Path, there: SmallService, *words: str) -> tuple[int, str, int]:
    """Exit code, what was printed, and how often it was told that the service is away."""
    configure(room, http={"port": urlsplit(there.url).port})
    ended = run(*words)
    return ended.code, ended.out, ended.err.count("trying again")


@pytest.mark.parametrize(
    ("command", "health", "code"),
    [
        ("wait", Health.HEALTHY, 0),
        ("wait alpha", Health.ATTENTION, 4),
        ("sync alpha --wait", Health.HEALTHY, 0),
        ("rollback alpha", Health.HEALTHY, 0),
        ("rollback alpha --undo", Health.ATTENTION, 4),
        ("rollback alpha-dev@t", Health.HEALTHY, 0),
    ],
)
def test_who_waits_for_flows_waits_over_a_restart(
    run: Run, tmp_path: Path, command: str, health: Health, code: int
) -> None:
    restarts = (board(Health.PROGRESSING), hang_up, AWAY, board(Health.PROGRESSING), AWAY, board(health))
    answers: Answers = {"/api/v1/status": in_turn(*restarts)}
    answers |= {f"/api/v1/{verb}": json_answer(SINCE, 202) for verb in ("sync", "rollback", "rollback/undo")}
    with small_service(answers) as there:
        ended, out, times_away = called(run, tmp_path, there, *command.split())
        assert (ended, times_away) == (code, 2)
        assert there.paths.count("/api/v1/status") == len(restarts)
    assert ("pipeline did it" in out) is not command.startswith("wait")


def test_a_flow_that_is_on_its_way_for_too_long_is_exit_code_3(run: Run, tmp_path: Path) -> None:
    with small_service({"/api/v1/status": board(Health.PROGRESSING)}) as there:
        assert called(run, tmp_path, there, "wait", "--timeout", "0.2")[0] == 3


def test_who_waits_for_a_run_waits_over_a_restart(run: Run, tmp_path: Path) -> None:
    listed = in_turn(
        runs("DEAD"), runs("DEAD"), hang_up, AWAY, runs("DEAD", "RUNNING"), AWAY, runs("DEAD", "COMPLETED")
    )
    asked = json_answer({"message": "pipeline asked for a run of alpha"}, 202)
    with small_service({"/api/v1/executions": listed, "/api/v1/trigger": asked}) as there:
        code, out, times_away = called(run, tmp_path, there, "trigger", "alpha", "--wait")
    assert (code, times_away) == (0, 2)
    assert out == "pipeline asked for a run of alpha: execution e-1\nexecution e-1 is COMPLETED\n"


def test_a_run_that_goes_on_for_too_long_is_exit_code_3(run: Run, tmp_path: Path) -> None:
    asked = json_answer({"message": "asked"}, 202)
    answers: Answers = {"/api/v1/executions": in_turn(runs(), runs("RUNNING")), "/api/v1/trigger": asked}
    with small_service(answers) as there:
        assert called(run, tmp_path, there, "trigger", "alpha", "--wait", "--timeout", "0.2")[0] == 3


def test_a_run_is_named_for_machines_without_a_wait_for_its_end(run: Run, tmp_path: Path) -> None:
    asked = json_answer({"message": "asked"}, 202)
    answers: Answers = {
        "/api/v1/executions": in_turn(runs(), runs(), runs("PENDING")),
        "/api/v1/trigger": asked,
    }
    with small_service(answers) as there:
        configure(tmp_path, http={"port": urlsplit(there.url).port})
        ended = run("trigger", "alpha", "-o", "json")
        assert (ended.code, ended.json()["execution"]["id"]) == (0, "e-0")
        there.answers["/api/v1/executions"] = in_turn(runs(), runs("PENDING"))
        assert run("trigger", "alpha", "-o", "name").out == "e-0\n"


def test_a_run_that_does_not_start_soon_is_not_waited_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aicore_sync.cli.act.STARTING", 0.05)
    asked = json_answer({"message": "asked"}, 202)
    with small_service({"/api/v1/executions": runs("COMPLETED"), "/api/v1/trigger": asked}) as there:
        configure(tmp_path, http={"port": urlsplit(there.url).port})
        ended = run("trigger", "alpha", "-o", "json")
    assert (ended.code, ended.json()["execution"]) == (0, None)
    assert "aicore-sync get executions alpha" in ended.said
