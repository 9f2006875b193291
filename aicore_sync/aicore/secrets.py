"""Verbs on secrets: docker registries of a tenant, object stores of resource groups, generic ones in three scopes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from aicore_sync.aicore.calls import MERGE_PATCH, Call
from aicore_sync.aicore.pages import Listing, list_all
from aicore_sync.aicore.send import Sender
from aicore_sync.aicore.values import GenericSecret, ObjectStoreSecret, SecretInfo
from aicore_sync.aicore.wire import admin
from aicore_sync.aicore.wire.basics import Json, read_nothing, write_labels

TENANT_SCOPE = {"AI-Tenant-Scope": "true"}


class Secrets:
    """A tenant's secrets: names and metadata to read, whole secrets to write; AI Core never tells values."""

    def __init__(self, sender: Sender, top: int) -> None:
        self._sender = sender
        self._top = top

    async def docker_registries(self) -> tuple[SecretInfo, ...]:
        """Docker registry secrets of the tenant: only their names."""
        listing = Listing("/admin/dockerRegistrySecrets", admin.read_secret, lambda s: s.name)
        return await list_all(self._sender, listing, self._top)

    async def generic(self, group: str = "") -> tuple[SecretInfo, ...]:
        """Generic secrets of a resource group, or of the main tenant when `group` is empty."""
        headers = {} if group else TENANT_SCOPE
        listing = Listing("/admin/secrets", admin.read_secret, lambda s: s.name, group=group, headers=headers)
        return await list_all(self._sender, listing, self._top)

    async def shared(self) -> tuple[SecretInfo, ...]:
        """Generic secrets of the whole tenant, which AI Core copies to every resource group."""
        headers = TENANT_SCOPE | {"AI-Resource-Group": "*"}
        listing = Listing("/admin/secrets", admin.read_secret, lambda s: s.name, headers=headers)
        return await list_all(self._sender, listing, self._top)

    async def object_stores(self, group: str) -> tuple[SecretInfo, ...]:
        """Object store secrets of a resource group, with bucket, endpoint and so on as metadata."""
        listing = Listing("/admin/objectStoreSecrets", admin.read_secret, lambda s: s.name, group=group)
        return await list_all(self._sender, listing, self._top)

    async def create_object_store(self, group: str, secret: ObjectStoreSecret) -> None:
        """Register an object store in a resource group (202)."""
        route = "/admin/objectStoreSecrets"
        body = _object_store_body(secret)
        await self._sender.send(
            Call("POST", route, read_nothing, group=group, body=body, secrets=_values(secret))
        )

    async def patch_object_store(self, group: str, secret: ObjectStoreSecret) -> None:
        """Restate an object store secret in full, credentials included, as the API demands."""
        call = Call(
            "PATCH",
            "/admin/objectStoreSecrets/{name}",
            read_nothing,
            group=group,
            path={"name": secret.name},
            body=_object_store_body(secret),
            secrets=_values(secret),
        )
        await self._sender.send(call)

    async def create_docker_registry(self, name: str, docker_config: str) -> None:
        """Create a docker registry secret (202); `docker_config` is the JSON text of a `config.json`."""
        body = {"name": name, "data": {".dockerconfigjson": docker_config}}
        route = "/admin/dockerRegistrySecrets"
        await self._sender.send(Call("POST", route, read_nothing, body=body, secrets=(docker_config,)))

    async def patch_docker_registry(self, name: str, docker_config: str) -> None:
        """Replace a docker registry secret's `.dockerconfigjson`."""
        call = Call(
            "PATCH",
            "/admin/dockerRegistrySecrets/{name}",
            read_nothing,
            path={"name": name},
            body={"data": {".dockerconfigjson": docker_config}},
            content_type=MERGE_PATCH,
            secrets=(docker_config,),
        )
        await self._sender.send(call)

    async def create_generic(self, group: str, secret: GenericSecret) -> None:
        """Create a generic secret in a scope: a resource group, "" the main tenant, `*` all resource groups."""
        body = {"name": secret.name, "labels": write_labels(secret.labels), "data": _encoded(secret.data)}
        call = _scoped("POST", "/admin/secrets", group, body, secret)
        await self._sender.send(call)

    async def patch_generic(self, group: str, secret: GenericSecret) -> None:
        """Replace a generic secret's data and set its labels; scopes as in `create_generic`."""
        body = {"labels": write_labels(secret.labels), "data": _encoded(secret.data)}
        call = _scoped("PATCH", "/admin/secrets/{name}", group, body, secret)
        await self._sender.send(call)


def _scoped(method: str, route: str, group: str, body: Json, secret: GenericSecret) -> Call[None]:
    """A call in one of the three scopes: two are said by a header."""
    headers = {} if group not in ("", "*") else dict(TENANT_SCOPE)
    if group == "*":
        headers["AI-Resource-Group"] = "*"
    return Call(
        method,
        route,
        read_nothing,
        group="" if group == "*" else group,
        path={"name": secret.name},
        headers=headers,
        body=body,
        secrets=tuple(
            text for pair in _encoded(secret.data).items() for text in (pair[1], secret.data[pair[0]])
        ),
    )


def _encoded(data: Mapping[str, str]) -> dict[str, str]:
    """Values in base64, as generic secrets want them."""
    return {key: b64encode(value.encode()).decode() for key, value in data.items()}


def _object_store_body(secret: ObjectStoreSecret) -> dict[str, object]:
    optional = {
        "bucket": secret.bucket,
        "endpoint": secret.endpoint,
        "region": secret.region,
        "pathPrefix": secret.path_prefix,
    }
    fixed: dict[str, object] = {
        "name": secret.name,
        "type": secret.type,
        "usehttps": "1" if secret.use_https else "0",
        "verifyssl": "1" if secret.verify_ssl else "0",
        "data": dict(secret.data),
    }
    return fixed | {key: value for key, value in optional.items() if value}


def _values(secret: ObjectStoreSecret) -> tuple[str, ...]:
    return tuple(secret.data.values())
