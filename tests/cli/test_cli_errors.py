"""How commands end when the service refuses, is something else, or when they themselves are wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command_line import Ended, Run, configure, runner
from small_service import answer, broken_stream, in_turn, json_answer, small_service

from aicore_sync.cli import status as status_command
from aicore_sync.cli.events import _followed, _sorted, _tell
from aicore_sync.cli.work import tell_progress
from aicore_sync.core.chronicle import Event
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import FlowKey, Health, Status
from aicore_sync.core.statuses import EventAnswer, event_answer
from aicore_sync.store import EventQuery
from aicore_sync.terminal import Form

TOKEN = "a-token-for-tests-only"
REFUSED = json_answer({"error": {"message": "The token is not one of http.login.tokens."}}, 401)
HTML = answer(b"<html>hello</html>", "text/html")
EMPTY = json_answer({"summary": {}, "info": {}, "items": []})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("AICORE_SYNC_CONFIG", "AICORE_SYNC_URL", "AICORE_SYNC_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return runner(monkeypatch, capsys)


def at(url: str, room: Path) -> None:
    """Configure a service that is expected there."""
    configure(room, http={"port": urlsplit(url).port})


def ends(ended: Ended, code: int, words: str) -> None:
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert words in ended.said
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (HTML, "is this aicore-sync?"),
        (json_answer({"status": "UP"}), "is this aicore-sync?"),
        (answer(b"", "text/html", 301, Location="https://example.com/x?token=abc"), "https://example.com/x"),
        (answer(b"busy", "text/plain", 500), "ServiceFailed"),
    ],
)
def test_what_is_no_service_is_told_in_words(run: Run, page: object, words: str) -> None:
    with small_service({"/api/v1/status": page}) as there:  # type: ignore[dict-item]
        ended = run("--url", there.url, "status")
    ends(ended, 2, words)
    assert "token=abc" not in ended.said


@pytest.mark.parametrize("url", ["http://[::1", "service.example.com", "ftp://example.com", "http://"])
def test_an_address_that_is_none_is_told_in_words(run: Run, url: str) -> None:
    ends(run("--url", url, "status"), 2, "ServiceRefused")


@pytest.mark.parametrize("token", ["bad\ntoken", "bäd-token", "bad\x7ftoken"])
def test_a_token_that_cannot_be_one_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("AICORE_SYNC_TOKEN", token)
    with small_service({"/api/v1/status": EMPTY}) as there:
        ended = run("--url", there.url, "status")
    ends(ended, 5, "AICORE_SYNC_TOKEN")
    assert "bad" not in ended.err + ended.out
    assert there.asked == []


@pytest.mark.parametrize(
    "command", ["suspend alpha", "sync alpha", "trigger alpha", "stop e-1", "status", "get flows", "events"]
)
def test_a_refused_token_ends_the_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("AICORE_SYNC_TOKEN", TOKEN)
    paths = ("suspend", "sync", "trigger", "stop", "status", "events", "executions")
    with small_service({f"/api/v1/{path}": REFUSED for path in paths}) as there:
        at(there.url, tmp_path)
        ended = run(*command.split())
    ends(ended, 5, "Unauthorized")
    assert TOKEN not in ended.err


def test_a_token_goes_to_this_owners_service_only(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AICORE_SYNC_TOKEN", TOKEN)
    other = {"/api/v1/info": json_answer({"owner": "others", "version": "0"}), "/api/v1/status": EMPTY}
    for answers in (other, {"/api/v1/info": HTML}, {"/api/v1/info": answer(b"", "", 302, Location="/x")}):
        with small_service(answers) as there:
            at(there.url, tmp_path)
            run("events")
        assert there.paths == ["/api/v1/info"]
        assert there.tokens == [""]
    with small_service({"/api/v1/events": json_answer({"items": []})}) as there:
        at(there.url, tmp_path)
        assert run("events").code == 0
    assert there.tokens == ["", f"Bearer {TOKEN}"]


def test_what_the_system_refuses_is_a_sentence(run: Run, tmp_path: Path) -> None:
    configure(tmp_path)
    ends(run("doctor", "--file", "/nonexistent/x"), 2, "/nonexistent/x: found no such directory")
    ends(run("render", "nothing", "--out", "/proc/x"), 2, "SystemRefused: /proc/x: ")


def test_a_defect_is_exit_code_2_and_its_traceback_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AICORE_SYNC_TOKEN", TOKEN)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def breaks(*_: object) -> None:
        raise RuntimeError(f"odd [red] {TOKEN}")

    monkeypatch.setattr(status_command, "joined", breaks)
    with small_service({"/api/v1/status": EMPTY}) as there:
        ended = run("--url", there.url, "status")
    ends(ended, 2, "Defect: RuntimeError: odd [red] ***")
    (kept,) = tmp_path.glob("aicore-sync-*.txt")
    assert str(kept) in ended.said
    assert "Traceback" in kept.read_text()
    assert TOKEN not in kept.read_text()


def test_a_followed_log_goes_on_after_a_restart_without_loss_or_doubling(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("service", "logs"):
        monkeypatch.setattr(f"aicore_sync.cli.{place}.AGAIN", 0.01)
    at_ = "2026-03-04T05:0{}:00+00:00 p/main"
    lines = [
        f"{at_.format(1)} early",
        f"{at_.format(5)} 10%\r20%\x0cwith\u2028breaks",
        f"{at_.format(5)} twice",
        f"{at_.format(5)} twice",
        "  a second line of it",
        f"{at_.format(6)} cut",
        f"{at_.format(4)} of another pod, late",
        f"{at_.format(7)} the end",
    ]
    first = "\n".join(lines[:5]) + "\n" + lines[5][:30]
    restarts = (broken_stream(first.encode()), answer(b"", "text/plain", 503), broken_stream(b""))
    parts = (lines[1:7], lines[1:], [*lines[1:6], lines[7]])  # from `since` on
    log = in_turn(*restarts, *(answer("\n".join(part).encode() + b"\n", "text/plain") for part in parts))
    run_is = in_turn(json_answer({"status": "RUNNING"}), json_answer({"status": "COMPLETED"}))
    with small_service({"/api/v1/executions/e-1/log": log, "/api/v1/executions/e-1": run_is}) as there:
        at(there.url, tmp_path)
        ended = run("logs", "e-1", "-f")
    assert (ended.code, ended.out) == (0, "".join(f"{line}\n" for line in lines))
    assert any("since=2026-03-04T05%3A03%3A00%2B00%3A00" in path for path in there.paths)
    assert ended.err.count("trying again") == 1


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
async def test_watched_events_go_on_after_a_restart(monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    monkeypatch.setattr("aicore_sync.cli.service.AGAIN", 0.01)
    monkeypatch.setattr("aicore_sync.app.patience.FIRST", 0.01)
    old = [happened(7), happened(8)]
    history = [happened(1)] if lost else [*old, happened(9)]
    away = [Transient("away"), Transient("away")]

    async def read(query: EventQuery) -> list[Event]:
        if away:
            raise away.pop()
        if query.after is None:
            return history[-query.limit :]
        return [event for event in history if event.id > query.after]

    followed = _followed(read, EventQuery(), old)
    async with asyncio.timeout(10):
        assert [(await anext(followed)).id for _ in range(3)] == [7, 8, 1 if lost else 9]
    await followed.aclose()  # type: ignore[attr-defined]


async def test_events_stand_by_their_time_and_none_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aicore_sync.app.patience.FIRST", 0.01)
    history = [happened(9, hour=1), happened(8, hour=2), happened(7, hour=2), happened(10, hour=3)]

    async def read(query: EventQuery) -> list[Event]:
        return [e for e in history if query.after is None or e.id > query.after]

    first = await _sorted(read, EventQuery())
    assert [event.id for event in first] == [9, 7, 8, 10]
    followed = _followed(read, EventQuery(), first[:3])  # the one with the highest id stands first
    async with asyncio.timeout(10):
        assert [(await anext(followed)).id for _ in range(4)] == [9, 7, 8, 10]
    await followed.aclose()  # type: ignore[attr-defined]


def test_watched_events_are_lines_for_machines(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    event = replace(happened(7), message="words :x: [red] " * 40)
    _tell(event, Form.JSON)
    (line,) = capsys.readouterr().out.splitlines()
    assert EventAnswer.model_validate_json(line) == event_answer(event)
    ended = run("events", "-w", "-o", "yaml")
    assert (ended.code, ended.out) == (2, "")
    assert "one event in a line" in ended.said


def happened(number: int, hour: int = 0) -> Event:
    return Event(datetime(2026, 3, 4, hour, tzinfo=UTC), "action", "SyncAsked", "somebody asked", id=number)


def test_news_of_a_flow_are_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    words = "nothing lies where it should " * 10
    tell_progress(Status(FlowKey("alpha", "dev"), Health.ATTENTION, words))
    assert capsys.readouterr().err == f"NeedsAttention alpha/dev: {words}\n"
