"""Commands that look, against a sandbox: each prints what AI Core and git hold."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from cli_world import QUICK, CliWorld, cli_world
from command_line import Run, runner
from githosts import file_at, git
from rich.console import Console

from aicore_sync.cli import progress as bars
from aicore_sync.core.kinds import answer_schema

ALPHA = {
    "name": "main",
    "parameters": {"alpha": "1"},
    "run": "onChange",
    "schedule": {"cron": "30 2 * * *"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliWorld]:
    """Flow alpha runs on change and nightly, beta is only published; both were applied."""
    with cli_world(tmp_path_factory.mktemp("looks")) as made:
        made.write("alpha", configurations=[ALPHA])
        made.write("beta")
        yield made


@pytest.fixture
def run(
    world: CliWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    monkeypatch.setenv("AICORE_SYNC_CONFIG", str(world.config))
    monkeypatch.delenv("AICORE_SYNC_URL", raising=False)
    command = runner(monkeypatch, capsys)
    if not (world.room / "applied").exists():
        applied = command("apply", "--timeout", "60")
        assert applied.code == 0, applied.err
        (world.room / "applied").touch()
    return command


def test_get_lists_every_kind_in_every_form(run: Run) -> None:
    flows = run("get", "flows", "-o", "json").json()["flows"]
    assert [(f["name"], f["environment"], f["health"]) for f in flows] == [
        ("alpha", "dev", "Healthy"),
        ("beta", "dev", "Healthy"),
    ]
    (configuration,) = run("get", "configurations", "-o", "json").json()["configurations"]
    assert (configuration["flow"], configuration["name"], configuration["parameters"]) == (
        "alpha", "main", {"alpha": "1"},
    )  # fmt: skip
    (schedule,) = run("get", "schedules", "alpha", "-o", "json").json()["schedules"]
    assert (schedule["cron"], schedule["configuration"]) == ("30 2 * * *", configuration["id"])
    assert schedule["next"].endswith("T02:30:00Z")
    (execution,) = run("get", "executions", "-o", "json").json()["executions"]
    assert (execution["by"], execution["configurationId"]) == ("aicore-sync", configuration["id"])
    assert run("get", "executions", "-o", "name").out == f"{execution['id']}\n"
    (tenant,) = run("get", "tenants", "-o", "json").json()["tenants"]
    assert (tenant["sync"], tenant["environments"], tenant["problem"]) == ("Synced", ["dev"], "")
    assert run("get", "artifacts", "-o", "json").json() == {"artifacts": []}
    titles = run("get", "flows").out.splitlines()[0].split()
    assert run("get", "flows", "-o", "wide").out.splitlines()[0].split()[: len(titles)] == titles
    assert run("get", "schedules", "beta", "-o", "yaml").out == "schedules: []\n"


@pytest.mark.parametrize(
    "command",
    ["get flows", "get schedules", "get executions", "get artifacts", "ticks", "history", "diff"],
)
def test_a_typo_does_not_look_as_if_all_were_well(run: Run, command: str) -> None:
    ended = run(*command.split(), "alhpa")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean `alpha`" in ended.said
    if command in ("diff", "history"):
        assert "there is no flow nope; known are: alpha, beta" in run(command, "nope").said
    else:
        ended = run(*command.split(), "-e", "dve")
        assert (ended.code, ended.out) == (2, "")
        assert "there is no environment dve; did you mean `dev`" in ended.said


@pytest.mark.parametrize(
    "command",
    [
        "get flows",
        "get configurations",
        "get sources",
        "get tenants",
        "tree",
        "history beta",
        "diff",
        "check",
    ],
)
def test_what_is_printed_for_machines_is_what_the_schema_says(run: Run, command: str) -> None:
    ended = run(*command.split(), "-o", "json")
    assert ended.code == (5 if command == "check" else 0), ended.err  # this world's object store has no keys
    assert len(ended.json()) == 1
    jsonschema.validate(ended.json(), answer_schema() | {"additionalProperties": False})


def test_the_tree_goes_from_the_scenario_to_the_run(run: Run) -> None:
    lines = [line.strip("│├└─ ") for line in run("tree", "words").out.splitlines()]
    assert [line.split()[0] for line in lines] == [
        "scenario", "flow", "template", "configuration", "schedule", "execution", "flow", "template",
    ]  # fmt: skip
    assert lines[2].startswith("template alpha@t 1.0.0-")
    ended = run("tree", "wrods")
    assert ended.code == 2
    assert "did you mean" in ended.said


def test_a_run_is_traced_back_to_the_commit_and_compared_with_itself(run: Run, world: CliWorld) -> None:
    (identity,) = run("get", "executions", "-o", "name").out.split()
    traced = run("trace", identity, "-o", "json").json()
    head = file_at(world.remote, "templates/wt-alpha.yaml")
    assert head is not None
    assert traced["certain"] is True
    assert traced["template"]["version"] in head.decode()
    last = git(world.remote, "log", "-1", "--format=%H", "main", "--", "templates/wt-alpha.yaml")
    assert last == traced["template"]["commit"]
    assert traced["configuration"]["parameters"] == {"alpha": "1"}
    assert traced["source"] == traced["template"]["source"] != ""
    compared = run("compare", identity, identity, "-o", "json").json()
    assert not any(line["differs"] for line in compared["lines"])
    assert ["alpha", ["1", "1"]] in [[line["name"], line["values"]] for line in compared["lines"]]
    ended = run("trace", "nope")
    assert (ended.code, ended.out) == (2, "")


def test_ticks_are_shown_in_utc_and_local_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        rows = [line.split() for line in run("ticks", "-n", "2").out.splitlines()[1:]]
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert [(row[1], row[3], row[4]) for row in rows] == [("02:30:00", "11:30:00", "JST")] * 2
    assert [tick["flow"] for tick in run("ticks", "-n", "3", "-o", "json").json()["ticks"]] == ["alpha"] * 3


def test_diff_says_in_words_what_an_edit_would_change(run: Run, world: CliWorld) -> None:
    assert run("diff").out == "no change\n"
    edited = ALPHA | {"schedule": {"cron": "0 4 * * *"}, "parameters": {"alpha": "2"}}
    world.write("alpha", configurations=[edited], code="print(2)")
    try:
        ended = run("diff", "alpha", "-o", "json")
        assert ended.code == 1, ended.err
        changes = {
            f"{found['key']} {change['subject']}: {change['what']}"
            for found in ended.json()["differences"]
            for change in found["changes"]
        }
        assert changes == {
            "alpha@t step count: command changed",
            "alpha/dev configuration main: alpha 1 → 2",
            "alpha/dev configuration main: runs once with the new content",
            "alpha/dev schedule main: re-pointed",
            "alpha/dev schedule main: cron 30 2 * * * → 0 4 * * *",
        }
        assert run("diff", "beta").code == 0
        planned = run("plan", "-o", "json").json()
        jsonschema.validate(planned, answer_schema() | {"$ref": "#/$defs/PlanAnswer", "properties": {}})
        assert changes == {
            f"{plan['key']} {change['subject']}: {change['what']}"
            for plan in planned["plans"]
            for change in plan["changes"]
        }
        assert "step count: command changed" in run("plan").out
        assert run("plan", "--raw").out == run("diff", "--raw").out
        raw = run("diff", "--raw").out.splitlines()
        assert {'-      - "print(1)"', '+      - "print(2)"'} <= set(raw)
        assert run("diff", "-o", "name").out.split() == ["alpha@t", "alpha/dev"]
    finally:
        world.write("alpha", configurations=[ALPHA])


def test_what_cannot_be_read_is_said_once_for_each_key(run: Run, world: CliWorld) -> None:
    manifest = world.room / "flows" / "alpha" / "aicore.yaml"
    good = manifest.read_text()
    manifest.write_text(f"{good}\nschedul: x\n")
    try:
        ended = run("diff")
        assert ended.code == 2
        assert ended.err.count("schedul: found unknown key") == 1
        assert ended.out == "no change in what can be compared\n"
        planned = run("plan", "-o", "json").json()["plans"]
        holds = {p["key"]: [h["reason"] for h in p["holds"]] for p in planned if p["holds"]}
        assert holds == {"alpha@t": ["ManifestInvalid"], "alpha/dev": ["ManifestInvalid"]}
        assert "1 flow needs a person; nothing else to do; fingerprint" in run("plan").out
        assert broken_flows(run) == [(1, 1)]
        gamma = world.room / "flows" / "gamma"
        gamma.mkdir()
        (gamma / "flow.py").write_text("class Gamma(FlowSpec):\n    def (\n")
        (gamma / "aicore.yaml").write_text("flow: flow.py\nexecutable: {id: gamma}\nenvironments: [dev]\n")
        assert broken_flows(run) == [(2, 2)], "a flow whose code cannot be read is broken, too"
    finally:
        manifest.write_text(good)
        shutil.rmtree(world.room / "flows" / "gamma", ignore_errors=True)


def broken_flows(run: Run) -> list[tuple[int, int]]:
    return [(s["flows"], s["broken"]) for s in run("get", "sources", "-o", "json").json()["sources"]]


@pytest.mark.slow
def test_a_rollback_holds_until_the_source_moves_on(run: Run, world: CliWorld) -> None:
    def published() -> str:
        return (file_at(world.remote, "templates/wt-beta.yaml") or b"").decode()

    def pins() -> list[str]:
        names = git(world.remote, "ls-tree", "-r", "--name-only", "aicore-sync/team").split()
        return [name for name in names if name.startswith("pinned/")]

    first = published()
    assert run("rollback", "beta").code == 2  # there is no earlier version
    world.write("beta", code="print(2)")
    assert run("apply").code == 0
    second = published()
    ended = run("rollback", "beta", "--reason", "wrong numbers")
    assert ended.code == 0, ended.err
    assert published() == first != second
    assert pins() == ["pinned/t/beta.json"]
    assert git(world.remote, "log", "-1", "--format=%s").startswith("flows: beta back to 1.0.0-")
    assert run("diff").code == 0
    (flow,) = run("get", "flows", "beta", "-o", "json").json()["flows"]
    assert flow["health"] == "Healthy"
    assert "wrong numbers" in flow["message"]
    versions = run("history", "beta", "-o", "json").json()["versions"]
    assert [(v["live"], v["changes"]) for v in versions] == [
        (True, ["step count: command changed"]),
        (False, ["step count: command changed"]),
        (False, ["template: new"]),
    ]
    world.write("beta", code="print(3)")
    assert run("apply").code == 0
    assert "print(3)" in published()
    assert pins() == []


@pytest.mark.slow
def test_a_rollback_can_be_ended_and_go_to_any_version(run: Run, world: CliWorld) -> None:
    first = run("history", "beta", "-o", "json").json()["versions"][-1]["commit"]
    before = file_at(world.remote, "templates/wt-beta.yaml")
    assert run("rollback", "beta", "--to", first[:10]).code == 0
    assert b"print(1)" in (file_at(world.remote, "templates/wt-beta.yaml") or b"")
    assert "its rollback ends" in run("rollback", "beta", "--undo").out
    assert file_at(world.remote, "templates/wt-beta.yaml") == before
    assert "was not rolled back" in run("rollback", "beta", "--undo").out
    assert "no commit 0123456" in run("rollback", "beta", "--to", "0123456").said


@pytest.mark.slow
def test_gc_shows_what_the_manifest_dropped_and_one_look_takes_nothing(run: Run, world: CliWorld) -> None:
    world.write("alpha", configurations=[{key: ALPHA[key] for key in ALPHA if key != "schedule"}])
    world.configure(reconcile=QUICK | {"goneAfter": "1m"})
    try:
        ended = run("gc", "--dry-run", "-o", "json")
        assert ended.code == 0, ended.err
        assert ended.json()["actions"] == []
        assert [(one["key"], one["reason"]) for one in ended.json()["waiting"]] == [
            ("alpha/dev", "SourceMissing")
        ]
        assert ended.json()["retained"] >= 1
        assert run("get", "schedules", "-o", "json").json()["schedules"]
    finally:
        world.configure()
        world.write("alpha", configurations=[ALPHA])


def test_the_bundle_for_support_holds_everything_but_secrets(
    run: Run, world: CliWorld, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    ended = run("doctor", "--file", bundle)
    assert ended.code == 0, ended.err
    with tarfile.open(bundle) as archive:
        texts = {
            Path(item.name).name: (archive.extractfile(item) or io.BytesIO()).read().decode()
            for item in archive.getmembers()
        }
    assert set(texts) == {
        "about.json", "config.yaml", "check.json", "plan.json", "state.json", "events.json", "service.json",
    }  # fmt: skip
    assert {plan["key"] for plan in json.loads(texts["plan.json"])} >= {"alpha@t", "alpha/dev"}
    assert json.loads(texts["about.json"])["version"]
    key = world.ready["serviceKeys"]["default"]
    for secret in (key["clientsecret"], world.ready["git"]["password"]):
        assert not any(secret in text for text in texts.values())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run: Run, shell: str) -> None:
    ended = run("completion", shell)
    assert ended.code == 0
    assert "_AICORE_SYNC_COMPLETE" in ended.out
    if shell == "bash":
        checked = subprocess.run(["bash", "-n"], input=ended.out, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


async def test_a_bar_shows_on_a_terminal_when_work_takes_long_and_never_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for terminal, patience, shown in ((True, 0.0, True), (True, 60.0, False), (False, 0.0, False)):
        text = io.StringIO()
        monkeypatch.setattr(bars, "err", Console(file=text, force_terminal=terminal, width=80))
        async with bars.progress("planning", patience) as bar:
            await asyncio.sleep(0)  # the bar's own task has its turn
            await asyncio.sleep(0)
            bar(1, 3)
        assert ("planning" in text.getvalue()) is shown
