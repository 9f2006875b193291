"""`aicore-sync lint`: what is checked, what is printed, how it ends."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import logging_restored
from typer.testing import CliRunner

from aicore_sync.cli.main import app
from aicore_sync.core.errors import InvalidInput

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples/flows/score-template/template.yaml"


def lint(*args: str | Path) -> tuple[int, str]:
    with logging_restored():
        done = CliRunner().invoke(app, ["lint", *map(str, args)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def findings(*args: str | Path) -> list[dict[str, Any]]:
    code, text = lint(*args, "-o", "json")
    found: list[dict[str, Any]] = json.loads(text)["findings"]
    assert code == (2 if any(f["severity"] == "error" for f in found) else 0)
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICORE_SYNC_CONFIG", raising=False)
    return tmp_path


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))
    return file


def line_of(file: Path, text: str) -> int:
    return next(at for at, line in enumerate(file.read_text().splitlines(), 1) if text in line)


def test_a_template_by_itself_needs_no_configuration(here: Path) -> None:
    good = write(here / "wt.yaml", TEMPLATE.read_text())
    assert lint(good) == (0, "1 checked, 0 errors, 0 warnings\n")
    good.write_text(good.read_text().replace("globalName: scorecard", "globalname: scorecard"))
    (misspelt, _orphan) = findings(good)
    assert (misspelt["code"], misspelt["file"], misspelt["step"]) == ("AC110", "wt.yaml", "score")
    assert misspelt["line"] == line_of(good, "globalname")
    assert misspelt["cure"] == "did you mean `globalName`?"


def test_a_whole_directory_is_looked_through(here: Path) -> None:
    write(here / "templates/wt.yaml", TEMPLATE.read_text())
    write(here / "templates/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n")
    write(here / "templates/notes.yaml", "some: notes\n")
    write(here / "templates/twice.yaml", "kind: WorkflowTemplate\nkind: WorkflowTemplate\n")
    found = {(f["code"], f["file"], f["line"]) for f in findings("templates")}
    assert found == {("AC106", "templates/secret.yaml", 2), ("AC100", "templates/twice.yaml", 2)}
    assert "3 checked" in lint("templates")[1]


def test_one_odd_template_does_not_hide_the_others(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = TEMPLATE.read_text().replace("  labels:\n", "  labels: |\n", 1)
    file = write(here / "odd/t.yaml", odd)
    write(here / "odd/aicore.yaml", "template: t.yaml\nexecutable: {id: odd-one}\n")
    write(here / "scor/t.yaml", TEMPLATE.read_text().replace("entrypoint: score", "entrypoint: scor"))
    write(here / "scor/aicore.yaml", "template: t.yaml\nexecutable: {id: other-one}\n")
    found = {(f["code"], f["file"], f["line"]) for f in findings()}
    assert ("AC114", "odd/t.yaml", line_of(file, "labels:")) in found
    assert "AC112" in {code for code, name, _ in found if name == "scor/t.yaml"}

    def broken(*_: Any) -> None:
        raise TypeError("nobody foresaw this")

    monkeypatch.setattr("aicore_sync.controller.judge.misshapen", broken)
    told = [f for f in findings() if f["code"] == "AC100"]
    assert [f["file"] for f in told] == ["odd/t.yaml", "scor/t.yaml"]


def test_findings_below_a_path_only(here: Path) -> None:
    for name in ("a", "b"):
        write(here / name / "wt.yaml", TEMPLATE.read_text().replace("entrypoint: score", "entrypoint: scor"))
    assert [f["file"] for f in findings()] == ["a/wt.yaml", "b/wt.yaml"]
    assert [f["file"] for f in findings("b")] == ["b/wt.yaml"]
    assert [f["file"] for f in findings("b/wt.yaml")] == ["b/wt.yaml"]


def test_manifests_and_flows_are_pointed_at_by_line(here: Path) -> None:
    manifest = """\
        template: template.yaml
        executable: {id: score-customers}
        artifacts:
          - {name: customers, kind: dataset, url: ai://default/data}
        configurations:
          - name: all
            parameters: {Cut: "0.4"}
            inputs: {customers: customers}
    """
    write(here / "score/template.yaml", TEMPLATE.read_text())
    file = write(here / "score/aicore.yaml", manifest)
    write(here / "broken.py", "from metaflow import FlowSpec\nclass A(FlowSpec)\n    pass\n")
    write(here / "idle.py", "from metaflow import FlowSpec\n\nclass Idle(FlowSpec):\n    pass\n")
    found = {f["code"]: (f["file"], f["line"]) for f in findings()}
    assert found["AC167"] == ("score/aicore.yaml", line_of(file, "name: all"))
    assert found["AC181"] == ("broken.py", 2)
    assert found["AC183"] == ("idle.py", 3)
    file.write_text(file.read_text().replace("data}", "data/}"))
    found = {f["code"]: (f["file"], f["line"]) for f in findings()}
    assert found["AC166"] == ("score/aicore.yaml", line_of(file, "data/"))


def test_the_configuration_decides_about_tenants_and_severities(here: Path) -> None:
    config = yaml.safe_load((ROOT / "config.example.yaml").read_text())
    config["sources"] = [{"name": "flows", "directory": "flows"}]
    config["lint"] = {"rules": {"AC128": {"severity": "error", "reason": "no hanging runs"}}}
    config.pop("defaults", None)
    environment = config["environments"][0]["name"]
    for name in ("a", "b"):
        text = TEMPLATE.read_text().replace("  activeDeadlineSeconds: 1800\n", "")
        write(here / f"flows/{name}/template.yaml", text)
        manifest = f"template: template.yaml\nenvironments: [{environment}]\n"
        write(here / f"flows/{name}/aicore.yaml", f"{manifest}executable: {{id: score-{name}}}\n")
    write(here / "config.yaml", yaml.safe_dump(config))
    assert findings() == []  # the manifest's timeout gives the deadline
    write(here / "flows/b/aicore.yaml", f"{manifest}executable: {{id: score-a}}\n")
    found = findings("-c", "config.yaml", "flows/b")
    assert [(f["code"], f["file"]) for f in found] == [("AC161", "flows/b/aicore.yaml")]
    assert [f["code"] for f in findings(write(here / "loose.yaml", text))] == ["AC128"]
    assert findings("loose.yaml")[0]["severity"] == "warning"  # outside of the source the defaults hold
    with pytest.raises(InvalidInput, match="a path outside of the source"):
        lint("-c", "config.yaml", "loose.yaml")


def test_every_form_tells_the_same(here: Path) -> None:
    file = write(here / "wt.yaml", TEMPLATE.read_text().replace("entrypoint: score", "entrypoint: scor"))
    line = line_of(file, "entrypoint")
    code, table = lint("wt.yaml")
    assert code == 2
    assert re.search(rf"error +AC112 +wt.yaml:{line} ", table)
    assert lint("wt.yaml", "-o", "github")[1].startswith(f"::error file=wt.yaml,line={line},title=AC112 ")
    (result,) = json.loads(lint("wt.yaml", "-o", "sarif")[1])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": line}
    assert yaml.safe_load(lint("wt.yaml", "-o", "yaml")[1])["findings"] == findings("wt.yaml")


def test_the_examples_render_and_have_no_findings(here: Path) -> None:
    assert findings(ROOT / "examples/flows") == []


def test_settings_of_metaflow_beside_flows_are_told_to_be_ignored(here: Path) -> None:
    """They are hidden files, so neither a snapshot nor a render ever sees them."""
    for name in ("churn-train", "hyper-search", "score-template"):
        shutil.copytree(ROOT / "examples/flows" / name, here / name)
    write(here / "churn-train/.metaflow/config.json", "{}")
    write(here / "elsewhere/.metaflow/config.json", "{}")
    (found,) = findings()
    assert (found["code"], found["severity"], found["file"]) == ("AC182", "warning", "churn-train/flow.py")
    assert found["message"].startswith("churn-train/.metaflow/config.json is ignored")
    write(here / ".metaflow/config.json", "{}")
    assert [(f["file"], f["message"].split()[0]) for f in findings()] == [
        ("churn-train/flow.py", ".metaflow/config.json"),
        ("churn-train/flow.py", "churn-train/.metaflow/config.json"),
        ("hyper-search/flow.py", ".metaflow/config.json"),
    ]


def test_a_path_that_is_not_there(here: Path) -> None:
    with pytest.raises(InvalidInput, match="nowhere"):
        lint("nowhere")


def test_a_flow_names_its_own_packages_and_nothing_else(here: Path) -> None:
    flow = "from metaflow import FlowSpec\nclass AFlow(FlowSpec): ...\nif __name__ == '__main__': AFlow()\n"
    write(here / "a/flow.py", flow)
    write(here / "a/aicore.yaml", "flow: flow.py\nrequirements: needs.txt\n")
    (missing,) = findings()
    assert (missing["code"], missing["file"], missing["line"]) == ("AC164", "a/aicore.yaml", 2)
    write(here / "a/needs.txt", "pandas==2\n--index-url https://evil.example/simple\n")
    (option,) = findings()
    assert (option["file"], option["line"]) == ("a/needs.txt", 2)


def test_a_flow_that_fails_in_a_directory_is_found_there(here: Path) -> None:
    flow = "from metaflow import FlowSpec\nclass AFlow(FlowSpec): x = 1 / 0\nif __name__ == '__main__': AFlow()\n"
    write(here / "a/flow.py", flow)
    (failed,) = findings()
    assert (failed["code"], failed["file"], failed["line"]) == ("AC181", "a/flow.py", 2)
    assert failed["message"] == "ZeroDivisionError: division by zero"
    write(
        here / "a/flow.py",
        flow.replace("import FlowSpec", "import *")
        .replace("1 / 0", "1")
        .replace("class", "@trigger(event='x')\nclass"),
    )
    (refused,) = findings()
    assert (refused["code"], refused["file"]) == ("AC184", "a/flow.py")


def test_a_mistake_in_the_manifest_is_said_once(here: Path) -> None:
    """The flow beside it is started, so nothing is to be said of it."""
    flow = "from metaflow import FlowSpec\nclass AFlow(FlowSpec): ...\nif __name__ == '__main__': AFlow()\n"
    write(here / "a/flow.py", flow)
    write(here / "a/aicore.yaml", "flow: flow.py\ntimeout: 30x\n")
    assert [(f["code"], f["file"], f["line"]) for f in findings()] == [("AC164", "a/aicore.yaml", 2)]


def test_a_rendering_environment_that_fails_hides_no_other_finding(here: Path) -> None:
    """One that the configuration does not have is found in the manifest; one that cannot be used, on its flow."""
    config = yaml.safe_load((ROOT / "config.example.yaml").read_text())
    config["sources"] = [{"name": "flows", "directory": "flows"}]
    config["render"] = {"environments": {"ml": {"python": "/nonexistent/python"}}}
    config.pop("defaults", None)
    write(here / "config.yaml", yaml.safe_dump(config))
    for name, environment in (("a", "mll"), ("b", "ml")):
        flow = f"class {name.upper()}Flow(FlowSpec): ...\nif __name__ == '__main__': {name.upper()}Flow()\n"
        write(here / f"flows/{name}/flow.py", f"from metaflow import FlowSpec\n{flow}")
        write(here / f"flows/{name}/aicore.yaml", f"flow: flow.py\nrenderEnvironment: {environment}\n")
    write(here / "flows/c/flow.py", "from metaflow import FlowSpec\nclass C(FlowSpec)\n    pass\n")
    unknown, unusable, broken = findings()
    assert (unknown["code"], unknown["line"], unknown["cure"]) == ("AC164", 2, "did you mean `ml`?")
    assert (unusable["code"], unusable["file"]) == ("AC181", "flows/b/flow.py")
    assert "render.environments.ml.python: found /nonexistent/python" in unusable["message"]
    assert broken["file"] == "flows/c/flow.py"
    (run,) = json.loads(lint("-o", "sarif")[1])["runs"]
    assert len(run["results"]) == lint("-o", "github")[1].count("::error ") == 3
