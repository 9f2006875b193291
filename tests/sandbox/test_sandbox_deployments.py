"""Deployments walk their states by the sandbox's rules; every answer is as the AI-API's description says."""

from __future__ import annotations

import json

import pytest
from callers import Caller, Remote, serving

pytest_plugins = ["sandbox_fixtures"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def configuration(call: Caller, remote: Remote, **values: str) -> str:
    """A configuration of a serving template that has been synced."""
    remote.commit({"templates/wt-serve.json": json.dumps(serving("alpha-serve"))})
    await call.sync()
    bindings = [{"key": key, "value": value} for key, value in values.items()]
    body = {"name": "c", "executableId": "alpha-serve", "scenarioId": "lab-scenario"}
    answer = await call("POST", "/lm/configurations", body | {"parameterBindings": bindings})
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


async def started(call: Caller, configuration: str, **body: str) -> str:
    answer = await call("POST", "/lm/deployments", {"configurationId": configuration, **body})
    assert answer.status == 202, answer.body
    return str(answer.body["id"])


async def becomes(call: Caller, deployment: str, status: str) -> None:
    await call.until(f"/lm/deployments/{deployment}", lambda d: d["status"] == status)


async def test_a_deployment_runs_is_updated_stopped_and_deleted(call: Caller, remote: Remote) -> None:
    first = await configuration(call, remote, size="1")
    second = await configuration(call, remote, size="2")
    one = await started(call, first)
    await becomes(call, one, "RUNNING")
    assert (await call("DELETE", f"/lm/deployments/{one}")).status == 412
    assert (await call("PATCH", f"/lm/deployments/{one}", {"configurationId": second})).status == 202
    await becomes(call, one, "RUNNING")
    found = (await call("GET", f"/lm/deployments/{one}")).body
    assert (found["configurationId"], found["latestRunningConfigurationId"]) == (second, first)
    assert (await call("PATCH", f"/lm/deployments/{one}", {"targetStatus": "STOPPED"})).status == 202
    await becomes(call, one, "STOPPED")
    assert (await call("PATCH", f"/lm/deployments/{one}", {"configurationId": first})).status == 412
    assert (await call("DELETE", f"/lm/deployments/{one}")).status == 202
    assert (await call("GET", f"/lm/deployments/{one}")).body["targetStatus"] == "DELETED"
    await call.sandbox.clock(advance=10)
    assert (await call("GET", f"/lm/deployments/{one}")).status == 404
    assert (await call("GET", "/lm/deployments/$count")).body == "0"


async def test_a_rule_makes_deployments_dead_and_another_holds_them(call: Caller, remote: Remote) -> None:
    first = await configuration(call, remote, size="1")
    one = await started(call, first)
    await becomes(call, one, "RUNNING")
    await call.sandbox.executor(
        outcome="DEAD", message="out of memory", match={"executableId": "alpha-serve"}
    )
    await becomes(call, one, "DEAD")
    assert (await call("GET", f"/lm/deployments/{one}")).body["statusMessage"] == "out of memory"
    await call.sandbox.executor(outcome="PENDING", match={"executableId": "alpha-serve"})
    assert (await call("PATCH", f"/lm/deployments/{one}", {"configurationId": first})).status == 202
    await becomes(call, one, "PENDING")
    await call.sandbox.executor(outcome="COMPLETED", match={"executableId": "alpha-serve"})
    await becomes(call, one, "RUNNING")
    listed = (await call("GET", "/lm/deployments", params={"status": "RUNNING"})).body["resources"]
    assert [d["id"] for d in listed] == [one]


async def test_a_deployment_is_gone_when_its_time_is_over(call: Caller, remote: Remote) -> None:
    one = await started(call, await configuration(call, remote, size="1"), ttl="2h")
    await call.sandbox.clock(advance=7000)
    await becomes(call, one, "RUNNING")
    await call.sandbox.clock(advance=300)
    assert (await call("GET", f"/lm/deployments/{one}")).status == 404


async def test_what_cannot_serve_is_refused(call: Caller, remote: Remote) -> None:
    unbound = await configuration(call, remote)
    assert (await call("POST", "/lm/deployments", {"configurationId": unbound})).status == 400
    bound = await configuration(call, remote, size="1")
    assert (await call("POST", "/lm/deployments", {"configurationId": bound, "ttl": "5m"})).status == 400
    assert (await call("POST", "/lm/executions", {"configurationId": bound})).status == 400
    body = {"name": "c", "executableId": "alpha-train", "scenarioId": "lab-scenario"}
    runs = (await call("POST", "/lm/configurations", body)).body["id"]
    answer = await call("POST", "/lm/deployments", {"configurationId": runs})
    assert answer.status == 400
    assert "not deployable" in answer.body["error"]["message"]
