"""Resource groups and secrets that the configuration declares, through the real service and one-shot `apply`."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from controller_world import World, world
from githosts import git

from aicore_sync.aicore import GenericSecret, ObjectStoreSecret
from aicore_sync.app import BuildOptions, build, release_locks, take_locks
from aicore_sync.controller.apply import Applier
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import Plan, WriteSecret
from aicore_sync.core.model import Mark, TenantKey

PREFIX = "ext.ai.sap.com/"
STATE = "aicore-sync/team"
SECRETS = ("s3-key", "s3-secret", "registry-token", "feature-token", "proxy-url")


def declare(w: World) -> None:
    """Everything that can be declared, in a resource group that does not exist yet."""
    for name in SECRETS:
        (w.room / name).write_text(f"{name}-one")
    (tenant,) = w.configuration()["tenants"]
    login = {"username": "robot", "password": {"file": "registry-token"}}
    tenant |= {
        "registrySecrets": [{"name": "registry", "server": "ghcr.io", "credentials": login}],
        "secrets": [{"name": "proxy", "scope": "everywhere", "data": {"URL": {"file": "proxy-url"}}}],
    }
    keys = {"AWS_ACCESS_KEY_ID": {"file": "s3-key"}, "AWS_SECRET_ACCESS_KEY": {"file": "s3-secret"}}
    place = {
        "name": "default",
        "tenant": "t",
        "resourceGroup": "team-a",
        "createGroup": True,
        "groupLabels": {"cost-centre": "4711"},
        "objectStores": [{"bucket": "ml", "endpoint": "s3.test", "region": "eu", "data": keys}],
        "secrets": [{"name": "features", "data": {"TOKEN": {"file": "feature-token"}}}],
    }
    w.extra |= {"tenants": [tenant], "environments": [place]}


async def tenant(w: World) -> dict[str, Any]:
    found: dict[str, Any] = (await w.sandbox.dump())["tenants"]["default"]
    return found


def reasons(w: World) -> dict[str, str]:
    """Subject → reason of what the tenant's row says that is not well."""
    assert w.app
    status = w.app.board.known(TenantKey("t"))
    return {c.subject: c.reason for c in status.conditions if c.mark is not Mark.OK} if status else {}


@pytest.mark.slow
async def test_declared_things_are_made_followed_and_left_alone_when_nothing_changes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        declare(w)
        w.write("alpha", run="onChange")
        async with w.service() as app:
            await w.healthy("alpha")
            await w.until(
                lambda: TenantKey("t") in {s.key for s in app.board.all()} and not reasons(w), "all kept"
            )
            made = await tenant(w)
            group = made["groups"]["team-a"]
            assert {x["key"]: x["value"] for x in group["labels"]} == {
                PREFIX + "cost-centre": "4711",
                PREFIX + "aicore-sync.owner": "team",
            }
            assert group["objectStores"]["default"]["bucket"] == "ml"
            assert [*made["dockerSecrets"], *made["sharedSecrets"], *group["secrets"]] == [
                "registry",
                "proxy",
                "features",
            ]
            sent = len(await w.sandbox.requests())
            await w.quiet()
            assert await w.writes(sent) == []

            for name in SECRETS:
                (w.room / name).write_text(f"{name}-two")
            rotated = {
                "PATCH /v2/admin/objectStoreSecrets/default",
                "PATCH /v2/admin/dockerRegistrySecrets/registry",
                "PATCH /v2/admin/secrets/proxy",
                "PATCH /v2/admin/secrets/features",
            }

            async def followed() -> bool:
                return set(await w.writes(sent)) >= rotated

            await w.seen(followed, "changed values are written")
            await w.until(lambda: not reasons(w), "all kept again")
            assert sorted(await w.writes(sent)) == sorted(rotated), "each once, and nothing else"
            status = app.board.known(TenantKey("t"))
            assert status
            assert not any(f"{name}-two" in repr(status) for name in SECRETS)


@pytest.mark.slow
async def test_what_others_made_is_not_overwritten_unless_a_person_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        declare(w)
        w.write("alpha")
        async with w.somebody() as person:
            await person.resource_groups.create("team-a", {PREFIX + "theirs": "x"})
            config = '{"auths": {}}'
            await person.secrets.create_docker_registry("registry", config)
            owned = {PREFIX + "aicore-sync.owner": "others"}
            await person.secrets.create_generic("*", GenericSecret("proxy", {"URL": "theirs"}, owned))
        code, _, _ = await w.command("apply")
        assert code == 4, "the secret of another owner needs attention"
        found = await tenant(w)
        labels = {x["key"]: x["value"] for x in found["groups"]["team-a"]["labels"]}
        assert labels == {PREFIX + "theirs": "x", PREFIX + "cost-centre": "4711"}
        writes = await w.writes()
        assert not any("/admin/dockerRegistrySecrets/registry" in line for line in writes)
        sent = len(await w.sandbox.requests())
        code, out, err = await w.command("apply", "--force-secrets")
        assert (code, "belongs to the owner others" in out) == (4, True), err
        writes = await w.writes(sent)
        for kind in ("dockerRegistrySecrets/registry", "repositories/templates"):
            assert f"PATCH /v2/admin/{kind}" in writes
        assert not any("/admin/secrets/proxy" in line for line in writes)
        sent = len(await w.sandbox.requests())
        await w.command("apply")
        assert await w.writes(sent) == [], "written once"


async def test_what_somebody_makes_between_look_and_write_is_left_alone(tmp_path: Path) -> None:
    """The plan found nothing there; directly before the write there is something."""
    async with world(tmp_path) as w:
        declare(w)
        keys = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "theirs"}
        async with w.somebody() as person:
            await person.resource_groups.create("team-a", {})
            await person.secrets.create_docker_registry("registry", '{"auths": {}}')
            store = ObjectStoreSecret("default", keys, bucket="b", endpoint="s3.test", region="eu")
            await person.secrets.create_object_store("team-a", store)
            await person.secrets.create_generic("team-a", GenericSecret("features", {"TOKEN": "theirs"}, {}))
        async with build(w.settings(), BuildOptions(history=False)) as app:
            await take_locks(app)
            sent = len(await w.sandbox.requests())
            planned = [
                WriteSecret("t", secret.id, "it does not exist", new=True)
                for secret in app.estate.tenants["t"].declared.secrets
                if secret.id.name in ("registry", "default", "features")
            ]
            applier = Applier(app.estate, app.memory, Snapshots(time.monotonic))
            done = await applier.apply(TenantKey("t"), Plan(tuple(planned)))
            assert [o.error.reason if o.error else "" for o in done] == ["Conflict"] * 3
            assert await w.writes(sent) == []
            await release_locks(app)


@pytest.mark.slow
async def test_values_reach_ai_core_and_nothing_else(tmp_path: Path) -> None:
    """What is written can be used; nobody else hears it: no log line, no state branch, no answer."""
    async with world(tmp_path, "--state", str(tmp_path / "state.json")) as w:
        declare(w)
        code, out, err = await w.command("apply")
        assert code == 0, err
        kept = (tmp_path / "state.json").read_text()
        assert "s3-key-one" in kept
        assert base64.b64encode(b"feature-token-one").decode() in kept
        files = git(w.remote, "ls-tree", "-r", "--name-only", STATE).splitlines()
        assert "marks/t/store/group-team-a/default" in files
        branch = [git(w.remote, "show", f"{STATE}:{file}") for file in files]
        for name in SECRETS:
            value = f"{name}-one"
            secret = (value, base64.b64encode(value.encode()).decode())
            assert not any(text in out + err + repr(branch) for text in secret)
