"""Reads a tenant's resource groups and secrets, only the lists that declared things or marks are in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aicore_sync.aicore import Forbidden, NotFound, SecretInfo
from aicore_sync.controller.estate import Estate, Tenant
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.core.resources import (
    EVERYWHERE,
    Kind,
    SecretId,
    SeenGroup,
    SeenSecret,
    SeenTenant,
    WantTenant,
    marks_of,
)

ROUNDS = 5  # drift of what people rarely touch is looked for in every fifth round
T = TypeVar("T")


class ResourceReader:
    """What AI Core shows of a tenant's groups and secrets; own writes are seen at once."""

    def __init__(self, estate: Estate, memory: Memory, lists: Lists, snapshots: Snapshots) -> None:
        self._estate = estate
        self._memory = memory
        self._lists = lists
        self._snapshots = snapshots

    async def read(self, want: WantTenant) -> SeenTenant:
        """Everything that deciding about a tenant needs."""
        tenant = self._estate.tenants[want.key.tenant]
        marks = marks_of((await self._lists.state(tenant.branch.home)).files, tenant.name)
        places = {s.id[:2] for s in want.secrets if s.id.kind != "repository" or marks.get(s.id) != s.mark}
        places |= {identity[:2] for identity in marks if identity.kind != "repository"}
        groups = await self._groups(tenant, want, needed=any(group not in ("", "*") for _, group in places))
        found: dict[SecretId, SeenSecret] = {}
        unlisted: set[tuple[Kind, str]] = set()
        for kind, group in sorted(places):
            if not _usable(group, groups):
                continue
            listed = await self._listed(tenant, kind, group)
            if listed is None:
                unlisted.add((kind, group))
            found |= listed or {}
        return SeenTenant(groups, found, frozenset(unlisted), marks, self._written(want))

    def _written(self, want: WantTenant) -> frozenset[SecretId]:
        """What was written within the hour."""
        recent = self._memory.recent_writes(str(want.key))
        return frozenset(secret.id for secret in want.secrets if str(secret.id) in recent)

    async def _groups(self, tenant: Tenant, want: WantTenant, *, needed: bool) -> dict[str, SeenGroup] | None:
        if not want.groups and not needed:
            return {}

        async def fetch() -> dict[str, SeenGroup]:
            listed = await tenant.client.resource_groups.list()
            return {g.id: SeenGroup(g.status or "PROVISIONED", g.message, g.labels) for g in listed}

        found = await self._fresh(tenant, "group", "", fetch)
        unready = any(not _usable(group.id, found) for group in want.groups)
        if found is not None and unready:  # it is being made: look again soon
            self._snapshots.drop(("resources", tenant.name, "group", ""))
            found = await self._fresh(tenant, "group", "", fetch)
        return found

    async def _listed(self, tenant: Tenant, kind: Kind, group: str) -> dict[SecretId, SeenSecret] | None:
        secrets = tenant.client.secrets

        async def fetch() -> dict[SecretId, SeenSecret]:
            match kind:
                case "repository":
                    return await self._repository(tenant)
                case "registry":
                    listed = await secrets.docker_registries()
                case "store":
                    listed = await secrets.object_stores(group)
                case "secret":
                    listed = await (secrets.shared() if group == EVERYWHERE else secrets.generic(group))
            return {SecretId(kind, group, info.name): _seen(info) for info in listed}

        return await self._fresh(tenant, kind, group, fetch)

    async def _repository(self, tenant: Tenant) -> dict[SecretId, SeenSecret]:
        """The tenant's repository under our name for it, whatever AI Core calls it."""
        url = normal_url(tenant.wanted_application.repository_url)
        listed = await tenant.client.repositories.list()
        there = any(normal_url(repository.url) == url for repository in listed)
        return {SecretId("repository", "", tenant.branch.name): SeenSecret()} if there else {}

    async def _fresh(
        self, tenant: Tenant, kind: str, group: str, fetch: Callable[[], Awaitable[T]]
    ) -> T | None:
        """None when the service key may not list it."""

        async def guarded() -> T | None:
            try:
                return await fetch()
            except (Forbidden, NotFound):
                return None

        age = max(self._estate.timings.list_age, ROUNDS * self._estate.timings.interval)
        return await self._snapshots.get(("resources", tenant.name, kind, group), guarded, age)


def _usable(group: str, groups: dict[str, SeenGroup] | None) -> bool:
    """Whether anything can be listed there: AI Core answers for a group that is not there as for a forbidden one."""
    if group in ("", EVERYWHERE) or groups is None:
        return True
    found = groups.get(group)
    return found is not None and found.status.upper() == "PROVISIONED"


def _seen(info: SecretInfo) -> SeenSecret:
    missing = tuple(sorted(group for group, done in info.replicated.items() if not done))
    return SeenSecret(info.metadata, info.labels, missing)
