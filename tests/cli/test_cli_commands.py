"""The commands as people and pipelines use them: what they print, where, and with which exit code."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_line import Run, add_template, configure, runner
from githosts import git, make_remote

from aicore_sync import __version__
from aicore_sync.core.model import FlowKey, Health, Status, TemplateKey
from aicore_sync.store import Store

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICORE_SYNC_CONFIG", raising=False)
    return runner(monkeypatch, capsys)


COMMANDS = ("run", "plan", "apply", "render", "lint", "status", "schema", "demo", "config", "config check")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    ended = run(*command.split(), "--help")
    assert ended.code == 0
    usage = ended.out.splitlines()[0]
    assert re.match(
        rf"Usage: .* {command} ", usage
    )  # what stands before it depends on how pytest was started


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").out == f"{__version__}\n"


def test_without_a_command_the_list_of_commands_is_shown(run: Run) -> None:
    ended = run()
    assert ended.code == 2
    assert "Commands:" in ended.out + ended.err


@pytest.mark.parametrize(
    "arguments", [("plann",), ("plan", "--fast"), ("schema", "flow"), ("plan", "-o", "xml")]
)
def test_wrong_use_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


# --- configuration ---


@pytest.mark.parametrize("what", ["config", "manifest"])
def test_schema_prints_a_json_schema(run: Run, what: str) -> None:
    ended = run("schema", what)
    assert ended.code == 0
    assert "2020-12" in ended.json()["$schema"]
    assert ended.json()["properties"]


def test_the_example_can_be_saved_and_checked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(run("config", "example").out)
    ended = run("config", "check")
    assert (ended.code, ended.out) == (2, "")
    assert "flows is not a directory" in ended.said
    (tmp_path / "flows").mkdir()
    assert run("config", "check").code == 0


def test_a_misspelt_key_is_named_with_the_one_that_was_meant(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, ownr="x")
    ended = run("config", "check", "-c", file)
    assert (ended.code, ended.out) == (2, "")
    assert "ownr" in ended.said
    assert "did you mean" in ended.said.lower()
    assert "Traceback" not in ended.err


def test_a_configuration_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    ended = run("plan", "-c", "nowhere.yaml")
    assert ended.code == 2
    assert "nowhere.yaml: found no such file" in ended.said


def test_the_configuration_is_found_by_its_variable(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AICORE_SYNC_CONFIG", str(configure(tmp_path)))
    monkeypatch.chdir("/")
    assert run("config", "check").code == 0


def test_a_missing_secret_is_exit_code_5_and_the_others_are_looked_at_too(run: Run, tmp_path: Path) -> None:
    login = {"username": "git", "password": {"env": "NO_SUCH_VARIABLE"}}
    repositories = [{"name": "templates", "url": "https://git.example.com/t.git", "credentials": login}]
    file = configure(tmp_path, repositories=repositories)
    (tmp_path / "key.json").unlink()
    ended = run("config", "check", "-c", file)
    assert (ended.code, ended.out) == (5, "")
    assert "NO_SUCH_VARIABLE" in ended.said
    assert [ended.said.count(key) for key in ("tenants[0].serviceKey", "credentials.password")] == [1, 1]


def test_a_service_key_that_is_none_and_a_secret_of_a_letter_are_seen(run: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a")
    login = {"username": "git", "password": {"file": "password"}}
    repositories = [{"name": "templates", "url": "https://git.example.com/t.git", "credentials": login}]
    file = configure(tmp_path, repositories=repositories)
    ended = run("config", "check", "-c", file)
    assert ended.code == 0, ended.err
    assert "credentials.password: warning: a secret of less than 4 characters" in ended.said
    (tmp_path / "key.json").write_text("{}")
    ended = run("config", "check", "-c", file)
    assert (ended.code, ended.out) == (5, "")
    assert "tenants.main.serviceKey" in ended.said


# --- render and lint, on a hand-written template: no Metaflow needed ---


@pytest.mark.parametrize("name", ["count-words", "words/template.yaml", "./words/template.yaml"])
def test_render_prints_the_template_that_would_be_published(run: Run, tmp_path: Path, name: str) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    ended = run("render", name, "-c", file)
    assert ended.code == 0, ended.err
    document = yaml.safe_load(ended.out)
    assert document["metadata"]["name"] == "count-words"
    assert document["metadata"]["annotations"]["aicore-sync/owner"] == "team"
    assert re.fullmatch(r"1\.0\.0-[0-9a-f]{8}", document["metadata"]["labels"]["ai.sap.com/version"])
    assert not (tmp_path / "remote.git").exists()


def test_render_writes_the_same_bytes_to_a_directory(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    printed = run("render", "count-words", "-c", file).out
    ended = run("render", "count-words", "-c", file, "--out", tmp_path / "made")
    assert (ended.code, ended.out) == (0, "")
    assert (tmp_path / "made" / "wt-count-words.yaml").read_text() == printed


def test_render_of_an_unknown_flow_names_the_known_ones(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    ended = run("render", "count-worms", "-c", file)
    assert ended.code == 2
    assert "known are: count-words" in ended.said


def test_render_of_a_broken_flow_says_what_is_wrong_with_it(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path, "template: template.yaml\nversoin: '1.0'\n")
    ended = run("render", "words/aicore.yaml", "-c", file)
    assert ended.code == 2
    assert "versoin" in ended.said
    assert "aicore.yaml:2" in ended.said


def test_lint_is_quiet_about_a_good_source_and_loud_about_a_bad_one(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    template = add_template(tmp_path)
    assert run("lint", "-c", file).code == 0
    template.write_text(template.read_text().replace("docker.io/library/python:3.11-slim", "python"))
    ended = run("lint", "-c", file, "-o", "json")
    assert ended.code == 2
    assert "AC126" in [finding["code"] for finding in ended.json()["findings"]]


def test_secrets_of_the_configuration_never_reach_a_template(run: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open-sesame-4711")
    login = {"username": "git", "password": {"file": "password"}}
    repositories = [{"name": "templates", "url": "https://git.example.com/t.git", "credentials": login}]
    file = configure(tmp_path, repositories=repositories)
    template = add_template(tmp_path)
    template.write_text(template.read_text().replace("print('words')", "print('open-sesame-4711')"))
    for command in (("lint",), ("render", "count-words")):
        ended = run(*command, "-c", file)
        assert ended.code == 2
        assert "open-sesame-4711" not in ended.out + ended.err


# --- plan, apply, status ---


def test_off_the_terminal_a_row_is_one_line_however_long(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    lines = run("plan", "-c", file).out.splitlines()
    assert any(len(line) > 90 for line in lines)
    assert all(re.match(r"(KEY|count-words|\*@main|[0-9]+ |$)", line) for line in lines)
    # the repository cannot be reached
    assert re.match("[0-9]+ things? needs? a person; (nothing else to do|[0-9]+ actions); ", lines[-1])
    assert run("plan", "-c", file, "-o", "name").out == ""


def test_commands_log_for_people_and_as_much_as_is_asked_for(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    said = run("plan", "-c", file).err
    assert "warning" in said
    assert '{"' not in said
    assert run("--log", "error", "plan", "-c", file).err == ""
    chosen = configure(tmp_path, log={"format": "json"})
    assert json.loads(run("plan", "-c", chosen).err)["level"] == "warning"


def test_a_command_that_writes_nothing_claims_no_name_for_the_lock(run: Run, tmp_path: Path) -> None:
    run("plan", "-c", configure(tmp_path))
    assert not list(tmp_path.rglob("holder-*"))


def test_plan_of_an_unreachable_world_is_an_answer_in_every_form(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    ended = run("plan", "-c", file, "-o", "json")
    assert ended.code == 2
    assert set(ended.json()) == {"fingerprint", "plans"}
    assert {plan["key"] for plan in ended.json()["plans"]} == {
        "count-words@main",
        "count-words/dev",
        "*@main",
    }
    holds = [hold for plan in ended.json()["plans"] for hold in plan["holds"]]
    assert all(hold["reason"] and hold["message"] for hold in holds)
    assert yaml.safe_load(run("plan", "-c", file, "-o", "yaml").out).keys() == ended.json().keys()
    assert "fingerprint" in run("plan", "-c", file).out


def test_paths_in_a_configuration_named_without_a_directory_hold(run: Run, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "remote.git")], check=True)
    configure(tmp_path)
    add_template(tmp_path)
    plans = run("plan", "-o", "json").json()["plans"]
    reasons = {hold["reason"] for plan in plans for hold in plan["holds"]}
    assert reasons == {
        "TokenUnavailable"
    }  # the clone below the relative cacheDir works, AI Core is not there


def test_apply_with_another_fingerprint_does_nothing(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    remote = make_remote(tmp_path, "remote.git")
    ended = run("apply", "-c", file, "--expect", "0123456789ab")
    assert ended.code == 2
    assert "the plan has changed" in ended.said
    assert git(remote, "for-each-ref", "refs/heads/main") == ""


def remember(room: Path, *statuses: Status) -> None:
    async def put() -> None:
        store = Store(room / "state" / "history.db")
        for status in statuses:
            await store.put(status.key, status)
        await store.close()

    asyncio.run(put())


def test_status_without_a_service_shows_the_last_known_state(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    remember(
        tmp_path,
        Status(FlowKey("count-words", "dev"), Health.HEALTHY, "everything is as the manifest says"),
        Status(TemplateKey("main", "count-words"), Health.HEALTHY, "all is well"),
    )
    ended = run("status", "-c", file)
    assert ended.code == 0
    assert "no service answers" in ended.said
    assert "count-words/dev" in ended.out
    assert "count-words@main" in ended.out
    assert run("status", "-c", file, "-o", "json").json()["items"][0]["health"] == "Healthy"


def test_status_says_by_its_exit_code_that_somebody_must_act(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    message = "LintFailed: spec.templates[end].container.image: no registry"
    remember(tmp_path, Status(FlowKey("count-words", "dev"), Health.ATTENTION, message))
    ended = run("status", "-c", file)
    assert ended.code == 4
    assert "spec.templates[end]" in "".join(ended.out.split())


@pytest.mark.parametrize("command", ["status", "events"])
def test_nothing_known_is_not_that_all_is_well(run: Run, tmp_path: Path, command: str) -> None:
    ended = run(command, "-c", configure(tmp_path), "-o", "json")
    assert (ended.code, ended.out) == (2, "")
    assert "no service answers, and none has left its history in" in ended.said
    remember(tmp_path, Status(FlowKey("count-words", "dev"), Health.HEALTHY, "all is well"))
    assert run(command, "-o", "json").code == 0
    ended = run("events", "count-wrods")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean `count-words`" in ended.said


# --- as a process ---


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("aicore-sync")
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return subprocess.run(
        [str(script), *arguments], env=clean, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_sandbox_lists_its_own_options() -> None:
    ended = start("sandbox", "--help")
    assert ended.returncode == 0
    assert "--executor" in ended.stdout


def test_colours_come_only_where_they_are_wanted(tmp_path: Path) -> None:
    file = configure(tmp_path)
    remember(tmp_path, Status(FlowKey("count-words", "dev"), Health.HEALTHY, "all is well"))
    arguments = ("status", "-c", str(file))
    assert COLOUR.search(start(*arguments, FORCE_COLOR="1", TERM="xterm-256color").stdout)
    assert not COLOUR.search(start(*arguments).stdout)
    assert not COLOUR.search(start(*arguments, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm-256color").stdout)


def test_results_go_to_stdout_and_everything_else_to_stderr(tmp_path: Path) -> None:
    file = configure(tmp_path)
    remember(tmp_path, Status(FlowKey("count-words", "dev"), Health.HEALTHY, "all is well"))
    ended = start("status", "-c", str(file), "-o", "json")
    assert [item["name"] for item in json.loads(ended.stdout)["items"]] == ["count-words"]
    assert "no service answers" in ended.stderr


@pytest.mark.parametrize("arguments", ["--help", "schema config"])
def test_a_reader_that_goes_away_does_not_look_like_changes(arguments: str) -> None:
    script = Path(sys.executable).with_name("aicore-sync")
    command = ["bash", "-o", "pipefail", "-c", f"{script} {arguments} | true"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (141, "")
