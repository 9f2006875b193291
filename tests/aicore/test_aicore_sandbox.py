"""The client against the sandbox, over sockets. Every request is held against the AI-API's description."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import contract
import httpx
import pytest
import pytest_asyncio
from sandboxes import Sandbox, running_sandbox

from aicore_sync.aicore import (
    AICore,
    ArtifactFilter,
    ClientOptions,
    ConfigurationFilter,
    Conflict,
    ExecutionFilter,
    ExecutionMetrics,
    Forbidden,
    GitCredentials,
    Metric,
    NotFound,
    ObjectStoreSecret,
    PreconditionFailed,
    parse_service_key,
)
from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.world import Application, Artifact, Configuration, Repository, Schedule

pytestmark = pytest.mark.asyncio(loop_scope="module")
T = TypeVar("T")

OWNED = {"ext.ai.sap.com/aicore-sync.owner": "ci", "ext.ai.sap.com/aicore-sync.hash": "abc"}
TEMPLATE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {
        "name": "churn-train",
        "labels": {"scenarios.ai.sap.com/id": "churn", "ai.sap.com/version": "1-abc"},
        "annotations": {"scenarios.ai.sap.com/name": "Churn", "executables.ai.sap.com/name": "churn-train"},
    },
    "spec": {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "alpha", "default": "0.1"}, {"name": "beta"}]},
        "templates": [
            {
                "name": "main",
                "inputs": {"artifacts": [{"name": "data", "path": "/data"}]},
                "container": {
                    "image": "docker.io/library/python:3.11",
                    "command": ["sh", "-c"],
                    "args": ["true"],
                },
            }
        ],
    },
}


class Held(httpx.AsyncHTTPTransport):
    """The network, after the contract has been looked at."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if contract.contract_path() is not None and request.url.path.startswith("/v2/"):
            contract.assert_request(
                request.method,
                request.url.raw_path.decode().partition("?")[0],
                query=dict(request.url.params),
                headers=request.headers,
                body=json.loads(request.content) if request.content else None,
            )
        return await super().handle_async_request(request)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    home = tmp_path_factory.mktemp("aicore")
    async with running_sandbox(home, "--executor", "instant", "--clock", "manual") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(sandbox: Sandbox) -> AsyncIterator[AICore]:
    key = parse_service_key(json.dumps(sandbox.service_keys["default"]), "sandbox")
    options = ClientOptions(attempt=10, deadline=10, backoff=0.01, page=10_000)
    async with AICore(
        options, lambda: key, clock=time.monotonic, rng=random.Random(1), transport=Held()
    ) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def synced(client: AICore, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registered repository and application with one synced template; gives the commit."""
    work = tmp_path_factory.mktemp("source")
    (work / "flows").mkdir()
    (work / "flows" / "wt-churn-train.json").write_text(json.dumps(TEMPLATE))
    commit = _commit(work)
    await client.repositories.create(
        Repository("source", f"file://{work}"), GitCredentials("robot", "token-1")
    )
    await client.applications.create(Application("ci-flows", f"file://{work}", "main", "flows"))
    await client.applications.refresh("ci-flows")
    await sandbox.sync("default")
    return commit


def _commit(work: Path) -> str:
    git = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@t.test"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "flows"], check=True)
    return subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


async def eventually(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Ask until the answer is good, for at most ten seconds."""
    give_up = time.monotonic() + 10
    while not good(found := await ask()):
        assert time.monotonic() < give_up, f"still {found}"
        await asyncio.sleep(0.02)
    return found


async def configuration(client: AICore, name: str) -> str:
    wanted = Configuration("", name, "churn-train", "churn", {"alpha": "0.5", "beta": "1"})
    return await client.group("default").configurations.create(wanted)


async def test_repository_application_and_proof_of_sync(client: AICore, synced: str) -> None:
    assert [repository.name for repository in await client.repositories.list()] == ["source"]
    await client.repositories.patch("source", GitCredentials("robot", "token-2"))
    (repository,) = await client.repositories.list()
    with pytest.raises(Conflict):
        await client.repositories.create(repository, GitCredentials("robot", "token-3"))
    application = await client.applications.get("ci-flows")
    assert (await client.applications.list(), application.path) == ((application,), "flows")
    await client.applications.patch(application)
    status = await client.applications.status("ci-flows")
    entry = status.resource("churn-train")
    assert (status.revision, status.sync) == (synced, "Synced")
    assert entry is not None
    assert (entry.kind, entry.status) == ("WorkflowTemplate", "Synced")
    with pytest.raises(NotFound):
        await client.applications.get("nobody")


async def test_scenarios_and_executables(client: AICore, synced: str) -> None:
    scenarios = client.group("default").scenarios
    assert [scenario.id for scenario in await scenarios.list()] == ["churn"]
    (found,) = await scenarios.executables("churn")
    assert (found.id, found.scenario, found.version_id) == ("churn-train", "churn", "1-abc")
    assert (found.parameters, found.inputs) == ({"alpha": "0.1", "beta": None}, frozenset({"data"}))
    assert found.modified_at is not None


async def test_artifacts_by_label(client: AICore, synced: str) -> None:
    artifacts = client.group("default").artifacts
    wanted = Artifact("", "train data", "dataset", "ai://default/data", "churn", "rows", OWNED)
    first, second = await artifacts.create(wanted), await artifacts.create(wanted)
    found = await artifacts.list(ArtifactFilter(labels=OWNED, kind="dataset"))
    assert {artifact.id for artifact in found} == {first, second}
    assert (found[0].labels, found[0].url, found[0].description) == (OWNED, "ai://default/data", "rows")
    assert await artifacts.count(ArtifactFilter(labels=OWNED)) == 2
    assert await artifacts.list(ArtifactFilter(labels=OWNED | {"ext.ai.sap.com/other": "x"})) == ()


async def test_configurations(client: AICore, synced: str) -> None:
    configurations = client.group("default").configurations
    made = await configuration(client, "ci.churn.first.abc")
    where = ConfigurationFilter("ci.churn.first", ("churn-train", "other-one"), "churn")
    assert [found.id for found in await configurations.list(where)] == [made]
    assert await configurations.count(where) == 1
    assert (await configurations.get(made)).parameters == {"alpha": "0.5", "beta": "1"}
    with pytest.raises(Stalled, match=r"Could not create configuration.*request id"):
        await configurations.create(Configuration("", "ci.x", "nobody", "churn"))


async def test_an_execution_from_start_to_deletion(client: AICore, sandbox: Sandbox, synced: str) -> None:
    group = client.group("default")
    made = await configuration(client, "ci.churn.runs.abc")
    await sandbox.executor(outcome="RUNNING")
    run, other = await group.executions.create(made), await group.executions.create(made)
    await eventually(lambda: group.executions.get(run), lambda seen: seen.status == "RUNNING")
    with pytest.raises(PreconditionFailed):
        await group.executions.delete(run)
    await group.executions.stop(run)
    await eventually(lambda: group.executions.get(run), lambda seen: seen.status == "STOPPED")
    await sandbox.executor(outcome="COMPLETED")
    mine = ExecutionFilter(configuration=made, executables=("churn-train",))
    seen = await eventually(
        lambda: group.executions.list(mine), lambda runs: {r.status for r in runs} == {"STOPPED", "COMPLETED"}
    )
    assert {found.id for found in seen} == {run, other}
    assert all(found.created_at and not found.active for found in seen)
    assert await group.executions.count(mine) == 2
    assert isinstance(await group.executions.details(other), dict)
    (changed, missing) = await group.executions.change_many([run, "no-such-run"], "DELETED")
    assert changed.error is None
    assert missing.error is not None
    await group.executions.delete(other)
    with pytest.raises(NotFound):
        await group.executions.get("no-such-run")


async def test_metrics_and_logs(client: AICore, synced: str) -> None:
    group = client.group("default")
    run = await group.executions.create(await configuration(client, "ci.churn.metrics.abc"))
    at = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
    values = ExecutionMetrics(run, (Metric("auc", 0.9, 1, at, {"set": "test"}),), {"aicore-sync.owner": "ci"})
    await group.metrics.patch(values)
    (found,) = await group.metrics.get([run])
    assert (found.tags, found.metrics) == (values.tags, values.metrics)
    done = await eventually(lambda: group.executions.get(run), lambda seen: seen.status == "COMPLETED")
    assert done.created_at is not None
    lines = [line async for line in group.logs.read(run, done.created_at)]
    assert await group.logs.tail(run, done.created_at, 5) == lines[-5:]


async def test_schedules(client: AICore, synced: str) -> None:
    schedules = client.group("default").schedules
    first = await configuration(client, "ci.churn.nightly.aaa")
    second = await configuration(client, "ci.churn.nightly.bbb")
    start = datetime.now(UTC) + timedelta(days=1)
    made = await schedules.create(
        Schedule("", "ci.churn.nightly", "0 3 * * *", first, start=start, end=start + timedelta(days=9))
    )
    await schedules.patch(made, {"configuration": second, "status": "INACTIVE", "cron": "0 4 * * *"})
    found = await schedules.get(made)
    assert (found.name, found.configuration, found.status, found.cron) == (
        "ci.churn.nightly", second, "INACTIVE", "0 4 * * *",
    )  # fmt: skip
    assert found.start is not None
    assert timedelta() <= found.start - start < timedelta(seconds=1)
    assert await schedules.list(configuration=second, status="INACTIVE") == (found,)
    with pytest.raises(Stalled):
        await schedules.create(Schedule("", "ci.churn.often", "* * * * *", first))
    await schedules.delete(made)
    assert await schedules.list(configuration=second) == ()


async def test_tenant_groups_quotas_and_secrets(client: AICore, synced: str) -> None:
    await client.resource_groups.create("team-a", {"ext.ai.sap.com/team": "a"})
    group = await eventually(
        lambda: client.resource_groups.get("team-a"), lambda g: g.status == "PROVISIONED"
    )
    assert group.labels == {"ext.ai.sap.com/team": "a"}
    assert group.id in {found.id for found in await client.resource_groups.list()}
    secret = ObjectStoreSecret(
        "store",
        {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        bucket="flows",
        endpoint="s3.test",
        region="eu",
    )
    await client.secrets.create_object_store("team-a", secret)
    await client.secrets.patch_object_store("team-a", secret)
    (stored,) = await client.secrets.object_stores("team-a")
    assert stored.name == "store"
    assert stored.metadata["storage.ai.sap.com/bucket"] == "flows"
    assert await client.secrets.docker_registries() == ()
    assert (await client.secrets.generic("team-a"), await client.secrets.generic()) == ((), ())
    quotas = {quota.name: quota for quota in await client.quotas()}
    assert (quotas["workflowTemplates"].used, quotas["repositories"].used) == (1, 1)
    assert (await client.meta()).schedules
    assert (await client.tenant_info()).id
    assert await client.instance_types()


async def test_a_resource_group_that_is_not_there(client: AICore) -> None:
    with pytest.raises(Forbidden, match='resource group "nobody"'):
        await client.group("nobody").executions.list()


async def test_an_expired_token_is_not_noticed(client: AICore, sandbox: Sandbox) -> None:
    await client.meta()
    await sandbox.faults(expireTokens=True)
    assert await client.repositories.list()


async def test_a_post_that_is_applied_without_an_answer(
    client: AICore, sandbox: Sandbox, synced: str
) -> None:
    group = client.group("default")
    made = await configuration(client, "ci.churn.once.abc")
    await sandbox.faults({"route": "/lm/executions$", "method": "POST", "applyThenReset": True, "count": 1})
    with pytest.raises(Transient) as caught:
        await group.executions.create(made)
    assert caught.value.ambiguous
    assert len(await group.executions.list(ExecutionFilter(configuration=made))) == 1


async def test_reads_get_through_errors_resets_and_rate_limits(
    client: AICore, sandbox: Sandbox, synced: str
) -> None:
    route = "/lm/executionSchedules$"
    await sandbox.faults(  # every rule counts down by each request, the first that is left answers
        {"route": route, "status": 503, "count": 1},
        {"route": route, "reset": True, "count": 2},
        {"route": route, "status": 429, "retryAfter": 0, "count": 3},
        {"route": route, "status": 504, "body": "upstream request timeout", "count": 4},
    )
    before = len(await sandbox.requests())
    await client.group("default").schedules.list()
    asked = [
        entry for entry in await sandbox.requests(before) if entry["path"].endswith("/lm/executionSchedules")
    ]
    assert [entry["status"] for entry in asked] == [503, None, 429, 504, 200]
    assert {entry["clientType"] for entry in asked} == {"aicore-sync"}
    await sandbox.calm()


async def test_pages_against_a_real_server(client: AICore, sandbox: Sandbox, synced: str) -> None:
    ids = [await configuration(client, f"ci.pages.{number}") for number in range(7)]
    key = parse_service_key(json.dumps(sandbox.service_keys["default"]), "sandbox")
    small = ClientOptions(deadline=10, page=3)
    async with AICore(
        small, lambda: key, clock=time.monotonic, rng=random.Random(1), transport=Held()
    ) as paged:
        found = await paged.group("default").configurations.list(ConfigurationFilter("ci.pages."))
        groups = await paged.resource_groups.list()
    assert {configuration.id for configuration in found} == set(ids)
    assert "default" in {group.id for group in groups}
