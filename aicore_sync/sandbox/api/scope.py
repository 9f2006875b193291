"""Who asks, in which resource group, and which slice of a list: shared by all families of resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field

from aicore_sync.sandbox.deployments import Deployer
from aicore_sync.sandbox.errors import PlainRefusal, Refusal
from aicore_sync.sandbox.faults import Faults
from aicore_sync.sandbox.gitops import Syncer
from aicore_sync.sandbox.model import Group, Tenant, Wire
from aicore_sync.sandbox.runs import Runner
from aicore_sync.sandbox.world import World

T = TypeVar("T")
MERGE_PATCH = "application/merge-patch+json"


def the_world(request: Request) -> World:
    world: World = request.app.state.world
    return world


def the_faults(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    return faults


def the_runner(request: Request) -> Runner:
    runner: Runner = request.app.state.runner
    return runner


def the_deployer(request: Request) -> Deployer:
    deployer: Deployer = request.app.state.deployer
    return deployer


def the_syncer(request: Request) -> Syncer:
    syncer: Syncer = request.app.state.syncer
    return syncer


AWorld = Annotated[World, Depends(the_world)]
AFaults = Annotated[Faults, Depends(the_faults)]
ARunner = Annotated[Runner, Depends(the_runner)]
ADeployer = Annotated[Deployer, Depends(the_deployer)]
ASyncer = Annotated[Syncer, Depends(the_syncer)]


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an Authorization header, or ""."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def the_tenant(request: Request, world: AWorld) -> Tenant:
    """The tenant of the token. The gateway's refusals are plain text."""
    text = bearer(request.headers)
    if not text:
        raise PlainRefusal(403, "RBAC: access denied")
    token = world.tokens.get(text)
    if token is None:
        raise PlainRefusal(401, "Jwt issuer is not configured")
    if token.expires <= world.clock.now():
        raise PlainRefusal(401, "Jwt is expired")
    return world.state.tenants[token.tenant]


ATenant = Annotated[Tenant, Depends(the_tenant)]


def find_group(tenant: Tenant, name: str | None) -> Group:
    """The resource group of a header. One that does not exist looks like one that is forbidden."""
    if not name:
        raise Refusal(400, "Missing required header AI-Resource-Group")
    if name not in tenant.groups:
        raise PlainRefusal(403, "RBAC: access denied")
    return tenant.groups[name]


async def the_group(tenant: ATenant, ai_resource_group: Annotated[str | None, Header()] = None) -> Group:
    return find_group(tenant, ai_resource_group)


AGroup = Annotated[Group, Depends(the_group)]


async def the_listed(request: Request, tenant: ATenant, faults: AFaults) -> Tenant:
    """The tenant as lists show it: as it was some seconds ago while the fault `staleLists` is on."""
    return faults.stale(tenant)


async def the_listed_group(listed: Annotated[Tenant, Depends(the_listed)], group: AGroup) -> Group:
    """The resource group as lists show it. A group younger than the stale view is shown as it is."""
    return listed.groups.get(group.resource_group_id, group)


ListedTenant = Annotated[Tenant, Depends(the_listed)]
ListedGroup = Annotated[Group, Depends(the_listed_group)]


class Slice(Wire):
    """`$top` and `$skip` of the runtime API."""

    top: int = Field(default=10000, ge=0, le=100000, alias="$top")
    skip: int = Field(default=0, ge=0, alias="$skip")

    def of(self, items: Iterable[T]) -> list[T]:
        """The slice of `items`, newest first: no order is promised and clients must not count on one."""
        return list(items)[::-1][self.skip : self.skip + self.top]


ASlice = Annotated[Slice, Query()]


def page(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """A list answer. `count` counts this answer, not the world."""
    return {"count": len(resources), "resources": resources}


def number(items: Iterable[object]) -> PlainTextResponse:
    """The answer of a `$count`."""
    return PlainTextResponse(str(sum(1 for _ in items)))


def need_merge_patch(request: Request) -> None:
    """400 unless the body is declared as a JSON merge patch; the description knows no 415."""
    if request.headers.get("content-type", "").split(";")[0].strip() != MERGE_PATCH:
        raise Refusal(400, f"Unsupported media type, expected {MERGE_PATCH}")


def check_quota(world: World, quota: str, used: int) -> None:
    """400 when one more would exceed the quota."""
    if used >= world.limit(quota):
        raise Refusal(
            400, f"Quota exceeded: {quota}, maximum {world.limit(quota)}, in use {used}", "01010091"
        )
