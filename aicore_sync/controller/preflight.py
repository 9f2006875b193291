"""Reads what runs rely on: resource groups, secrets, service plan, and whose token it is. Asked hourly while all is
there, again soon while something is missing, and only for what a template names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aicore_sync.controller.estate import Environment, Estate, Tenant
from aicore_sync.controller.observe.groups import HOUR
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.preflight import AGAIN, Facts, Look, group_look, looks, repository_look
from aicore_sync.core.template import Needs

T = TypeVar("T")


class Preflight:
    """Facts about tenants and resource groups. What cannot be read is None and holds nothing."""

    def __init__(self, estate: Estate, lists: Lists, snapshots: Snapshots) -> None:
        self._estate = estate
        self._lists = lists
        self._snapshots = snapshots

    async def require_place(self, place: Environment) -> None:
        """Raises Stalled or Transient when nothing can be done there at all: wrong tenant, no resource group."""
        tenant = self._estate.tenants[place.tenant]
        problem = await self.wrong_tenant(tenant)
        if problem:
            raise Stalled(problem, reason="WrongTenant")
        look = group_look(Facts(await self._lists.group_state(place)), tenant.name, place.resource_group)
        if look.reason == "ResourceGroupNotReady":
            raise Transient(look.message, reason=look.reason, retry_after=self._again)
        if look.reason:
            raise Stalled(look.message, reason=look.reason)

    async def looks(self, place: Environment, needs: Needs) -> tuple[Look, ...]:
        """Everything that the needs ask for, and whether it is there."""
        facts = await self.facts(place, needs)
        return tuple(looks(needs, facts, place.tenant, place.resource_group))

    async def repository(self, tenant: Tenant, waited: bool) -> Look:
        """Whether AI Core can read the repository. `waited`: a template of ours should run there by now."""
        lists = self._lists.within(self._estate.timings.round_age)
        status = await lists.application(tenant)
        told = status is not None and bool(status.message)
        expected = bool(await lists.owned(tenant)) and (told or waited)
        return repository_look(status, tenant.name, expected)

    async def wrong_tenant(self, tenant: Tenant) -> str:
        """Why the token is not of the tenant that the service key names; "" when it is, or when nothing tells."""

        async def fetch() -> tuple[str, str]:
            return await tenant.client.zones()

        for age in (HOUR, self._again):
            found, expected = await self._known(("zones", tenant.name), fetch, age) or ("", "")
            if not (found and expected) or found == expected:
                return ""
        return (
            f"the token for tenant {tenant.name} belongs to identity zone {found}, its service key says {expected}: "
            "the key was put together from two; create a new service key and replace the secret"
        )

    async def facts(self, place: Environment, needs: Needs) -> Facts:
        """What is known about the needs in an environment; what they do not name is not asked for."""
        client = self._estate.tenants[place.tenant].client
        group, secrets = place.resource_group, client.secrets

        async def stores() -> frozenset[str]:
            return frozenset(s.name for s in await secrets.object_stores(group))

        async def generic() -> frozenset[str]:
            return frozenset(s.name for s in (*await secrets.generic(group), *await secrets.shared()))

        async def registries() -> frozenset[str]:
            return frozenset(s.name for s in await secrets.docker_registries())

        async def types() -> frozenset[str]:
            return frozenset(t.id for t in await client.instance_types())

        return Facts(
            group=await self._lists.group_state(place),
            stores=await self._names(("stores", place.name), stores, needs.stores),
            secrets=await self._names(("secrets", place.name), generic, needs.secrets),
            registries=await self._names(("registries", place.tenant), registries, needs.registries),
            plan=await self._plan(place, needs),
            instance_types=await self._names(("machines", place.tenant), types, needs.instance_types),
        )

    async def _plan(self, place: Environment, needs: Needs) -> str | None:
        if not (needs.plans or needs.instance_types):
            return None
        client = self._estate.tenants[place.tenant].client

        async def fetch() -> str:
            return (await client.tenant_info()).plan

        plan = await self._known(("plan", place.tenant), fetch, HOUR)
        if plan == "free" or (plan == "standard" and needs.instance_types):  # until it is upgraded
            plan = await self._known(("plan", place.tenant), fetch, self._again)
        return plan

    @property
    def _again(self) -> float:
        return min(AGAIN, self._estate.timings.interval)

    async def _names(
        self, key: tuple[str, str], fetch: Callable[[], Awaitable[frozenset[str]]], needed: frozenset[str]
    ) -> frozenset[str] | None:
        """Names that are listed; looked at again soon while one of the needed is not among them."""
        if not needed:
            return None
        known = await self._known(key, fetch, HOUR)
        if known is not None and needed <= known:
            return known
        return await self._known(key, fetch, self._again)

    async def _known(self, key: tuple[str, str], fetch: Callable[[], Awaitable[T]], age: float) -> T | None:
        async def guarded() -> T | None:
            try:
                return await fetch()
            except SyncError:  # not allowed or not reachable: what runs need may well be there
                return None

        known = await self._snapshots.get(("preflight", *key), guarded, age)
        if known is None and age > self._again:
            known = await self._snapshots.get(("preflight", *key), guarded, self._again)
        return known
