"""The sandbox as a process: real executions on a real store, git over HTTP, state across starts, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from callers import Remote, caller, eventually, register, template
from sandboxes import running_sandbox

TRACK = """
import json, os, urllib.request
body = {"executionId": os.environ["AICORE_EXECUTION_ID"], "metrics": [{"name": "f1", "value": 0.75}]}
urllib.request.urlopen(urllib.request.Request(
    os.environ["AICORE_TRACKING_ENDPOINT"] + "/api/v1/metrics", json.dumps(body).encode(),
    {"Content-Type": "application/json"}, method="PATCH"))
"""
COPY: dict[str, Any] = {
    "entrypoint": "main",
    "arguments": {"parameters": [{"name": "word", "default": "default"}]},
    "templates": [
        {
            "name": "main",
            "inputs": {"artifacts": [{"name": "cases", "path": "/tmp/cases.txt"}]},
            "outputs": {
                "artifacts": [
                    {
                        "name": "model",
                        "globalName": "model",
                        "path": "/tmp/model.txt",
                        "archive": {"none": {}},
                    }
                ]
            },
            "container": {
                "image": "docker.io/library/python:3.11-slim",
                "command": ["sh", "-c"],
                "args": [
                    "echo word is {{workflow.parameters.word}}; cat /tmp/cases.txt > /tmp/model.txt; "
                    f"python - <<'END'\n{TRACK}END\n"
                ],
            },
        }
    ],
}
SLEEP: dict[str, Any] = {
    "entrypoint": "main",
    "templates": [{"name": "main", "container": {"image": "x", "command": ["sleep"], "args": ["600"]}}],
}


async def test_an_execution_runs_a_template_from_git_on_the_object_store(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    remote.commit({
        "templates/copy.json": json.dumps(template("copy-cases", **COPY)),
        "templates/sleep.json": json.dumps(template("sleep-long", **SLEEP)),
    })  # fmt: skip
    async with (
        running_sandbox(tmp_path, "--s3", "--git", str(tmp_path)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, timeout=20) as http,
    ):
        call = await caller(sandbox, http)
        assert sandbox.git is not None
        repository = {key: sandbox.git[key] for key in ("username", "password")} | {
            "url": f"{sandbox.git['url']}/remote.git",
            "name": "over-http",
        }
        assert (await call("POST", "/admin/repositories", repository)).status == 200
        remote.url = repository["url"]
        await register(call, remote)

        upload = await _upload(sandbox.s3, "inputs/cases.txt", b"forty-two")
        assert upload == 200
        artifact = {
            "name": "c",
            "kind": "dataset",
            "url": "ai://default/inputs/cases.txt",
            "scenarioId": "lab-scenario",
        }
        artifact_id = (await call("POST", "/lm/artifacts", artifact)).body["id"]
        configuration = {
            "name": "copy", "executableId": "copy-cases", "scenarioId": "lab-scenario",
            "parameterBindings": [{"key": "word", "value": "bound"}],
            "inputArtifactBindings": [{"key": "cases", "artifactId": artifact_id}],
        }  # fmt: skip
        bound = (await call("POST", "/lm/configurations", configuration)).body["id"]
        run = (await call("POST", "/lm/executions", {"configurationId": bound})).body["id"]
        sleepy = {"name": "sleep", "executableId": "sleep-long", "scenarioId": "lab-scenario"}
        sleep = (await call("POST", "/lm/configurations", sleepy)).body["id"]
        held = (await call("POST", "/lm/executions", {"configurationId": sleep})).body["id"]

        done = await call.until(f"/lm/executions/{run}", lambda e: e["status"] in {"COMPLETED", "DEAD"})
        assert done["status"] == "COMPLETED", done
        assert done["outputArtifacts"][0]["url"] == f"ai://default/{run}/model"
        assert await _download(sandbox.s3, f"{run}/model") == b"forty-two"
        lines = (await call("GET", f"/lm/executions/{run}/logs")).body["data"]["result"]
        assert "word is bound" in [line["msg"] for line in lines]
        tracked = (await call("GET", "/lm/metrics", params={"executionIds": run})).body["resources"][0][
            "metrics"
        ]
        assert [(metric["name"], metric["value"]) for metric in tracked] == [("f1", 0.75)]
        assert {node["phase"] for node in done["statusDetails"]["workflowInfo"]} == {"Succeeded"}

        await call.until(f"/lm/executions/{held}", lambda e: e["status"] == "RUNNING")
        await call("PATCH", f"/lm/executions/{held}", {"targetStatus": "STOPPED"})
        stopped = await call.until(f"/lm/executions/{held}", lambda e: e["status"] == "STOPPED")
        assert stopped["targetStatus"] == "STOPPED"


async def _upload(s3: dict[str, str] | None, key: str, content: bytes) -> int:
    assert s3 is not None
    async with httpx.AsyncClient() as http:
        return (
            await http.put(f"{s3['endpoint']}/{s3['bucket']}/{key}", content=content, headers=_signed(s3))
        ).status_code


async def _download(s3: dict[str, str] | None, key: str) -> bytes:
    assert s3 is not None
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{s3['endpoint']}/{s3['bucket']}/{key}", headers=_signed(s3))).content


def _signed(s3: dict[str, str]) -> dict[str, str]:
    """The store looks for an access key, not for a valid signature."""
    scope = f"Credential={s3['accessKey']}/20300101/{s3['region']}/s3/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}


async def test_a_reset_forgets_everything_and_ends_what_runs(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    remote.commit({"templates/a.json": json.dumps(template("plain-echo"))})
    async with (
        running_sandbox(tmp_path, "--executor", "instant", "--clock", "manual") as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as http,
    ):
        for _ in range(2):  # the second time finds nothing of the first
            call = await caller(sandbox, http)
            await register(call, remote)
            body = {"name": "c", "executableId": "plain-echo", "scenarioId": "lab-scenario"}
            configuration = (await call("POST", "/lm/configurations", body)).body["id"]
            await sandbox.executor(outcome="RUNNING")
            run = (await call("POST", "/lm/executions", {"configurationId": configuration})).body["id"]
            await sandbox.faults(quota=1, staleLists=20)
            await sandbox.clock(advance=3600)
            assert (await call("GET", "/lm/configurations/$count")).body == "1"

            sandbox.service_keys.update((await sandbox.post("reset"))["serviceKeys"])
            assert (await call("GET", f"/lm/executions/{run}")).status == 401, "old tokens are void"
            (tenant,) = (await sandbox.dump())["tenants"].values()
            assert not tenant.get("applications")
            assert not tenant["groups"]["default"].get("executions")
            assert [r["path"] for r in await sandbox.requests()] == [f"/v2/lm/executions/{run}"]


async def test_without_the_default_secret_an_execution_stays_unknown(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    remote.commit({"templates/a.json": json.dumps(template("plain-echo"))})
    async with running_sandbox(tmp_path) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        call = await caller(sandbox, http)
        await register(call, remote)
        body = {"name": "c", "executableId": "plain-echo", "scenarioId": "lab-scenario"}
        configuration = (await call("POST", "/lm/configurations", body)).body["id"]
        run = (await call("POST", "/lm/executions", {"configurationId": configuration})).body["id"]
        stuck = await call.until(f"/lm/executions/{run}", lambda e: "statusMessage" in e)
        assert stuck["status"] == "UNKNOWN"
        assert (await call("PATCH", f"/lm/executions/{run}", {"targetStatus": "STOPPED"})).status == 412
        store = {
            "name": "default",
            "type": "S3",
            "data": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        }
        assert (await call("POST", "/admin/objectStoreSecrets", store)).status == 202
        await call.until(f"/lm/executions/{run}", lambda e: e["status"] == "COMPLETED")


async def test_state_survives_a_kill_and_interrupted_executions_are_dead(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    remote.commit({"templates/a.json": json.dumps(template("alpha-train"))})
    arguments = ("--executor", "instant", "--state", str(tmp_path / "state.json"))
    async with (
        running_sandbox(tmp_path, *arguments) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as http,
    ):
        call = await caller(sandbox, http)
        await register(call, remote)
        await sandbox.executor(outcome="RUNNING")
        body = {"name": "c", "executableId": "alpha-train", "scenarioId": "lab-scenario"}
        configuration = (await call("POST", "/lm/configurations", body)).body["id"]
        run = (await call("POST", "/lm/executions", {"configurationId": configuration})).body["id"]
        await call.until(f"/lm/executions/{run}", lambda e: e["status"] == "RUNNING")
        await call(
            "POST",
            "/lm/executionSchedules",
            {"name": "s", "cron": "0 3 * * *", "configurationId": configuration},
        )
        key = sandbox.service_keys["default"]
        os.kill(sandbox.pid, signal.SIGKILL)
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
    async with (
        running_sandbox(tmp_path, *arguments) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as http,
    ):
        again = sandbox.service_keys["default"]
        assert (again["clientid"], again["clientsecret"]) == (key["clientid"], key["clientsecret"])
        call = await caller(sandbox, http)
        assert (await call("GET", f"/lm/executions/{run}")).body["status"] == "DEAD"
        assert (await call("GET", "/lm/executionSchedules/$count")).body == "1"
        assert (await call("GET", "/lm/scenarios/lab-scenario/executables/alpha-train")).status == 200


async def test_it_ends_with_its_parent_and_takes_its_children_along(tmp_path: Path) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc to see processes")
    code = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'aicore_sync.sandbox',"
        " '--die-with-parent', '--git', sys.argv[1]])\n"
        "print(p.pid, file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    child = int(await parent.stderr.readline())
    git = json.loads(await parent.stdout.readline())["git"]["url"]
    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    async def alive() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return await _answers(git)
        return Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"

    await eventually(alive, lambda living: not living)


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient() as http:
            await http.get(url)
    except httpx.TransportError:
        return False
    return True
