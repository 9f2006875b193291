"""Runs that would be stuck are not started; what does not depend on the missing thing goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from controller_world import World, world

from aicore_sync.aicore import ObjectStoreSecret
from aicore_sync.app import App, BuildOptions, build
from aicore_sync.core.model import FlowKey, Health, Stage

OUTPUT = {"name": "model", "globalName": "model", "path": "/tmp/model", "archive": {"none": {}}}
STORE = ObjectStoreSecret(
    "default",
    {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "no-real-secret"},
    bucket="bucket",
    endpoint="s3.example.com",
    region="eu",
)


def change(w: World, name: str, spec: dict[str, Any] | None = None, **step: Any) -> None:
    """Change the hand-written template of a flow: its spec, and its one step."""
    document = yaml.safe_load(w.path(name).read_text())
    document["spec"] |= spec or {}
    document["spec"]["templates"][0] |= step
    w.path(name).write_text(yaml.safe_dump(document))


@asynccontextmanager
async def hands(w: World) -> AsyncIterator[App]:
    """A client of the tenant for what people do by hand."""
    async with build(w.settings(), BuildOptions(history=False)) as app:
        yield app


async def test_a_run_waits_for_the_object_store_and_starts_once_it_is_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        outputs = {"model": {"kind": "model"}}
        w.write("alpha", run="onChange", schedule={"cron": "0 5 * * *"}, outputs=outputs)
        change(w, "alpha", outputs={"artifacts": [OUTPUT]})
        w.write("beta", run="onChange")
        async with w.service():
            await w.healthy("beta")
            await w.until(lambda: "ObjectStoreMissing" in w.reasons("alpha"), "the store is missing")
            await w.quiet()
            group = await w.group()
            assert (len(group.runs("alpha")), len(group.runs("beta"))) == (0, 1)
            assert "team.alpha.main" not in group.schedules, "it would only make stuck runs"
            status = w.status("alpha")
            assert status
            assert status.health is Health.ATTENTION
            assert "environments[].objectStores" in status.message
            async with hands(w) as app:
                await app.estate.tenants["t"].client.secrets.create_object_store("default", STORE)
            await w.healthy("alpha")
        group = await w.group()
        group.check()
        assert len(group.runs("alpha")) == 1
        assert "team.alpha.main" in group.schedules


@pytest.mark.slow
async def test_missing_registries_secrets_and_hardware_are_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange")
        container = yaml.safe_load(w.path("alpha").read_text())["spec"]["templates"][0]["container"]
        named = container | {"envFrom": [{"secretRef": {"name": "api-token"}}]}
        machine = {"labels": {"ai.sap.com/instanceType": "p9.huge"}}
        change(w, "alpha", {"imagePullSecrets": [{"name": "registry"}]}, container=named, metadata=machine)
        app = await w.apply()
        (row,) = app.board.rows()
        failed = [c.reason for c in row.conditions if c.stage is Stage.EXECUTE and c.mark == "fail"]
        assert failed == ["RegistrySecretMissing", "SecretMissing", "HardwareMissing"]
        assert (await w.group()).runs("alpha") == []


async def test_a_missing_resource_group_stops_only_its_own_flows(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.environments = ("default", "prod")
        w.write("alpha", environments=["default", "prod"])
        async with w.service():

            def missing() -> bool:
                status = w.status("alpha", "prod")
                return status is not None and "tenant t has no resource group prod" in status.message

            await w.until(missing, "prod has no resource group")
            await w.until(lambda: _health(w, "default") is Health.HEALTHY, "default is healthy")
            async with hands(w) as app:
                await app.estate.tenants["t"].client.resource_groups.create("prod", {})
            await w.until(lambda: _health(w, "prod") is Health.HEALTHY, "prod is healthy")
        assert [c["name"] for c in (await w.group("prod")).configurations] == [
            c["name"] for c in (await w.group("default")).configurations
        ]


def _health(w: World, environment: str) -> Health | None:
    status = w.status("alpha", environment)
    return status.health if status else None


async def test_a_token_of_another_tenant_writes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange")
        w.sandbox.service_keys["default"]["identityzoneid"] = "another-zone"
        app = await w.apply()
        status = app.board.known(FlowKey("alpha", "default"))
        assert status
        assert status.message.startswith("the token for tenant t belongs to identity zone")
        group = await w.group()
        assert (group.configurations, group.executions) == ([], [])


@pytest.mark.slow
async def test_an_application_that_shares_the_source_is_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha")
        await w.apply()
        async with hands(w) as app:
            tenant = app.estate.tenants["t"]
            wanted = tenant.wanted_application
            other = type(wanted)("by-hand", wanted.repository_url, wanted.revision, wanted.path)
            await tenant.client.applications.create(other)
        await w.sandbox.faults({"route": "/v2/admin/applications/{name}/refresh", "status": 500})
        w.write("alpha", text="print(2)")
        async with w.service():
            await w.until(lambda: "ApplicationShared" in w.reasons("alpha"), "the other one is named")
            status = w.template_status("alpha")
            assert status
            assert "application by-hand follows" in status.message
