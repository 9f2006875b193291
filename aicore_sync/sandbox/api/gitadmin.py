"""/admin/repositories and /admin/applications."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.scope import ASyncer, ATenant, AWorld, ListedTenant, check_quota, page
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Application, Repository, Tenant, Wire
from aicore_sync.sandbox.world import World

router = APIRouter(prefix="/admin")
ACCEPTED_AFTER = 0.2  # seconds in which a repository is IN-PROGRESS


class AdminSlice(Wire):
    """`$top` and `$skip` of the admin API; without `$top` all."""

    top: int | None = Field(default=None, ge=0, alias="$top")
    skip: int = Field(default=0, ge=0, alias="$skip")

    def of(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        end = None if self.top is None else self.skip + self.top
        return page(items[self.skip : end])


AnAdminSlice = Annotated[AdminSlice, Query()]


def _repository(tenant: Tenant, name: str) -> Repository:
    if name not in tenant.repositories:
        raise missing("Repository", name)
    return tenant.repositories[name]


@router.post("/repositories")
async def add_repository(
    body: bodies.NewRepository, world: AWorld, tenant: ATenant, syncer: ASyncer
) -> dict[str, Any]:
    name = body.name or f"repository-{world.short_id()}"
    if name in tenant.repositories or any(r.url == body.url for r in tenant.repositories.values()):
        raise Refusal(409, f"Repository {name} or {body.url} already exists")
    check_quota(world, "repositories", len(tenant.repositories))
    tenant.repositories[name] = Repository(
        name=name, url=body.url, username=body.username, password=body.password
    )
    asyncio.get_running_loop().call_later(ACCEPTED_AFTER, _accept, world, tenant, name)
    for application in tenant.applications:
        syncer.request(tenant, application)
    world.touch()
    return {"id": name, "message": "Repository has been on-boarded"}


def _accept(world: World, tenant: Tenant, name: str) -> None:
    """COMPLETED only means that the credentials are stored."""
    if name in tenant.repositories:
        tenant.repositories[name].status = "COMPLETED"
        world.touch()


@router.get("/repositories")
async def repositories(query: AnAdminSlice, tenant: ListedTenant) -> dict[str, Any]:
    return query.of([r.wire("username", "password") for r in tenant.repositories.values()])


@router.get("/repositories/{name}")
async def repository(name: str, tenant: ATenant) -> dict[str, Any]:
    return _repository(tenant, name).wire("username", "password")


@router.patch("/repositories/{name}")
async def change_repository(
    name: str, body: bodies.Credentials, world: AWorld, tenant: ATenant
) -> dict[str, Any]:
    held = _repository(tenant, name)
    held.username, held.password = body.username, body.password
    world.touch()
    return {"id": name, "message": "Repository credentials will be eventually synced"}


@router.delete("/repositories/{name}")
async def delete_repository(name: str, world: AWorld, tenant: ATenant) -> dict[str, Any]:
    _repository(tenant, name)
    del tenant.repositories[name]
    world.touch()
    return {"id": name, "message": "Repository has been off-boarded"}


def _application(tenant: Tenant, name: str) -> Application:
    if name not in tenant.applications:
        raise missing("Application", name)
    return tenant.applications[name]


@router.post("/applications")
async def add_application(
    body: bodies.NewApplication, world: AWorld, tenant: ATenant, syncer: ASyncer
) -> dict[str, Any]:
    if bool(body.repository_url) == bool(body.repository_name):
        raise Refusal(400, "Invalid Request, exactly one of repositoryUrl, repositoryName is expected")
    if body.repository_name and body.repository_name not in tenant.repositories:
        raise Refusal(400, f"Repository {body.repository_name} not found for tenant")
    url = body.repository_url or tenant.repositories[body.repository_name].url
    name = body.application_name or f"application-{world.short_id()}"
    if name in tenant.applications:
        raise Refusal(409, f"Application {name} already exists")
    check_quota(world, "applications", len(tenant.applications))
    tenant.applications[name] = Application(
        application_name=name, repository_url=url, revision=body.revision, path=body.path
    )
    syncer.request(tenant, name)
    return {"id": name, "message": "Application has been successfully created."}


@router.get("/applications")
async def applications(query: AnAdminSlice, tenant: ListedTenant) -> dict[str, Any]:
    return query.of([a.wire("status") for a in tenant.applications.values()])


@router.get("/applications/{name}")
async def application(name: str, tenant: ATenant) -> dict[str, Any]:
    return _application(tenant, name).wire("status")


@router.get("/applications/{name}/status")
async def status(name: str, tenant: ATenant) -> dict[str, Any]:
    answer = _application(tenant, name).status.wire()
    return answer | {"syncRessourcesStatus": answer["syncResourcesStatus"]}  # the misspelt twin still exists


@router.post("/applications/{name}/refresh", status_code=202)
async def refresh(name: str, tenant: ATenant, syncer: ASyncer) -> dict[str, Any]:
    _application(tenant, name)
    syncer.request(tenant, name)
    return {"id": name, "message": "Application refresh has been requested"}


@router.patch("/applications/{name}")
async def change_application(
    name: str, body: bodies.Source, tenant: ATenant, syncer: ASyncer
) -> dict[str, Any]:
    held = _application(tenant, name)
    tenant.applications[name] = held.model_copy(update=body.model_dump())
    syncer.request(tenant, name)
    return {"id": name, "message": "Application has been successfully updated."}


@router.delete("/applications/{name}")
async def delete_application(name: str, world: AWorld, tenant: ATenant) -> dict[str, Any]:
    """What the application brought goes with it."""
    _application(tenant, name)
    del tenant.applications[name]
    tenant.executables = {k: e for k, e in tenant.executables.items() if e.application != name}
    world.touch()
    return {"id": name, "message": "Application has been successfully deleted."}
