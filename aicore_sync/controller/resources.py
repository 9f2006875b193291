"""Writes resource groups and secrets. What is there is looked at once more directly before each write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from aicore_sync.aicore import GenericSecret, GitCredentials, NotFound
from aicore_sync.controller.declared import DeclaredSecret
from aicore_sync.controller.estate import Estate, Tenant
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import CreateGroup, LabelGroup, WriteSecret
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.core.resources import MARK_LABEL, OWNER_LABEL, SecretId

log = structlog.get_logger()


class ResourceWriter:
    """Performs what concerns a tenant's resource groups and secrets."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots

    async def group(self, action: CreateGroup | LabelGroup) -> None:
        """Create a resource group, or set its labels. Creating one that exists would overwrite it."""
        tenant = self._estate.tenants[action.tenant]
        groups = tenant.client.resource_groups
        self._changed(tenant)
        try:
            there = await groups.get(action.group)
        except NotFound:
            if isinstance(action, CreateGroup):
                await groups.create(action.group, dict(action.labels))
            return
        if isinstance(action, LabelGroup):
            await groups.label(action.group, {**there.labels, **dict(action.labels)})

    async def secret(self, action: WriteSecret) -> None:
        """Create or restate a secret and keep its mark. Raises InvalidInput when its value cannot be read."""
        tenant = self._estate.tenants[action.tenant]
        secret = tenant.declared.secret(action.id)
        if secret is None:
            return
        values = secret.values()
        mark = tenant.declared.mark(secret, values)
        self._changed(tenant)
        if action.new and await self._there(tenant, action.id):
            words = f"{action.id} was made by somebody meanwhile and is left alone; the next look decides whose it is"
            raise Stalled(words, reason="Conflict")
        await self._write(tenant, secret, values, mark)
        self._memory.wrote(f"@{tenant.name}", str(action.id), self._estate.clock())
        await self._keep(tenant, action.id, None if action.id.kind == "secret" else mark)

    async def registered(self, tenant: Tenant) -> None:
        """The repository was registered with the login of now: its mark is kept. A lost mark raises nothing."""
        for secret in tenant.declared.secrets:
            if secret.id.kind == "repository":
                try:
                    await self._keep(tenant, secret.id, tenant.declared.mark(secret, secret.values()))
                except SyncError as error:
                    log.warning("mark_not_kept", secret=str(secret.id), reason=error.reason)

    async def _write(
        self, tenant: Tenant, secret: DeclaredSecret, values: Mapping[str, str], mark: str
    ) -> None:
        match secret.id.kind:
            case "repository":
                await self._repository(tenant, values)
            case "registry":
                await self._registry(tenant, secret.id, values[".dockerconfigjson"])
            case "store":
                await self._store(tenant, secret, values)
            case "secret":
                await self._generic(tenant, secret.id, values, mark)

    async def _there(self, tenant: Tenant, identity: SecretId) -> bool:
        secrets, group = tenant.client.secrets, identity.group
        match identity.kind:
            case "repository":
                return False  # what is registered is only ever given a new login
            case "registry":
                listed = await secrets.docker_registries()
            case "store":
                listed = await secrets.object_stores(group)
            case "secret":
                listed = await (secrets.shared() if group == "*" else secrets.generic(group))
        return any(secret.name == identity.name for secret in listed)

    async def _repository(self, tenant: Tenant, values: Mapping[str, str]) -> None:
        url = normal_url(tenant.wanted_application.repository_url)
        for repository in await tenant.client.repositories.list():
            if normal_url(repository.url) == url:
                login = GitCredentials(values["username"], values["password"])
                await tenant.client.repositories.patch(repository.name, login)

    async def _registry(self, tenant: Tenant, identity: SecretId, config: str) -> None:
        if await self._there(tenant, identity):
            await tenant.client.secrets.patch_docker_registry(identity.name, config)
        else:
            await tenant.client.secrets.create_docker_registry(identity.name, config)

    async def _store(self, tenant: Tenant, secret: DeclaredSecret, values: Mapping[str, str]) -> None:
        assert secret.store is not None
        secrets, group, whole = tenant.client.secrets, secret.id.group, replace(secret.store, data=values)
        if await self._there(tenant, secret.id):
            await secrets.patch_object_store(group, whole)
        else:
            await secrets.create_object_store(group, whole)

    async def _generic(
        self, tenant: Tenant, identity: SecretId, values: Mapping[str, str], mark: str
    ) -> None:
        secrets, group = tenant.client.secrets, identity.group
        ours = {OWNER_LABEL: self._estate.owner, MARK_LABEL: mark}
        listed = await (secrets.shared() if group == "*" else secrets.generic(group))
        there = next((secret for secret in listed if secret.name == identity.name), None)
        if there is None:
            await secrets.create_generic(group, GenericSecret(identity.name, values, ours))
            return
        owner = there.labels.get(OWNER_LABEL, self._estate.owner)
        if owner != self._estate.owner:
            raise Stalled(f"{identity} belongs to the owner {owner} and is left alone", reason="Contested")
        await secrets.patch_generic(group, GenericSecret(identity.name, values, {**there.labels, **ours}))

    async def _keep(self, tenant: Tenant, identity: SecretId, mark: str | None) -> None:
        data = f"{mark}\n".encode() if mark else None
        change = {identity.path(tenant.name): data}
        snapshot = await tenant.branch.state.write(change, f"{identity} of {tenant.name} is written")
        self._snapshots.put(("state", tenant.branch.home.name), snapshot)

    def _changed(self, tenant: Tenant) -> None:
        """Everybody who knows of groups and secrets looks again."""
        self._snapshots.drop(("groups", tenant.name), ("preflight", "registries", tenant.name))
        self._snapshots.drop(*(("resources", tenant.name, *pair) for pair in tenant.declared.places))
        for place in self._estate.environments_of(tenant.name):
            self._snapshots.drop(("secrets", place.name))
            self._snapshots.drop(*(("preflight", kind, place.name) for kind in ("stores", "secrets")))
