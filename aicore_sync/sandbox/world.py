"""The world: state, clock, tokens and the one way to wait for a change."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.clock import Clock
from aicore_sync.sandbox.model import Group, ObjectStore, State, Tenant

TOKEN_SECONDS = 43199
QUOTAS = ("workflowTemplates", "servingTemplates", "applications", "repositories", "dockerRegistrySecrets",
          "resourceGroups", "secrets")  # fmt: skip


@dataclass(frozen=True)
class Options:
    """How the sandbox was started. `state` is the file to keep state in, `work` a directory for everything else."""

    work: Path
    state: Path | None = None
    sync_interval: float = 180.0
    executor: str = "process"
    quota: int = 50


@dataclass(frozen=True)
class Token:
    tenant: str
    expires: datetime


@dataclass
class World:
    """Everything that one sandbox holds. Only the event loop's thread touches it."""

    options: Options
    clock: Clock
    rng: random.Random
    state: State = field(default_factory=State)
    url: str = ""
    tokens: dict[str, Token] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    store: ObjectStore | None = None  # put into every new resource group as `default` when --s3 runs
    dirty: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def uid(self) -> str:
        """A UUID, the id of artifacts, configurations and schedules."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def short_id(self) -> str:
        """Sixteen hex characters, the id of an execution."""
        return f"{self.rng.getrandbits(64):016x}"

    def touch(self) -> None:
        """Say that something changed: wakes everyone who waits and marks the state for saving."""
        self.dirty = True
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is asked again after every change."""
        while not condition():
            await self._changed.wait()

    async def pause(self, when: datetime | None) -> None:
        """Wait for the next change, or until `when` on the sandbox's clock (a move of it is a change)."""
        timeout = None
        if when is not None and not self.clock.manual:
            timeout = max(0.0, (when - self.clock.exact()).total_seconds())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)

    def add_tenant(self, name: str) -> Tenant:
        """Create tenant `name` with resource group `default`; an existing one is returned as it is."""
        if name not in self.state.tenants:
            secret = self.uid() + "$" + self.uid()
            tenant = Tenant(
                name=name,
                zone=self.uid(),
                client_id=f"sb-{self.uid()}!b1|aicore!b1",
                client_secret=secret,
                tracking_key=self.uid(),
            )
            self.state.tenants[name] = tenant
            self.add_group(tenant, "default")
        return self.state.tenants[name]

    def add_group(self, tenant: Tenant, name: str, status: str = "PROVISIONED") -> Group:
        """Create a resource group, with the object store secret `default` when the sandbox has its own store."""
        group = Group(resource_group_id=name, status=status, created_at=self.clock.now())
        if self.store is not None:
            group.object_stores["default"] = self.store
        tenant.groups[name] = group
        self.touch()
        return group

    def service_key(self, tenant: Tenant) -> dict[str, Any]:
        """The service key in the shape that the service broker hands out for client-secret credentials."""
        return {
            "clientid": tenant.client_id,
            "clientsecret": tenant.client_secret,
            "url": self.url,
            "identityzone": tenant.name,
            "identityzoneid": tenant.zone,
            "appname": "aicore!b1",
            "serviceurls": {"AI_API_URL": self.url},
        }

    def issue(self, tenant: Tenant) -> str:
        """A new token for `tenant`, in the shape of XSUAA's: a JWT that names the identity zone. Nobody signed it."""
        parts = ({"alg": "none", "typ": "JWT"}, {"jti": self.uid(), "zid": tenant.zone})
        encoded = (base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        token = f"{'.'.join(encoded)}.{self.rng.getrandbits(256):064x}"
        expires = self.clock.now() + timedelta(seconds=TOKEN_SECONDS)
        self.tokens[token] = Token(tenant.name, expires)
        return token

    def limit(self, quota: str) -> int:
        """The quota called `quota` (one of `QUOTAS`)."""
        return self.quotas.get(quota, 5 if quota == "secrets" else self.options.quota)

    def load(self) -> None:
        """Read the state file if there is one. Raises ValueError when it is not ours."""
        if self.options.state is not None and self.options.state.exists():
            self.state = State.model_validate_json(self.options.state.read_bytes())

    def save(self) -> None:
        """Write the state file if something changed: whole or not at all, readable by its owner only."""
        if self.options.state is None or not self.dirty:
            return
        self.dirty = False
        draft = self.options.state.with_name(self.options.state.name + ".tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.state.model_dump_json(by_alias=True, exclude_defaults=True))
        draft.replace(self.options.state)
