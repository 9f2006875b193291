"""`aicore-sync package`: what it writes, and that a template of `embedded: true` runs from it and from nothing else."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Run, add_template, configure, runner
from platformdirs import user_cache_path

from aicore_sync.render import RenderOptions
from aicore_sync.render.environments import environment_python
from aicore_sync.sandbox.objectstore import ObjectStoreProcess, start_object_store
from aicore_sync.sandbox.workflow import (
    NodeState,
    RunOptions,
    RunRequest,
    RunResult,
    StoreLocation,
    run_workflow,
)

FLOW = """
from metaflow import FlowSpec, Parameter, step

from part.deep import GREETING

class GreetFlow(FlowSpec):
    who = Parameter("who", default="it's me")

    @step
    def start(self):
        self.words = f"{GREETING} {self.who}"
        self.next(self.end)

    @step
    def end(self):
        print("said", self.words)

if __name__ == "__main__":
    GreetFlow()
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AICORE_SYNC_CONFIG", raising=False)
    return runner(monkeypatch, capsys)


def add_flow(room: Path, **manifest: Any) -> None:
    (room / "flows/greet/part").mkdir(parents=True, exist_ok=True)
    (room / "flows/greet/part/deep.py").write_text('GREETING = "hello"\n')
    (room / "flows/greet/flow.py").write_text(FLOW)
    whole = {"flow": "flow.py", "executable": {"id": "greet"}, "embedded": True, **manifest}
    (room / "flows/greet/aicore.yaml").write_text(yaml.safe_dump(whole))


def test_a_hand_written_template_has_no_package(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path)
    add_template(tmp_path)
    ended = run("package", "count-words", "-c", file)
    assert ended.code == 2
    assert "only flows have a code package" in ended.said


class Listener:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, *, pod: str, container: str, stream: str, line: str) -> None:
        self.lines.append(line)

    def node(self, node: NodeState) -> None:
        """Not of interest here."""


async def executed(
    document: dict[str, Any], store: ObjectStoreProcess, place: Path
) -> tuple[RunResult, list[str]]:
    """Run in the sandbox's interpreter; `place` stands below /tmp, and pods see it."""
    keys = (store.access_key, store.secret_key)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    secret = dict(zip(names, (*keys, store.region), strict=True))
    request = RunRequest(
        id="greet-run", template=document, store=StoreLocation(store.endpoint, "bucket", "runs", *keys, store.region),
        workdir=place / "runs", parameters={}, inputs={}, secrets={"default-object-store-secret": secret}, env={},
    )  # fmt: skip
    heard = Listener()
    return await run_workflow(request, heard, RunOptions(max_backoff=0.0, keep=(str(place),))), heard.lines


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """One loop for the store and the run; the commands make their own in between."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def store(loop: asyncio.Runner) -> Iterator[ObjectStoreProcess]:
    made = loop.run(start_object_store("bucket"))
    yield made
    loop.run(made.aclose())


@pytest.mark.slow
def test_an_image_with_the_package_runs_the_embedded_template(
    run: Run, tmp_path: Path, loop: asyncio.Runner, store: ObjectStoreProcess
) -> None:
    python = loop.run(environment_python(RenderOptions(user_cache_path("aicore-sync")), "native"))
    file = configure(tmp_path, render={"environments": {"native": {"python": str(python)}}})
    whole = yaml.safe_load(file.read_text())
    whole["tenants"][0]["datastore"]["endpoint"] = store.endpoint
    file.write_text(yaml.safe_dump(whole))
    add_flow(tmp_path, image="registry.example/team/greet:1")
    ended = run("package", "greet", "-c", file, "-o", "image/job.tar", "--dockerfile", "image/Dockerfile")
    assert (ended.code, ended.out) == (0, ""), ended.err
    named = {p.name for p in (tmp_path / "image").iterdir()}
    assert named == {"Dockerfile", "job.tar", "job.requirements.txt"}
    home = tmp_path / "flow"
    home.mkdir()
    subprocess.run(["tar", "xf", tmp_path / "image/job.tar", "-C", home], check=True)
    before = sorted(p.relative_to(home) for p in home.rglob("*"))
    document = yaml.safe_load(run("render", "greet", "-c", file).out)
    for template in (t for t in document["spec"]["templates"] if "container" in t):
        assert template["container"]["image"] == "registry.example/team/greet:1"
        template["container"]["args"][-1] = f"cd {home} && {template['container']['args'][-1]}"  # WORKDIR
        template["container"]["env"].append({"name": "PYTHONDONTWRITEBYTECODE", "value": "1"})
    assert "bucket/metaflow/GreetFlow/data" not in json.dumps(document)
    result, lines = loop.run(executed(document, store, tmp_path))
    assert (result.phase, result.message) == ("Succeeded", ""), "\n".join(lines[-40:])
    assert any("said hello it's me" in line for line in lines)
    assert sorted(p.relative_to(home) for p in home.rglob("*")) == before
