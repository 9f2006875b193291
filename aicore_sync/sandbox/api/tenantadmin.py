"""Resource groups, quotas, instance types and what kind of tenant this is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.gitadmin import AnAdminSlice
from aicore_sync.sandbox.api.scope import ARunner, ATenant, AWorld, check_quota, the_tenant
from aicore_sync.sandbox.api.secretadmin import AShelf
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Group, Tenant
from aicore_sync.sandbox.world import World

router = APIRouter(prefix="/admin")
PROVISIONED_AFTER = 0.2  # seconds
INSTANCE_TYPES = {
    "starter": {"memory": "3Gi", "cpu": 1, "gpu": 0, "billableUnitsPerHour": 0.12},
    "basic": {"memory": "11Gi", "cpu": 3, "gpu": 0, "billableUnitsPerHour": 0.4},
    "train.l": {"memory": "55Gi", "cpu": 7, "gpu": 1, "billableUnitsPerHour": 4.2},
}


def _wire(group: Group, tenant: Tenant) -> dict[str, Any]:
    kept = {"resource_group_id", "labels", "status", "created_at"}
    answer = group.model_dump(mode="json", by_alias=True, exclude_none=True, include=kept)
    return answer | {"tenantId": tenant.zone, "zoneId": tenant.zone}


def _group(tenant: Tenant, name: str) -> Group:
    if name not in tenant.groups:
        raise missing("Resource group", name)
    return tenant.groups[name]


@router.post("/resourceGroups", status_code=202)
async def add_group(body: bodies.NewGroup, world: AWorld, tenant: ATenant) -> dict[str, Any]:
    """An id that exists already keeps its contents and gets the new labels."""
    name = body.resource_group_id
    if name not in tenant.groups:
        check_quota(world, "resourceGroups", len(tenant.groups))
        world.add_group(tenant, name, "PROVISIONING")
        asyncio.get_running_loop().call_later(PROVISIONED_AFTER, _provision, world, tenant, name)
    tenant.groups[name].labels = list(body.labels) or None
    world.touch()
    return {"resourceGroupId": name, "tenantId": tenant.zone, "zoneId": tenant.zone}


def _provision(world: World, tenant: Tenant, name: str) -> None:
    if name in tenant.groups:
        tenant.groups[name].status = "PROVISIONED"
        world.touch()


@router.get("/resourceGroups")
async def groups(query: AnAdminSlice, tenant: ATenant) -> dict[str, Any]:
    return query.of([_wire(group, tenant) for group in tenant.groups.values()])


@router.get("/resourceGroups/{name}")
async def group(name: str, tenant: ATenant) -> dict[str, Any]:
    return _wire(_group(tenant, name), tenant)


@router.patch("/resourceGroups/{name}", status_code=202)
async def change_group(name: str, body: bodies.GroupChange, world: AWorld, tenant: ATenant) -> JSONResponse:
    _group(tenant, name).labels = list(body.labels) or None
    world.touch()
    return JSONResponse({}, 202)


@router.delete("/resourceGroups/{name}", status_code=202)
async def delete_group(name: str, world: AWorld, tenant: ATenant, runner: ARunner) -> dict[str, Any]:
    """Everything in it goes; what runs is killed."""
    group = _group(tenant, name)
    if name == "default":
        raise Refusal(400, "Resource group default cannot be deleted")
    for run in group.executions.values():
        runner.delete(run)
    del tenant.groups[name]
    world.touch()
    return {"id": name, "message": "Resource Group deletion scheduled"}


async def _quota_only(quota_only: Annotated[bool, Query(alias="quotaOnly")] = False) -> bool:
    return quota_only


QuotaOnly = Annotated[bool, Depends(_quota_only)]


def _quota(maximum: int, used: int, quota_only: bool) -> dict[str, Any]:
    return {"quota": {"maxCount": maximum}} | ({} if quota_only else {"usage": {"count": used}})


@router.get("/resourceQuota/executables")
async def executable_quota(world: AWorld, tenant: ATenant, quota_only: QuotaOnly) -> dict[str, Any]:
    limits = {
        "workflowTemplateMaxCount": world.limit("workflowTemplates"),
        "servingTemplateMaxCount": world.limit("servingTemplates"),
    }
    serving = sum(1 for e in tenant.executables.values() if e.deployable)
    usage = {"workflowTemplateCount": len(tenant.executables) - serving, "servingTemplateCount": serving}
    return {"quota": limits} | ({} if quota_only else {"usage": usage})


@router.get("/resourceQuota/secrets")
async def secret_quota(world: AWorld, shelf: AShelf, quota_only: QuotaOnly) -> dict[str, Any]:
    return _quota(world.limit("secrets"), len(shelf.secrets), quota_only)


@router.get("/resourceQuota/deployments")
async def deployment_quota(_: ATenant, quota_only: QuotaOnly) -> dict[str, Any]:
    quotas = [
        {"resourcePlanType": "starter", "deploymentQuota": {"maxCount": 0, "maxReplicaPerDeployment": 1}}
    ]
    return {"quotas": quotas} | ({} if quota_only else {"usage": {"count": 0, "items": []}})


@router.get("/resourceQuota/{quota}")
async def common_quota(quota: str, world: AWorld, tenant: ATenant, quota_only: QuotaOnly) -> dict[str, Any]:
    used = {
        "applications": len(tenant.applications),
        "repositories": len(tenant.repositories),
        "dockerRegistrySecrets": len(tenant.docker_secrets),
        "resourceGroups": len(tenant.groups),
    }
    if quota not in used:
        raise missing("Quota", quota)
    return _quota(world.limit(quota), used[quota], quota_only)


@router.get("/tenantInfo")
async def tenant_info(tenant: ATenant) -> dict[str, Any]:
    return {"tenantId": tenant.zone, "servicePlan": "extended", "status": "PROVISIONED"}


@router.get("/resources/instanceTypes", dependencies=[Depends(the_tenant)])
async def instance_types() -> dict[str, Any]:
    return {"instanceTypes": INSTANCE_TYPES}
