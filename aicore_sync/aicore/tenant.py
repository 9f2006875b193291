"""Verbs on what a tenant holds: repositories, applications, resource groups, quotas."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aicore_sync.aicore.calls import Call, get_object
from aicore_sync.aicore.errors import Forbidden, NotFound
from aicore_sync.aicore.pages import Listing, list_all
from aicore_sync.aicore.secrets import TENANT_SCOPE
from aicore_sync.aicore.send import Sender
from aicore_sync.aicore.values import GitCredentials, ResourceGroup
from aicore_sync.aicore.wire import admin
from aicore_sync.aicore.wire.basics import read_nothing, write_labels
from aicore_sync.core.world import Application, ApplicationStatus, Quota, Repository

_QUOTAS = (
    "executables",
    "applications",
    "repositories",
    "resourceGroups",
    "dockerRegistrySecrets",
    "secrets",
)


class Repositories:
    """`/admin/repositories`. A repository's URL never changes; only its credentials can be patched."""

    def __init__(self, sender: Sender, top: int) -> None:
        self._sender = sender
        self._top = top

    async def list(self) -> tuple[Repository, ...]:
        listing = Listing("/admin/repositories", admin.read_repository, lambda r: r.name)
        return await list_all(self._sender, listing, self._top)

    async def create(self, repository: Repository, credentials: GitCredentials) -> None:
        """Register a repository; the name may be empty, then AI Core picks one. Raises Conflict when it exists.

        The answer names no id reliably: list again to see the result.
        """
        body = {"url": repository.url, "username": credentials.username, "password": credentials.password}
        if repository.name:
            body["name"] = repository.name
        await self._sender.send(
            Call("POST", "/admin/repositories", read_nothing, body=body, secrets=(credentials.password,))
        )

    async def patch(self, name: str, credentials: GitCredentials) -> None:
        """Replace the stored credentials."""
        body = {"username": credentials.username, "password": credentials.password}
        call = Call(
            "PATCH",
            "/admin/repositories/{name}",
            read_nothing,
            path={"name": name},
            body=body,
            secrets=(credentials.password,),
        )
        await self._sender.send(call)


class Applications:
    """`/admin/applications`: which path of which revision of which repository AI Core syncs."""

    def __init__(self, sender: Sender, top: int) -> None:
        self._sender = sender
        self._top = top

    async def list(self) -> tuple[Application, ...]:
        listing = Listing("/admin/applications", admin.read_application, lambda a: a.name)
        return await list_all(self._sender, listing, self._top)

    async def get(self, name: str) -> Application:
        reads = get_object(admin.read_application)
        return await self._sender.send(Call("GET", "/admin/applications/{name}", reads, path={"name": name}))

    async def create(self, application: Application) -> None:
        """Register an application; its repository must be registered under exactly this URL."""
        body = _application_body(application) | {"applicationName": application.name}
        await self._sender.send(Call("POST", "/admin/applications", read_nothing, body=body))

    async def patch(self, application: Application) -> None:
        """Point the application called `application.name` elsewhere; all three parts are sent, as the API demands."""
        body = _application_body(application)
        path = {"name": application.name}
        await self._sender.send(
            Call("PATCH", "/admin/applications/{name}", read_nothing, path=path, body=body)
        )

    async def status(self, name: str) -> ApplicationStatus:
        """What AI Core synced last, per resource."""
        route = "/admin/applications/{name}/status"
        return await self._sender.send(Call("GET", route, admin.read_application_status, path={"name": name}))

    async def refresh(self, name: str) -> None:
        """Ask for a sync now; it runs later (202)."""
        route = "/admin/applications/{name}/refresh"
        await self._sender.send(Call("POST", route, read_nothing, path={"name": name}))


class ResourceGroups:
    """`/admin/resourceGroups`."""

    def __init__(self, sender: Sender, top: int) -> None:
        self._sender = sender
        self._top = top

    async def list(self) -> tuple[ResourceGroup, ...]:
        listing = Listing("/admin/resourceGroups", admin.read_resource_group, lambda g: g.id)
        return await list_all(self._sender, listing, self._top)

    async def get(self, group: str) -> ResourceGroup:
        route = "/admin/resourceGroups/{group}"
        return await self._sender.send(Call("GET", route, admin.read_resource_group, path={"group": group}))

    async def create(self, group: str, labels: Mapping[str, str]) -> None:
        """Create a resource group; it is usable when its status is PROVISIONED.

        Creating an existing id overwrites that group's details: get first.
        """
        body = {"resourceGroupId": group, "labels": write_labels(labels)}
        await self._sender.send(Call("POST", "/admin/resourceGroups", read_nothing, body=body))

    async def label(self, group: str, labels: Mapping[str, str]) -> None:
        """Set the labels; whether AI Core keeps those that are not named is not documented, so name all."""
        route, body = "/admin/resourceGroups/{group}", {"labels": write_labels(labels)}
        await self._sender.send(Call("PATCH", route, read_nothing, path={"group": group}, body=body))


async def quotas(sender: Sender) -> tuple[Quota, ...]:
    """Usage and limits of the tenant; a kind that this key may not see is left out."""
    found = await asyncio.gather(*(_quota(sender, kind) for kind in _QUOTAS))
    return tuple(quota for kind in found for quota in kind)


async def _quota(sender: Sender, kind: str) -> tuple[Quota, ...]:
    headers = TENANT_SCOPE | {"AI-Resource-Group": "*"} if kind == "secrets" else {}
    try:
        return await sender.send(
            Call("GET", f"/admin/resourceQuota/{kind}", admin.read_quota(kind), headers=headers)
        )
    except (NotFound, Forbidden):
        return ()


def _application_body(application: Application) -> dict[str, str]:
    return {
        "repositoryUrl": application.repository_url,
        "revision": application.revision,
        "path": application.path,
    }
