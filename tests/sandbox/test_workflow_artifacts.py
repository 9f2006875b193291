"""Artifacts over a real S3 server, and that server's own life."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
import yaml
from workflow_bench import Bench, dag, sh, task, workflow

from aicore_sync.core.discover import find_flows
from aicore_sync.core.manifest import parse_manifest
from aicore_sync.sandbox.objectstore import ObjectStoreProcess, start_object_store
from aicore_sync.sandbox.workflow import Output, RunOptions, StoreLocation
from aicore_sync.sandbox.workflow.isolation import namespaces_work

EXAMPLES = Path(__file__).parents[2] / "examples" / "flows"
NONE: dict[str, Any] = {"none": {}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[ObjectStoreProcess]:
    started = await start_object_store("bucket")
    yield started
    await started.aclose()


@pytest.fixture
def store(server: ObjectStoreProcess, request: pytest.FixtureRequest) -> StoreLocation:
    prefix = f"prefix-{abs(hash(request.node.name))}"
    return StoreLocation(
        server.endpoint, "bucket", prefix, server.access_key, server.secret_key, server.region
    )


@pytest.fixture
def s3(server: ObjectStoreProcess) -> Any:
    keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
    return boto3.client("s3", endpoint_url=server.endpoint, region_name=server.region, **keys)


@pytest.fixture(params=["ns", "shim"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "ns" and not namespaces_work():
        pytest.skip("mount namespaces are forbidden here; the shim is tested")
    return Bench(tmp_path, RunOptions(isolation=request.param))


def keys(s3: Any, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in found]


async def test_a_dataset_goes_in_and_a_model_comes_out(bench: Bench, store: StoreLocation, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key=f"{store.prefix}/data/a.csv", Body=b"1\n")
    s3.put_object(Bucket="bucket", Key=f"{store.prefix}/data/sub/b.csv", Body=b"2\n")
    s3.put_object(Bucket="bucket", Key=f"{store.prefix}/data-else/c.csv", Body=b"3\n")
    pod = sh(
        "train",
        "cd /tmp; mkdir -p model/sub && cat $(find /data-in -name '*.csv' | sort) > model/sub/w && echo x > model/v",
        takes=[{"name": "data", "path": "/data-in"}],
        outputs={
            "artifacts": [
                {"name": "model", "globalName": "churnmodel", "path": "/tmp/model", "archive": NONE}
            ]
        },
    )
    result, heard = await bench.run(workflow(pod), store=store, inputs={"data": f"{store.prefix}/data"})
    assert result.phase == "Succeeded", (result.message, heard.text)
    assert result.outputs == (Output("churnmodel", "model", f"{store.prefix}/run1/model"),)
    assert keys(s3, f"{store.prefix}/run1/") == ["model/sub/w", "model/v"]
    content = s3.get_object(Bucket="bucket", Key=f"{store.prefix}/run1/model/sub/w")["Body"].read()
    assert content == b"1\n2\n"


async def test_an_archive_is_made_and_opened_again(
    bench: Bench, store: StoreLocation, s3: Any, tmp_path: Path
) -> None:
    make = sh(
        "make",
        "mkdir /tmp/out && echo deep > /tmp/out/file",
        outputs={"artifacts": [{"name": "bundle", "globalName": "bundle", "path": "/tmp/out"}]},
    )
    result, _ = await bench.run(workflow(make), store=store)
    assert result.phase == "Succeeded", result.message
    local = tmp_path / "bundle.tgz"
    s3.download_file("bucket", result.outputs[0].key, str(local))
    with tarfile.open(local, "r:gz") as tar:
        assert "out/file" in tar.getnames()
    use = sh("use", "cat /tmp/in/file", takes=[{"name": "bundle", "path": "/tmp/in"}])
    again, heard = await bench.run(
        workflow(use), store=store, inputs={"bundle": f"s3://bucket/{result.outputs[0].key}"}
    )
    assert (again.phase, heard.text) == ("Succeeded", ["deep"])


async def test_artifacts_between_steps_need_no_store(bench: Bench) -> None:
    template = workflow(
        dag(
            "entry",
            task("make"),
            task(
                "use",
                dependencies=["make"],
                pass_on=[{"name": "given", "from": "{{tasks.make.outputs.artifacts.note}}"}],
            ),
        ),
        sh("make", "echo hi > /tmp/note", outputs={"artifacts": [{"name": "note", "path": "/tmp/note"}]}),
        sh(
            "use", "cat {{inputs.artifacts.given.path}}", takes=[{"name": "given", "path": "/tmp/deep/given"}]
        ),
    )
    result, heard = await bench.run(template)
    assert (result.phase, heard.text, result.outputs) == ("Succeeded", ["hi"], ())


async def test_of_two_outputs_with_one_global_name_the_last_counts(
    bench: Bench, store: StoreLocation, s3: Any
) -> None:
    artifact = {"name": "m", "globalName": "m", "path": "/tmp/m", "archive": NONE}
    template = workflow(
        {
            "name": "entry",
            "steps": [[task("one", "make", give={"x": "1"})], [task("two", "make", give={"x": "2"})]],
        },
        sh("make", "echo {{inputs.parameters.x}} > /tmp/m", params=["x"], outputs={"artifacts": [artifact]}),
    )
    result, _ = await bench.run(template, store=store)
    assert [output.global_name for output in result.outputs] == ["m"]
    assert s3.get_object(Bucket="bucket", Key=result.outputs[0].key)["Body"].read() == b"2\n"


@pytest.mark.parametrize(
    ("pod", "inputs", "message"),
    [
        (
            sh("a", "true", outputs={"artifacts": [{"name": "m", "path": "/tmp/none", "globalName": "m"}]}),
            {},
            "'m': the step left nothing at /tmp/none",
        ),
        (
            sh("a", "true", outputs={"parameters": [{"name": "p", "valueFrom": {"path": "/tmp/none"}}]}),
            {},
            "'p': the step left no file at /tmp/none",
        ),
        (
            sh("a", "echo ran", takes=[{"name": "d", "path": "/tmp/d"}]),
            {"d": "not/there"},
            "nothing lies at s3://bucket/not/there",
        ),
    ],
)
async def test_what_is_missing_is_an_error_that_names_it(
    bench: Bench, store: StoreLocation, pod: dict[str, Any], inputs: dict[str, str], message: str
) -> None:
    result, heard = await bench.run(workflow(pod), store=store, inputs=inputs)
    assert result.phase == "Error"
    assert message in result.message
    assert not heard.text


async def test_outputs_without_an_object_store_are_an_error(bench: Bench) -> None:
    pod = sh(
        "a", "echo > /tmp/m", outputs={"artifacts": [{"name": "m", "path": "/tmp/m", "globalName": "m"}]}
    )
    result, _ = await bench.run(workflow(pod))
    assert result.phase == "Error"
    assert "no object store secret 'default'" in result.message


async def test_the_example_template_scores_its_dataset(bench: Bench, store: StoreLocation, s3: Any) -> None:
    folder = EXAMPLES / "score-template"
    template = yaml.safe_load((folder / "template.yaml").read_text())
    result, heard = await bench.run(
        template, store=store, inputs={"customers": (folder / "data").as_uri()}, parameters={"cut": "0.4"}
    )
    assert result.phase == "Succeeded", (result.message, heard.text)
    assert heard.text == ["6 customers scored, 2 above 0.4"]
    assert keys(s3, f"{store.prefix}/run1/") == ["scorecard/scorecard.json", "scores/scores.csv"]


@pytest.mark.parametrize(
    "manifest", sorted(EXAMPLES.glob("*/aicore.yaml")), ids=lambda path: path.parent.name
)
def test_each_example_has_a_manifest_that_reads_and_names_its_flow(manifest: Path) -> None:
    text = manifest.read_text()
    parsed = parse_manifest(text, str(manifest))
    assert (manifest.parent / text.splitlines()[0].partition("$schema=")[2]).is_file()
    if parsed.script:
        flows = find_flows((manifest.parent / parsed.script).read_text(), parsed.script)
        assert [flow.has_main for flow in flows] == [True]
    else:
        assert (manifest.parent / str(parsed.template)).is_file()


async def test_the_object_store_dies_with_the_process_that_started_it() -> None:
    program = (
        "import asyncio\n"
        "from aicore_sync.sandbox.objectstore import start_object_store\n"
        "async def main():\n"
        "    store = await start_object_store('bucket')\n"
        "    print(store.process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = int(await parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(10):
        while _alive(child):
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
