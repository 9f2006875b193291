"""The commands for single runs, as far as they go without an AI Core."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Run, add_template, configure, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


@pytest.mark.parametrize("command", ["trigger", "stop", "logs", "get executions"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    ended = run(*command.split(), "--help")
    assert ended.code == 0
    assert (
        f" {command} " in ended.out.splitlines()[0]
    )  # what stands before it depends on how pytest was started


@pytest.mark.parametrize(
    "arguments", [("trigger",), ("stop",), ("logs",), ("get", "executions", "--limit", "0")]
)
def test_wrong_use_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")


def test_a_flow_that_is_not_in_the_source_is_refused_before_anything_is_asked(
    run: Run, tmp_path: Path
) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    ended = run("trigger", "count-wrods", "-c", file)
    assert ended.code == 2
    assert "known are: count-words/dev" in ended.said


@pytest.mark.parametrize("command", ["stop", "logs"])
def test_an_environment_that_is_not_configured_is_named(run: Run, tmp_path: Path, command: str) -> None:
    ended = run(command, "e1", "-e", "prod", "-c", configure(tmp_path))
    assert ended.code == 2
    assert "it names dev" in ended.said


def test_a_flow_that_is_there_but_broken_is_not_called_unknown(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path, "template: template.yaml\nversoin: '1.0'\n")
    ended = run("trigger", "count-words", "-c", file)
    assert ended.code == 2
    assert "versoin" in ended.said
