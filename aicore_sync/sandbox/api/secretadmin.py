"""Object store secrets, docker registry secrets and generic secrets. What is put in never comes out."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.gitadmin import AnAdminSlice
from aicore_sync.sandbox.api.scope import ATenant, AWorld, check_quota, find_group, need_merge_patch
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Group, ObjectStore, Secret, Tenant

router = APIRouter(prefix="/admin")
_DATA_KEYS = {
    "S3": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "oss": {"BUCKET", "ENDPOINT", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"},
    "webhdfs": {"HDFS_NAMENODE", "TLS_CERT", "TLS_KEY", "HEADERS"},
    "azure": {"CONTAINER_URI", "STORAGE_ACCESS_KEY"},
    "gcs": {"BUCKET", "PRIVATE_KEY"},
}


async def _group_or_default(
    tenant: ATenant, ai_resource_group: Annotated[str, Header()] = "default"
) -> Group:
    return find_group(tenant, ai_resource_group)


DefaultGroup = Annotated[Group, Depends(_group_or_default)]


def _store_wire(store: ObjectStore) -> dict[str, Any]:
    metadata = {
        "storage.ai.sap.com/type": store.type,
        "storage.ai.sap.com/bucket": store.bucket,
        "storage.ai.sap.com/endpoint": store.endpoint,
        "storage.ai.sap.com/region": store.region,
        "storage.ai.sap.com/pathPrefix": store.path_prefix,
        "serving.kubeflow.org/s3-usehttps": store.usehttps,
        "serving.kubeflow.org/s3-verifyssl": store.verifyssl,
        "serving.kubeflow.org/s3-endpoint": store.endpoint,
        "serving.kubeflow.org/s3-region": store.region,
    }
    return {"name": store.name, "metadata": {key: value for key, value in metadata.items() if value}}


def _check_store(body: bodies.StoreChange) -> None:
    if body.type not in _DATA_KEYS:
        raise Refusal(400, f"type {body.type!r} is not one of {', '.join(_DATA_KEYS)}")
    if absent := sorted(_DATA_KEYS[body.type] - set(body.data)):
        raise Refusal(400, f"data lacks {', '.join(absent)}")


def _store(group: Group, name: str) -> ObjectStore:
    plain = name.removesuffix("-object-store-secret")
    if plain not in group.object_stores:
        raise missing("Object store secret", name)
    return group.object_stores[plain]


@router.post("/objectStoreSecrets", status_code=202)
async def add_store(body: bodies.NewStore, world: AWorld, group: DefaultGroup) -> dict[str, Any]:
    _check_store(body)
    if body.name in group.object_stores:
        raise Refusal(409, f"Object store secret {body.name} already exists")
    group.object_stores[body.name] = ObjectStore(**body.model_dump())
    world.touch()
    return {"message": "secret has been created"}


@router.get("/objectStoreSecrets")
async def stores(query: AnAdminSlice, group: DefaultGroup) -> dict[str, Any]:
    return query.of([_store_wire(store) for store in group.object_stores.values()])


@router.get("/objectStoreSecrets/{name}")
async def store(name: str, group: DefaultGroup) -> dict[str, Any]:
    return _store_wire(_store(group, name))


@router.patch("/objectStoreSecrets/{name}", status_code=202)
async def change_store(
    name: str, body: bodies.StoreChange, world: AWorld, group: DefaultGroup
) -> dict[str, Any]:
    held = _store(group, name)
    _check_store(body)
    group.object_stores[held.name] = ObjectStore(**body.model_dump() | {"name": held.name})
    world.touch()
    return {"id": name, "message": "secret has been modified"}


@router.delete("/objectStoreSecrets/{name}", status_code=202)
async def delete_store(name: str, world: AWorld, group: DefaultGroup) -> dict[str, Any]:
    del group.object_stores[_store(group, name).name]
    world.touch()
    return {"id": name, "message": "secret has been deleted"}


def _docker(tenant: Tenant, name: str) -> None:
    if name not in tenant.docker_secrets:
        raise missing("Docker registry secret", name)


def _check_docker(data: bodies.DockerData) -> str:
    try:
        parsed = json.loads(data.config)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("auths"), dict):
        raise Refusal(400, "data..dockerconfigjson must be a JSON text with the key auths")
    return data.config


@router.post("/dockerRegistrySecrets", status_code=202)
async def add_docker(body: bodies.NewDocker, world: AWorld, tenant: ATenant) -> dict[str, Any]:
    check_quota(world, "dockerRegistrySecrets", len(tenant.docker_secrets))
    tenant.docker_secrets[body.name] = _check_docker(body.data)
    world.touch()
    return {"message": "secret has been created"}


@router.get("/dockerRegistrySecrets")
async def dockers(query: AnAdminSlice, tenant: ATenant) -> dict[str, Any]:
    return query.of([{"name": name} for name in tenant.docker_secrets])


@router.get("/dockerRegistrySecrets/{name}")
async def docker(name: str, tenant: ATenant) -> dict[str, Any]:
    _docker(tenant, name)
    return {"name": name}


@router.patch("/dockerRegistrySecrets/{name}", status_code=202, dependencies=[Depends(need_merge_patch)])
async def change_docker(
    name: str, body: bodies.DockerChange, world: AWorld, tenant: ATenant
) -> dict[str, Any]:
    _docker(tenant, name)
    tenant.docker_secrets[name] = _check_docker(body.data)
    world.touch()
    return {"id": name, "message": "secret has been modified"}


@router.delete("/dockerRegistrySecrets/{name}", status_code=202)
async def delete_docker(name: str, world: AWorld, tenant: ATenant) -> dict[str, Any]:
    _docker(tenant, name)
    del tenant.docker_secrets[name]
    world.touch()
    return {"id": name, "message": "secret has been deleted"}


@dataclass(frozen=True)
class Shelf:
    """The secrets of one scope; `groups` are those that a tenant-wide secret is replicated to."""

    secrets: dict[str, Secret]
    groups: tuple[str, ...] = ()

    def find(self, name: str) -> Secret:
        if name not in self.secrets:
            raise missing("Secret", name)
        return self.secrets[name]

    def wire(self, secret: Secret) -> dict[str, Any]:
        answer = secret.wire("data")
        return answer | (
            {"resourceGroupSecretsSyncStatus": dict.fromkeys(self.groups, True)} if self.groups else {}
        )


async def the_shelf(
    tenant: ATenant,
    ai_resource_group: Annotated[str | None, Header()] = None,
    ai_tenant_scope: Annotated[bool, Header()] = False,
) -> Shelf:
    """Tenant scope alone: main tenant; with resource group `*`: tenant-wide; else the resource group."""
    if ai_tenant_scope and ai_resource_group == "*":
        return Shelf(tenant.shared_secrets, tuple(tenant.groups))
    if ai_tenant_scope:
        return Shelf(tenant.main_secrets)
    return Shelf(find_group(tenant, ai_resource_group).secrets)


AShelf = Annotated[Shelf, Depends(the_shelf)]


def _check_data(data: dict[str, str]) -> None:
    for key, value in data.items():
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Refusal(400, f"data.{key} is not base64") from None


@router.post("/secrets")
async def add_secret(body: bodies.NewSecret, world: AWorld, shelf: AShelf) -> dict[str, Any]:
    _check_data(body.data)
    if body.name in shelf.secrets:
        raise Refusal(409, f"Secret {body.name} already exists")
    if shelf.groups:
        check_quota(world, "secrets", len(shelf.secrets))
    shelf.secrets[body.name] = Secret(
        name=body.name, data=body.data, labels=list(body.labels) or None, created_at=world.clock.now()
    )
    world.touch()
    return {"name": body.name, "message": "secret has been created"}


@router.get("/secrets")
async def secrets(query: AnAdminSlice, shelf: AShelf) -> dict[str, Any]:
    return query.of([shelf.wire(secret) for secret in shelf.secrets.values()])


@router.get("/secrets/{name}")
async def secret(name: str, shelf: AShelf) -> dict[str, Any]:
    return shelf.wire(shelf.find(name))


@router.patch("/secrets/{name}")
async def change_secret(name: str, body: bodies.SecretChange, world: AWorld, shelf: AShelf) -> dict[str, Any]:
    held = shelf.find(name)
    _check_data(body.data)
    held.data = body.data
    if "labels" in body.model_fields_set:
        held.labels = [label for label in body.labels if label.value] or None
    world.touch()
    return {"name": name, "message": "secret has been modified"}


@router.delete("/secrets/{name}")
async def delete_secret(name: str, world: AWorld, shelf: AShelf) -> dict[str, Any]:
    shelf.find(name)
    del shelf.secrets[name]
    world.touch()
    return {"name": name, "message": "secret has been deleted"}
