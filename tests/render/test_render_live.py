"""Real renders: both dialects in their own environments, real children, hostile flows."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import render_flows as flows

from aicore_sync.core.template import images
from aicore_sync.render import Dialect, InstanceType, Rendered, Renderer, RenderFailed

pytest_plugins = ("render_rooms",)
pytestmark = pytest.mark.asyncio(loop_scope="session")


DIALECTS = ("native", "plugin")


def containers(rendered: Rendered) -> dict[str, dict[str, Any]]:
    return {t["name"]: t["container"] for t in rendered.document["spec"]["templates"] if "container" in t}


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e["value"] for e in container["env"]}


def _cases(table: dict[str, Any], slow: set[str]) -> list[Any]:
    """The table as named cases; `slow` ones take the same path as another and run in the slow suite."""
    marks = dict.fromkeys(slow, (pytest.mark.slow,))
    return [pytest.param(*case, id=name, marks=marks.get(name, ())) for name, case in table.items()]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_package_starts_the_flow(renderer: Renderer, tmp_path: Path, dialect: Dialect) -> None:
    source = tmp_path / ".hidden" / "flow"  # below such a path Metaflow's own packer takes no user file
    (source / "part").mkdir(parents=True)
    (source / "part" / "deep.py").write_text("X = 1\n")
    (source / "notes.md").write_text("not packaged\n")
    rendered = await renderer.render(flows.job(source, flows.LINEAR, dialect=dialect))
    assert [name for name, _ in rendered.user_files] == ["flow.py", "part/deep.py"]
    (upload,) = rendered.uploads
    assert upload.url in containers(rendered)["start"]["args"][-1]
    unpacked = tmp_path / "pod"
    unpacked.mkdir()
    subprocess.run(["tar", "xf", upload.file, "-C", str(unpacked)], check=True)
    python = (await renderer._toolchains.get(dialect, "")).workers.ground.python
    shown = subprocess.run(
        [str(python), "flow.py", "--no-pylint", "--datastore=s3", "--datastore-root=s3://b/p", "show"],
        cwd=unpacked,
        env={
            "PYTHONPATH": ".mf_code",
            "METAFLOW_USER": "u",
            "METAFLOW_HOME": "/nonexistent",
            "METAFLOW_DEFAULT_DATASTORE": "s3",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Step start" in shown.stdout + shown.stderr


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_parameters_and_schedule(renderer: Renderer, tmp_path: Path, dialect: Dialect) -> None:
    rendered = await renderer.render(flows.job(tmp_path, flows.PARAMETERS, dialect=dialect))
    declared = {p["name"]: p.get("default") for p in rendered.document["spec"]["arguments"]["parameters"]}
    assert declared == {
        "word": 'it is "quoted" $(id)',
        "count": "3",
        "a-tree": '{"a": [1, 2]}',
        "needed": None,
    }
    start = containers(rendered)["start"]
    assert "{{workflow.parameters" not in json.dumps(start["args"])
    first = [e["name"] for e in start["env"][:4]]
    assert sorted(first) == [f"METAFLOW_INIT_{n}" for n in ("A_TREE", "COUNT", "NEEDED", "WORD")]
    assert rendered.cron == "CRON_TZ=Europe/Berlin 0 4 * * 1"
    assert any("needed" in w for w in rendered.warnings)


@pytest.mark.parametrize("where", [{}, {"rendering": "oldest"}, {"dialect": "plugin"}])
async def test_a_flow_of_a_project(renderer: Renderer, tmp_path: Path, where: dict[str, Any]) -> None:
    """Its decorator has options of Metaflow's command line, which is made before the flow is defined."""
    text = flows.flow("OfProject", decorators='@project(name="demo")')
    rendered = await renderer.render(flows.job(tmp_path, text, **where))
    assert rendered.document["metadata"]["name"] == "a-flow"
    if not where:
        told = ("--branch=trial", "--production")
        named = await renderer.render(flows.job(tmp_path, text, project=told))
        assert all("--branch=trial" in c["args"][-1] for c in containers(named).values())
        with pytest.raises(RenderFailed, match="the flow has no @project"):
            await renderer.render(flows.job(tmp_path, flows.LINEAR, project=told))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_include_file_is_captured(renderer: Renderer, tmp_path: Path, dialect: Dialect) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    rendered = await renderer.render(flows.job(tmp_path, flows.INCLUDE, dialect=dialect))
    assert {"data.csv", "flow.py"} <= set(rendered.opened or ())
    assert [name for name, _ in rendered.included] == ["data.csv"]
    (parameter,) = rendered.document["spec"]["arguments"]["parameters"]
    default = json.loads(parameter["default"])
    assert default["url"] in {u.url for u in rendered.uploads}
    assert str(tmp_path) not in json.dumps(rendered.document)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_foreach_environment_and_secrets(renderer: Renderer, tmp_path: Path, dialect: Dialect) -> None:
    more = {"environment": (("NAME", "manifest"),), "timeout": 60, "max_workers": 3}
    job = flows.job(tmp_path, flows.FOREACH, dialect=dialect, **more)
    rendered = await renderer.render(job)
    found = variables(containers(rendered)["start"])
    assert {k: found[k] for k in ("COUNT", "EMPTY", "FLAG", "NAME")} == {
        "COUNT": "0",
        "EMPTY": "",
        "FLAG": "False",
        "NAME": "manifest",
    }
    assert containers(rendered)["work"]["image"] == "registry.example/own:1"
    for container in containers(rendered).values():
        assert container["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert rendered.document["spec"]["activeDeadlineSeconds"] == 60
    assert rendered.document["spec"]["parallelism"] == 3


async def test_wide_join_keeps_its_tags(renderer: Renderer, tmp_path: Path) -> None:
    rendered = await renderer.render(flows.job(tmp_path, flows.wide(12), dialect="plugin"))
    tasks = rendered.document["spec"]["templates"][0]["dag"]["tasks"]
    (paths,) = next(t for t in tasks if t["name"] == "gather")["arguments"]["parameters"]
    assert paths["value"].count("{{tasks.branch-number-") == 12


async def test_output_of_user_code_does_not_matter(renderer: Renderer, tmp_path: Path) -> None:
    assert (await renderer.render(flows.job(tmp_path, flows.PRINTS))).document["kind"] == "WorkflowTemplate"


async def test_embedded_code_is_not_uploaded_and_counts(renderer: Renderer, tmp_path: Path) -> None:
    """In both dialects its files are those of a package: a change of them is a change of the run's content."""
    seen: dict[str, set[tuple[tuple[str, str], ...]]] = {"one": set(), "other": set()}
    for dialect in DIALECTS:
        for name, text in (("one", flows.LINEAR), ("other", flows.LINEAR + "# changed\n")):
            job = flows.job(tmp_path / dialect / name, text, dialect=dialect, embedded=True)
            rendered = await renderer.render(job)
            assert rendered.uploads == ()
            assert "code package" not in containers(rendered)["start"]["args"][-1]
            seen[name].add(rendered.user_files)
    (one,), (other,) = seen.values()
    assert [name for name, _ in one] == [name for name, _ in other] == ["flow.py"]
    assert one != other


async def test_same_input_same_bytes(
    renderer: Renderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other directory, umask, times, order of creation, user, hash seed, and a config in the checkout."""
    results = []
    for number, names in enumerate((("a.py", "z.py"), ("z.py", "a.py"))):
        directory = tmp_path / f"copy-{number}"
        directory.mkdir()
        before = os.umask(0o077 if number else 0o022)
        for name in names:
            (directory / name).write_text(name)
        (directory / "data.csv").write_text("1\n")
        job = flows.job(directory, flows.INCLUDE)
        os.umask(before)
        os.utime(directory / "a.py", (number, number))
        monkeypatch.setenv("PYTHONHASHSEED", str(number))
        monkeypatch.setenv("METAFLOW_USER", f"user-{number}")
        if number:
            (directory / ".metaflow").mkdir()
            image = {"METAFLOW_KUBERNETES_CONTAINER_REGISTRY": "evil", "METAFLOW_DEFAULT_METADATA": "service"}
            (directory / ".metaflow" / "config.json").write_text(json.dumps(image))
        results.append(await renderer.render(job))
    one, two = results
    assert json.dumps(one.document, sort_keys=True) == json.dumps(two.document, sort_keys=True)
    assert (one.uploads, one.user_files, one.included) == (two.uploads, two.user_files, two.included)


FAILURES: dict[str, Any] = {
    "syntax": ("x = 1\nclass Bad(:\n", 2, "SyntaxError"),
    "import": ("import json\nimport not_there_at_all\n", 2, "ModuleNotFoundError: No module named"),
    "raises": ("def f():\n    raise ValueError('of mine')\nf()\n", 2, "ValueError: of mine"),
    "exit": ("import sys\nsys.exit(3)\n", 2, "exit code 3"),
    "no-main": (flows.LINEAR.replace("__main__", "__other__"), 0, "LinearFlow is never started"),
    "no-flow": ("import metaflow\n", 0, "no class derives from FlowSpec"),
    "os-exit": ("import os\nos._exit(0)\n", 0, "ended with exit code 0"),
    "crash": ("import os\nos.abort()\n", 0, "crashed with signal"),
    "straight": (
        flows.FOREACH.replace("self.work, foreach", "self.gather, foreach"),
        7,
        "step start: its foreach goes straight to the join gather",
    ),
    "shared": (
        flows.LINEAR.replace("    @step", '    @aicore(shared_memory="1Gi")\n    @step', 1),
        10,
        "step start: shared_memory is '1Gi'; expected a whole number, in MiB",
    ),
    "graph": (flows.LINEAR.replace("self.end", "self.gone"), 10, "unknown step"),
    "include": (flows.INCLUDE, 0, "could not open file 'data.csv'"),
    "pypi": (
        flows.LINEAR.replace("    @step", '    @pypi(packages={"x": "1"})\n    @step', 1),
        10,
        "AI Core cannot run this flow: step start (line 10): @pypi: AI Core pods cannot install",
    ),
}


@pytest.mark.parametrize(("text", "line", "says"), _cases(FAILURES, slow={"crash", "no-flow", "exit"}))
async def test_failures_point_at_the_line(
    renderer: Renderer, tmp_path: Path, text: str, line: int, says: str
) -> None:
    with pytest.raises(RenderFailed) as caught:
        await renderer.render(flows.job(tmp_path, text))
    assert says in caught.value.message
    assert caught.value.line == line
    if line:
        assert caught.value.message.startswith(f"flow.py:{line}: ")
    shown = caught.value.message + caught.value.detail
    assert str(tmp_path) not in shown
    assert "worker.py" not in shown


REFUSED: dict[str, Any] = {
    "secrets": ('@secrets(sources=["x"])', "(line 10): @secrets: it reads"),
    "conda": ('@conda(libraries={"x": "1"})', "@conda: AI Core pods cannot install"),
    "tag": ('@environment(vars={"T": "{{ jinja }}"})', "the value of T contains '{{', which Argo"),
    "name": ('@environment(vars={"A B": 1})', "'A B' is no name of a variable"),
    "size": ('@resources(memory="much")', "@resources says"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("decorator", "says"), _cases(REFUSED, slow={"conda", "name"}))
async def test_both_dialects_refuse_the_same(
    renderer: Renderer, tmp_path: Path, decorator: str, says: str, dialect: Dialect
) -> None:
    text = flows.LINEAR.replace("    @step", f"    {decorator}\n    @step", 1)
    with pytest.raises(RenderFailed) as caught:
        await renderer.render(flows.job(tmp_path, text, dialect=dialect))
    assert caught.value.message.startswith("flow.py:10: AI Core cannot run this flow: step start")
    assert says in caught.value.message
    assert (caught.value.line, caught.value.refused) == (10, True)


@pytest.mark.parametrize("decorator", ['@trigger(event="x")', '@trigger_on_finish(flow="Other")'])
async def test_the_plugin_does_not_leave_out_what_starts_a_flow(
    renderer: Renderer, tmp_path: Path, decorator: str
) -> None:
    text = flows.flow("Started", decorators=decorator)
    with pytest.raises(RenderFailed, match="on the flow: it needs Argo Events"):
        await renderer.render(flows.job(tmp_path, text, dialect="plugin"))


async def test_a_machine_that_the_plugin_does_not_hear_of_is_told(renderer: Renderer, tmp_path: Path) -> None:
    text = flows.LINEAR.replace("    @step", "    @resources(gpu=1, memory=50000)\n    @step", 1)
    rendered = await renderer.render(flows.job(tmp_path, text, dialect="plugin"))
    assert rendered.unheard == (("start", "50000 MB, 1 GPU"),)
    assert (await renderer.render(flows.job(tmp_path, text))).unheard == ()


async def test_other_flow_of_the_file(renderer: Renderer, tmp_path: Path) -> None:
    text = "from metaflow import FlowSpec\nclass Other(FlowSpec): pass\n" + flows.LINEAR
    rendered = await renderer.render(flows.job(tmp_path, text, flow="LinearFlow"))
    assert "/LinearFlow/data/" in rendered.uploads[0].url
    with pytest.raises(RenderFailed, match="Other is not the flow that this file runs"):
        await renderer.render(flows.job(tmp_path, text, flow="Other"))


async def test_no_credentials_in_the_child(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-canary")
    monkeypatch.setenv("AICORE_CLIENT_SECRET", "s3cr3t-canary")
    text = """import os
found = [name for name, value in os.environ.items() if 'canary' in value]
raise ValueError('METAFLOW_USER' in os.environ, found, sorted(os.listdir('/proc/self/fd')))
"""
    async with asyncio.timeout(60):
        made = Renderer(flows.with_native(tmp_path / "cache", python))
        with pytest.raises(RenderFailed) as caught:
            await made.render(flows.job(tmp_path / "source", text))
        await made.aclose()
    # the last descriptor is that of listdir
    assert caught.value.message.endswith("ValueError: (True, [], ['0', '1', '2', '3', '4', '5'])")


HOSTILE: dict[str, Any] = {
    "loop": ("while True:\n    pass\n", r"not rendered within 5 s and stopped; it was at flow.py:[12]\b"),
    "memory": ("x = bytearray(3 << 30)\n", r"flow.py:1: MemoryError"),
    "file": ("with open('big', 'wb') as f:\n    f.truncate(1 << 40)\n", r"flow.py:2: OSError: .*too large"),
    "recursion": ("def f():\n    f()\nf()\n", r"flow.py:2: RecursionError"),
    "flood": ("while True:\n    print('y' * 65536)\n", r"flow.py:2: OSError: .*too large"),
}


@pytest.mark.parametrize(("text", "says"), _cases(HOSTILE, slow={"memory", "recursion"}))
async def test_hostile_flows_cost_one_clear_error(
    strict: Renderer, tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(RenderFailed, match=says):
        await strict.render(flows.job(tmp_path, text))


async def test_forged_result_is_refused(renderer: Renderer, tmp_path: Path) -> None:
    """A flow that writes its own result cannot make us upload a file of the machine, or to another place."""
    text = """
import json, os, sys
job = next(f for f in map(sys._getframe, range(1, 9)) if "job" in f.f_locals).f_locals["job"]
os.symlink("/etc/passwd", job.output + "/blob-0")
blob = {"kind": "package", "name": "x", "file": "blob-0", "url": "s3://bucket/flows/F/data/aa/aa" + "0" * 38}
template = {"kind": "WorkflowTemplate", "metadata": {"name": "a-flow"}, "spec": {"templates": [{"name": "t"}]}}
os.write(job.result, json.dumps({"blobs": [blob], "flow": "F", "document": template}).encode())
os._exit(0)
"""
    with pytest.raises(RenderFailed, match="captured upload blob-0 cannot be read"):
        await renderer.render(flows.job(tmp_path, text))


@pytest.mark.slow
async def test_an_emptied_cache_is_made_anew(python: Path, tmp_path: Path) -> None:
    made = Renderer(flows.with_native(tmp_path / "cache", python))
    await made.start()
    shutil.rmtree(tmp_path / "cache")
    assert (await made.render(flows.job(tmp_path / "source", flows.LINEAR))).uploads
    await made.aclose()


async def test_configurations_travel_with_the_code_and_count_as_code(
    renderer: Renderer, tmp_path: Path
) -> None:
    text = flows.flow("ConfigFlow", '    settings = Config("settings", default="settings.json")\n')
    made = []
    for depth in (3, 3, 4):
        (tmp_path / "settings.json").write_text(json.dumps({"depth": depth}))
        made.append(await renderer.render(flows.job(tmp_path, text)))
    (upload,) = made[0].uploads
    done = subprocess.run(
        ["tar", "xOf", upload.file, ".mf_meta/CONFIG"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["user_configs"]["settings"][0] == {"depth": 3}
    assert [name for name, _ in made[0].user_files] == [".mf_meta/CONFIG", "flow.py"]
    assert made[0].user_files == made[1].user_files != made[2].user_files
    assert "settings.json" in (made[0].opened or ())
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(RenderFailed, match=r"flow\.py: .*settings"):
        await renderer.render(flows.job(tmp_path, text))


async def test_another_dialect_runs_the_same(renderer: Renderer, tmp_path: Path) -> None:
    """What the run-digest is made of."""
    (tmp_path / "data.csv").write_text("1,2\n")
    native, plugin = [await renderer.render(flows.job(tmp_path, flows.INCLUDE, dialect=d)) for d in DIALECTS]
    assert (native.user_files, native.included) == (plugin.user_files, plugin.included)
    assert images(native.document) == images(plugin.document)


async def test_machines_of_the_manifest_and_of_the_flow(renderer: Renderer, tmp_path: Path) -> None:
    """The manifest's word for a step, then what the flow asks for, then the manifest's word for all others."""
    need = "    @resources(cpu=8, memory=20000)\n    @step\n    def "
    text = flows.FOREACH.replace("kubernetes, step", "kubernetes, resources, step")
    for name in ("work", "gather"):
        text = text.replace(f"    @step\n    def {name}(", f"{need}{name}(")
    words = (("plan", "*", "basic"), ("instance-type", "work", "m5.2xlarge"))
    rendered = await renderer.render(flows.job(tmp_path, text, machines=words))
    templates = rendered.document["spec"]["templates"]
    labels = {t["name"]: t["metadata"]["labels"] for t in templates if "container" in t}
    assert labels == {
        "start": {"ai.sap.com/resourcePlan": "basic"},
        "work": {"ai.sap.com/instanceType": "m5.2xlarge"},
        "gather": {"ai.sap.com/resourcePlan": "basic.8x"},
        "end": {"ai.sap.com/resourcePlan": "basic"},
    }
    assert rendered.notes == (("gather", "8 CPU, 20000 MB fits basic.8x (31 CPU, 116 GB, 0 GPU)"),)
    machines = (InstanceType("m5.4xlarge", 16, 64), InstanceType("m5.2xlarge", 8, 32))
    of_tenant = await renderer.render(flows.job(tmp_path, text, instance_types=machines))
    pods = [t for t in of_tenant.document["spec"]["templates"] if "container" in t]
    found = {t["name"]: t["metadata"]["labels"] for t in pods}
    assert found["gather"] == {"ai.sap.com/instanceType": "m5.2xlarge"}
    assert found["end"] == {"ai.sap.com/resourcePlan": "starter"}
