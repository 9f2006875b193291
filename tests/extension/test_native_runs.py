"""What the compiler makes at the desk, executed as it is: pods boot in full, artifacts are in a real S3 server.

More flows, and SAP's plugin, are in `test_flow_runs.py`.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from extension_bench import FLOWS, Cluster, Compiled, Desk, Listener
from flow_values import AWKWARD

from aicore_sync.sandbox.workflow import RunResult

pytest_plugins = ["extension_fixtures"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def succeeds(
    cluster: Cluster, compiled: Compiled, name: str, **request: Any
) -> tuple[RunResult, Listener]:
    result, heard = await cluster.run(compiled, name, **request)
    assert (result.phase, result.message) == ("Succeeded", ""), "\n".join(heard.lines[-60:])
    return result, heard


@pytest.mark.slow
async def test_a_project_keeps_its_branch_and_a_card_is_stored(newest: Desk, cluster: Cluster) -> None:
    script = FLOWS / "project" / "flow.py"
    words = ("--branch=try", "aicore", "create", "--secret=store", "--image=docker.io/x/y:1")
    _, heard = await succeeds(cluster, newest.create(script, *words), "project")
    assert heard.said("branch") == "test.try demo_project.test.try.ProjectFlow"
    keys = [k["Key"] for k in cluster.client().list_objects_v2(Bucket="bucket")["Contents"]]
    assert [k for k in keys if "project/steps/start/tasks/t/cards/blank" in k]


@pytest.mark.slow
async def test_a_step_that_takes_too_long_is_caught(desk: Desk, cluster: Cluster) -> None:
    await succeeds(cluster, desk.native("late"), f"late-{desk.name}")


async def test_awkward_values_arrive_and_nothing_is_executed(newest: Desk, cluster: Cluster) -> None:
    bound = {f"v{number:02}": value for number, value in enumerate(AWKWARD)}
    _, heard = await succeeds(cluster, newest.native("values"), "values", parameters=bound)
    seen = json.loads(heard.said("SEEN"))
    assert {v: s for v, s in zip(AWKWARD, seen, strict=True) if v != s} == {}
    assert not Path("/tmp/executed").exists()


async def test_the_command_uploads_what_the_template_names(desk: Desk, cluster: Cluster) -> None:
    keys = {"AWS_ACCESS_KEY_ID": cluster.store.access_key, "AWS_SECRET_ACCESS_KEY": cluster.store.secret_key}
    place = {"METAFLOW_S3_ENDPOINT_URL": cluster.store.endpoint, "AWS_DEFAULT_REGION": cluster.store.region}
    root = f"s3://bucket/desk-{desk.name}"
    words = ["flow.py", "--no-pylint", f"--datastore-root={root}", "aicore", "create", "--only-json"]
    made = await asyncio.to_thread(desk.command, words, FLOWS / "files", **keys, **place)
    assert "Contents" not in cluster.client().list_objects_v2(Bucket="bucket", Prefix=f"desk-{desk.name}")
    done = await asyncio.to_thread(desk.command, words[:-1], FLOWS / "files", **keys, **place)
    assert (done.returncode, done.stdout) == (0, made.stdout), done.stderr
    found = cluster.client().list_objects_v2(Bucket="bucket", Prefix=f"desk-{desk.name}")["Contents"]
    assert len(found) == 2
    assert all(f"s3://bucket/{item['Key']}" in done.stdout for item in found)


@pytest.mark.slow
async def test_code_in_the_image_runs_and_its_directory_stays_clean(
    newest: Desk, cluster: Cluster, tmp_path: Path
) -> None:
    package = gzip.decompress(newest.native("tiny").blobs()[0][1])
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        tar.extractall(tmp_path, filter="data")
    before = sorted(tmp_path.iterdir())
    compiled = newest.native("tiny", "--embedded")
    for container in (t["container"] for t in compiled.templates.values() if "container" in t):
        container["args"] = [f"cd {tmp_path} && {container['args'][0]}"]  # as an image's WORKDIR
    _, heard = await succeeds(cluster, compiled, "embedded", keep=(str(tmp_path),))
    assert any(line.endswith(": done") for line in heard.lines)
    assert [p for p in sorted(tmp_path.iterdir()) if p not in before and p.name != "__pycache__"] == []
