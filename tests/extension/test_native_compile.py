"""What the compiler makes, read: nothing runs here but Metaflow itself, at both ends of its releases."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from extension_bench import FLOWS, USUAL, Compiled, Desk

from aicore_sync.core.lint import lint

pytest_plugins = ["extension_fixtures"]


def containers(compiled: Compiled) -> dict[str, dict[str, Any]]:
    return {name: t["container"] for name, t in compiled.templates.items() if "container" in t}


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e["value"] for e in container["env"]}


def tasks(compiled: Compiled, dag: str) -> dict[str, dict[str, Any]]:
    return {t["name"]: t for t in compiled.templates[dag]["dag"]["tasks"]}


def members(compiled: Compiled) -> dict[str, tarfile.TarInfo]:
    plain = gzip.decompress(compiled.blobs()[0][1])
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {m.name: m for m in tar.getmembers()}


@pytest.mark.parametrize("flow", ["shapes", "artifacts", "params"])
def test_a_template_passes_our_own_lint(desk: Desk, flow: str) -> None:
    findings = lint(desk.native(flow).document)
    assert [f for f in findings if f.severity != "info"] == []


def test_fan_outs_become_bodies_that_know_their_place(newest: Desk) -> None:
    compiled = newest.native("shapes")
    top, rows = tasks(compiled, "dag"), tasks(compiled, "each-each-row")
    assert top["each-each-row"]["withParam"] == "{{tasks.start.outputs.parameters.splits}}"
    assert rows["each-cell"]["arguments"]["parameters"] == [
        {"name": "task-id", "value": "{{inputs.parameters.task-id}}-{{item}}"}
    ]
    assert rows["close-row"]["dependencies"] == ["each-cell"]
    assert tasks(compiled, "each-cell")["both"]["dependencies"] == ["thick", "thin"]
    assert top["last"]["dependencies"] == ["gather", "right"]
    assert (
        compiled.document["metadata"]["annotations"]["executables.ai.sap.com/description"] == "Adds up areas."
    )


def test_no_value_of_a_user_stands_in_shell_text(desk: Desk) -> None:
    compiled = desk.native("params")
    for container in containers(compiled).values():
        assert "{{workflow.parameters" not in container["args"][0]
        assert "{{inputs" not in container["args"][0]
    first = containers(compiled)["start"]["env"]
    assert first[0]["value"].startswith("{{workflow.parameters.")
    declared = {p["name"]: p.get("default") for p in compiled.document["spec"]["arguments"]["parameters"]}
    assert declared["text"] == 'it\'s "quoted" $HOME `id`'
    assert (declared["needed"], declared["nothing"], declared["branch"]) == (None, "(none)", '{"b": null}')


def test_machines_images_secrets_and_artifacts(desk: Desk) -> None:
    compiled = desk.native("artifacts", "--env=REGION=x")
    pods = compiled.templates
    assert {n: t["metadata"]["labels"] for n, t in pods.items() if "container" in t} == {
        "start": {"ai.sap.com/resourcePlan": "train.l"},
        "fit": {"ai.sap.com/resourcePlan": "infer.s"},
        "check": {"ai.sap.com/resourcePlan": "basic"},
        "end": {"ai.sap.com/instanceType": "m5.4xlarge"},
    }
    assert compiled.facts["notes"][0] == (["fit", "2 CPU, 2048 MB, 1 GPU fits infer.s (3 CPU, 10 GB, 1 GPU)"])
    found = containers(compiled)
    assert {n: c["image"] for n, c in found.items()} == {
        "start": "docker.io/team/flow:1",
        "fit": "docker.io/team/flow:1",
        "check": "registry.example/own:1",
        "end": "registry.example/end:2",
    }
    secrets = {n: [s["secretRef"]["name"] for s in c["envFrom"]] for n, c in found.items()}
    assert secrets == {
        "start": ["store"],
        "fit": ["store", "extra"],
        "check": ["store", "own"],
        "end": ["store"],
    }
    assert all(variables(c)["REGION"] == "x" for c in found.values())
    annotations = compiled.document["metadata"]["annotations"]
    assert annotations["artifacts.ai.sap.com/sums.kind"] == "resultset"
    assert (compiled.facts["schedule"], compiled.facts["timezone"]) == ("0 4 ? * MON *", "Europe/Berlin")
    assert compiled.document["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_retries_deadlines_and_variables(desk: Desk) -> None:
    pods = desk.native("flaky").templates
    assert pods["start"]["retryStrategy"] == {"limit": "2", "retryPolicy": "Always"}
    assert pods["both"]["retryStrategy"] == {"limit": "2", "retryPolicy": "Always"}
    assert "--max-user-code-retries 1" in pods["both"]["container"]["args"][0]
    assert desk.native("late").templates["start"]["activeDeadlineSeconds"] == 601
    assert "retryStrategy" not in pods["end"]
    seen = variables(pods["start"]["container"])
    assert (seen["COUNT"], seen["FLAG"], seen["EMPTY"]) == ("0", "False", "")
    assert seen["TEXT"] == "a $HOME $$$ $$(PATH) 'q' \"d\""
    assert "NOTHING" not in seen


def test_same_input_same_bytes(desk: Desk, tmp_path: Path) -> None:
    """Another directory (hidden, at that), user, hash seed, umask, file modes and order: the same template."""
    here = desk.native("shapes")
    there = tmp_path / ".cache" / "elsewhere" / "flow"
    there.mkdir(parents=True)
    for file in sorted((FLOWS / "shapes").glob("*.py"), reverse=True):
        shutil.copyfile(file, there / file.name)
        (there / file.name).chmod(0o600)
        os.utime(there / file.name, (1, 1))
    (there / ".hidden").mkdir()
    (there / ".hidden" / "x.py").write_text("never packed")
    again = desk.create(
        there / "flow.py", *USUAL, METAFLOW_USER="else", PYTHONHASHSEED="7", USER="u", TZ="Asia/Tokyo"
    )
    assert again.document == here.document
    assert again.facts["uploads"] == here.facts["uploads"]
    assert [name for name, _ in here.facts["user_files"]] == ["flow.py", "rules.py"]


def test_a_package_names_nobody(desk: Desk) -> None:
    found = members(desk.native("tiny"))
    facts = {(m.uid, m.gid, m.uname, m.gname, m.mode, m.mtime) for m in found.values()}
    assert facts == {(0, 0, "", "", 0o644, 1575360000)}
    assert any(n.endswith("metaflow_extensions/aicore_sync/plugins/aicore/decorators.py") for n in found)


def test_the_library_part_is_the_same_for_all_flows(newest: Desk, tmp_path: Path) -> None:
    library = tmp_path / "library"
    tiny = FLOWS / "tiny"
    made = newest.command(["flow.py", "--no-pylint", "aicore", "library", str(library)], tiny)
    assert made.returncode == 0, made.stderr
    plain = newest.native("tiny")
    assert newest.native("tiny", f"--library={library}").document == plain.document
    assert plain.blobs()[0][1].startswith(library.read_bytes())


def test_everything_that_cannot_run_is_named_at_once(desk: Desk) -> None:
    ended = desk.command(["flow.py", "--no-pylint", "aicore", "create", "--only-json"], FLOWS / "refused")
    assert (ended.returncode, ended.stdout) == (1, "")
    for said in (
        "AI Core cannot run this flow",
        "@trigger on the flow",
        "@secrets: it reads secret managers",
        "@batch: remove it",
        "num_parallel: it needs several pods",
        "@parallel: it needs several pods",
    ):
        assert said in ended.stderr


def test_a_local_datastore_is_refused(newest: Desk, tmp_path: Path) -> None:
    shutil.copyfile(FLOWS / "tiny" / "flow.py", tmp_path / "flow.py")
    words = ["flow.py", "--datastore=local", "--no-pylint", "aicore", "create", "--only-json"]
    ended = newest.command(words, tmp_path)
    assert "set METAFLOW_DEFAULT_DATASTORE=s3 and METAFLOW_DATASTORE_SYSROOT_S3" in ended.stderr


def test_the_command_prints_or_writes_a_template(desk: Desk, tmp_path: Path) -> None:
    flow = [str(FLOWS / "tiny" / "flow.py"), "--no-pylint", "aicore", "create", "--only-json"]
    printed = desk.command(flow, FLOWS / "tiny")
    written = desk.command([*flow, "-o", str(tmp_path / "out.json")], FLOWS / "tiny")
    assert (printed.returncode, written.returncode) == (0, 0), printed.stderr
    assert json.loads(printed.stdout) == json.loads((tmp_path / "out.json").read_text())
    assert json.loads(printed.stdout)["metadata"]["name"] == "tinyflow"
    assert "docker.io/library/python:3" in printed.stdout


def test_show_tells_what_ai_core_will_see(newest: Desk) -> None:
    said = newest.command(["flow.py", "--no-pylint", "aicore", "show"], FLOWS / "artifacts").stdout
    assert "schedule  0 4 ? * MON * Europe/Berlin" in said
    assert "step      start: train.l, docker.io/library/python:3" in said
    assert "          reads  numbers at /tmp/in/numbers" in said
    assert "          writes sums from /tmp/out/sums" in said


SIZES = {
    "@resources(cpu=1)": "starter",
    "@kubernetes(cpu=1)": "starter",
    "@resources(memory=4096)": "basic",
    "@kubernetes(memory=4096)": "basic",
    "@resources(gpu=1)": "infer.s",
    "@kubernetes(gpu=1)": "infer.s",
    "@resources": "train.l",
    "@kubernetes": "train.l",
}


def test_only_what_the_author_said_counts(desk: Desk, tmp_path: Path) -> None:
    """Metaflow's own 4096 MB would not fit the smallest plan."""
    after = [*(f"s{n}" for n in range(1, len(SIZES))), "end"]
    steps = "".join(
        f"    {size}\n    @step\n    def s{n}(self):\n        self.next(self.{after[n]})\n\n"
        for n, size in enumerate(SIZES)
    )
    head = "from metaflow import *\n\nclass Sizes(FlowSpec):\n"
    start = "    @step\n    def start(self):\n        self.next(self.s0)\n\n"
    end = '    @step\n    def end(self):\n        pass\n\nif __name__ == "__main__":\n    Sizes()\n'
    (tmp_path / "flow.py").write_text(head + start + steps + end)
    pods = desk.create(tmp_path / "flow.py", *USUAL, "--plan=train.l").templates
    chosen = [pods[f"s{n}"]["metadata"]["labels"]["ai.sap.com/resourcePlan"] for n in range(len(SIZES))]
    assert dict(zip(SIZES, chosen, strict=True)) == SIZES


INSTANCES = {"instanceTypes": {"big": {"cpu": 8, "memory": 64, "gpu": 1}, "small": {"cpu": 2, "memory": 8}}}


def test_instance_types_of_the_tenant_are_chosen_from(newest: Desk, tmp_path: Path) -> None:
    file = tmp_path / "types.json"
    file.write_text(json.dumps(INSTANCES))
    for given in (str(file), json.dumps(INSTANCES["instanceTypes"])):
        pods = newest.native("artifacts", f"--instance-types={given}").templates
        assert pods["fit"]["metadata"]["labels"] == {"ai.sap.com/instanceType": "big"}
        assert pods["check"]["metadata"]["labels"] == {"ai.sap.com/instanceType": "small"}


def test_a_second_extension_takes_its_own_decorator_back(newest: Desk, tmp_path: Path) -> None:
    """Where SAP's plugin lies beside ours, `@argo` stays SAP's."""
    beside = tmp_path / "metaflow_extensions" / "sap" / "plugins"
    beside.mkdir(parents=True)
    (beside / "mfextinit_x.py").write_text('STEP_DECORATORS_DESC = [("argo", ".theirs.Theirs")]\n')
    text = 'from metaflow.decorators import StepDecorator\nclass Theirs(StepDecorator):\n    name = "argo"\n'
    (beside / "theirs.py").write_text(text)
    paths = f"{newest.extension}:{tmp_path}"
    asked = "from metaflow import argo, aicore; print(argo.args[0].__name__, aicore.args[0].__name__)"
    said = subprocess.run(
        [str(newest.python), "-c", asked], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert said.stdout.split() == ["Theirs", "AICoreDecorator"]


def test_code_in_the_image_is_not_downloaded(newest: Desk) -> None:
    compiled = newest.native("files", "--embedded")
    assert "job.tar" not in containers(compiled)["start"]["args"][0]
    assert {u["kind"] for u in compiled.facts["uploads"]} == {"include"}


def _cases(table: dict[str, str]) -> list[Any]:
    """The first two for every run, the others, which take the same way, for the slow suite."""
    marks = dict.fromkeys(range(2, len(table)), pytest.mark.slow)
    return [pytest.param(*row, id=str(n), marks=marks.get(n, ())) for n, row in enumerate(table.items())]


WRONG = {
    '@aicore(labels={"team": "x"})': "label team is not one of AI Core's",
    '@aicore(labels=[{"ai.sap.com/resourcePlan": "x"}])': "expected a dict such as",
    '@aicore(outputs={"m": "/tmp"})': "the path of m is '/tmp'",
    '@aicore(resource_plan="starter", instance_type="x")': "a resource plan and an instance type",
    '@aicore(labels={"ai.sap.com/foo": "bad value!"})': "label ai.sap.com/foo is 'bad value!'; expected",
    "@aicore(secrets=5)": "step start: its decorators cannot be read (TypeError",
    "@resources(cpu=500)": "asks for 500 CPU, and no machine holds that",
}


@pytest.mark.parametrize(("decorator", "says"), _cases(WRONG))
def test_a_wrong_wish_is_explained(newest: Desk, tmp_path: Path, decorator: str, says: str) -> None:
    text = (FLOWS / "tiny" / "flow.py").read_text().replace("import FlowSpec, step", "import *", 1)
    (tmp_path / "flow.py").write_text(text.replace("    @step", f"    {decorator}\n    @step", 1))
    ended = newest.command(["flow.py", "--no-pylint", "aicore", "create", "--only-json"], tmp_path)
    assert ended.returncode == 1
    assert says in ended.stderr


PARAMETERS = {
    'a = Parameter("a-b")\n    b = Parameter("a_b")': "differ only in case",
    'a = Parameter("a", default="{{x}}")': "which Argo would substitute",
}


@pytest.mark.parametrize(("text", "says"), _cases(PARAMETERS))
def test_a_parameter_that_no_template_can_carry_is_explained(
    newest: Desk, tmp_path: Path, text: str, says: str
) -> None:
    flow = (FLOWS / "tiny" / "flow.py").read_text().replace("import FlowSpec, step", "import *", 1)
    (tmp_path / "flow.py").write_text(flow.replace("    @step", f"    {text}\n\n    @step", 1))
    ended = newest.command(["flow.py", "--no-pylint", "aicore", "create", "--only-json"], tmp_path)
    assert says in ended.stderr


def test_no_path_of_this_machine_is_left(newest: Desk, tmp_path: Path) -> None:
    flow = (FLOWS / "tiny" / "flow.py").read_text().replace("import FlowSpec, step", "import *\nimport os", 1)
    given = 'a = Parameter("a", default=os.path.dirname(os.path.abspath(__file__)) + "/x")'
    (tmp_path / "flow.py").write_text(flow.replace("    @step", f"    {given}\n\n    @step", 1))
    compiled = newest.create(tmp_path / "flow.py", *USUAL)
    assert compiled.document["spec"]["arguments"]["parameters"][0]["default"] == "./x"
    assert "a path of this machine was made relative to the flow's directory" in compiled.facts["warnings"]


@pytest.mark.slow
def test_a_flow_is_compiled_the_same_from_anywhere(newest: Desk, tmp_path: Path) -> None:
    """From its directory, from the repository's root, from `/`, and through a link."""
    flow = (FLOWS / "tiny" / "flow.py").read_text().replace("import FlowSpec, step", "import *\nimport os", 1)
    given = """here = os.path.dirname(os.path.abspath(__file__))
    a = Parameter("a", default=here + "/x")
    b = IncludeFile("b", default=here + "/data/b.csv")"""
    home = tmp_path / "repo" / "flows" / "one"
    (home / "data").mkdir(parents=True)
    (home / "data" / "b.csv").write_text("1\n")
    (home / "flow.py").write_text(flow.replace("    @step", f"    {given}\n\n    @step", 1))
    (tmp_path / "link").symlink_to(home)
    places = {
        "flow.py": home,
        "flows/one/flow.py": tmp_path / "repo",
        str(home / "flow.py"): Path("/"),
        "link/flow.py": tmp_path,
    }
    first, *others = (
        newest.create_from(cwd, [name, "--no-pylint", *USUAL]).facts for name, cwd in places.items()
    )
    assert first["document"]["spec"]["arguments"]["parameters"][0]["default"] == "./x"
    assert [name for name, _ in first["included"]] == ["data/b.csv"]
    assert others == [first] * 3
