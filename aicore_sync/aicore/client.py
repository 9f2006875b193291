"""The AI-API as typed verbs by noun: `client.applications.status(name)`, `client.group(rg).schedules.list()`."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from types import TracebackType
from typing import Self

import httpx

from aicore_sync.aicore.auth import TokenAuth, TokenEndpoint, claimed_zone
from aicore_sync.aicore.calls import Call
from aicore_sync.aicore.deployments import Deployments
from aicore_sync.aicore.group import Artifacts, Configurations, Place, Scenarios
from aicore_sync.aicore.keys import ServiceKey
from aicore_sync.aicore.logs import Logs
from aicore_sync.aicore.network import Network, open_http
from aicore_sync.aicore.runs import Executions, Metrics, Schedules
from aicore_sync.aicore.secrets import Secrets
from aicore_sync.aicore.send import Policy, Sender, Source, unlimited
from aicore_sync.aicore.tenant import Applications, Repositories, ResourceGroups, quotas
from aicore_sync.aicore.values import InstanceType, Meta, TenantInfo
from aicore_sync.aicore.wire import admin
from aicore_sync.core.world import Quota


@dataclass(frozen=True)
class ClientOptions:
    """Times in seconds: `connect` to reach the host, `attempt` for one request as a whole, `deadline` for a read with
    its retries. `settle` of the controller must be longer than `attempt`. `at_once` requests go out beside each other.

    `tenant` is the configured name, for log lines. `on_request(method, route, status, seconds)` is called after every
    attempt; the route has placeholders, the status is "error" when there was no answer. `left` gives the seconds in
    which a write may be under way now: a write ends before, and does not begin without. `agent` tells replicas apart in
    the User-Agent.
    """

    tenant: str = ""
    connect: float = 10.0
    attempt: float = 60.0
    deadline: float = 120.0
    backoff: float = 0.3
    at_once: int = 8
    page: int = 10_000
    network: Network = field(default_factory=Network)
    client_type: str = "aicore-sync"
    on_request: Callable[[str, str, int | str, float], None] | None = None
    left: Callable[[], float] = unlimited
    agent: str = ""


class Group:
    """What lives in one resource group."""

    def __init__(self, place: Place) -> None:
        self.id = place.group
        self.scenarios = Scenarios(place)
        self.artifacts = Artifacts(place)
        self.configurations = Configurations(place)
        self.executions = Executions(place)
        self.schedules = Schedules(place)
        self.deployments = Deployments(place)
        self.metrics = Metrics(place)
        self.logs = Logs(place)
        self.serving_logs = Logs(place, "deployments")


class AICore:
    """A client of one tenant; an asynchronous context manager.

    `key` gives the present service key (cheap: it is asked for every request), `clock` seconds that only rise.
    Reads are retried with jitter and Retry-After until the deadline. A write gets one attempt; when its answer is
    lost it raises `Transient(ambiguous=True)`: look before trying again. `transport` replaces the network in tests.
    """

    repositories: Repositories
    applications: Applications
    resource_groups: ResourceGroups
    secrets: Secrets
    _auth: TokenAuth

    def __init__(
        self,
        options: ClientOptions,
        key: Callable[[], ServiceKey],
        *,
        clock: Callable[[], float],
        rng: random.Random,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._options = options
        self._source = Source(key, clock, rng)
        self._transport = transport
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        options = self._options
        timeout = httpx.Timeout(options.attempt, connect=options.connect)
        endpoint = TokenEndpoint(options.network, timeout, self._transport)
        auth = TokenAuth(self._source.key, endpoint, self._source.clock)
        http = await open_http(options.network, timeout, transport=self._transport)
        await self._stack.enter_async_context(http)
        self._stack.push_async_callback(auth.aclose)
        self._auth = auth
        self._sender = Sender(http, auth, _policy(options), self._source)
        self.repositories = Repositories(self._sender, options.page)
        self.applications = Applications(self._sender, options.page)
        self.resource_groups = ResourceGroups(self._sender, options.page)
        self.secrets = Secrets(self._sender, options.page)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def group(self, resource_group: str) -> Group:
        """The verbs of one resource group."""
        return Group(Place(self._sender, resource_group, self._options.page))

    async def meta(self) -> Meta:
        """Capabilities and limits of the runtime."""
        return await self._sender.send(Call("GET", "/lm/meta", admin.read_meta))

    async def quotas(self) -> tuple[Quota, ...]:
        """Usage and limits of the tenant; what this key may not see is left out."""
        return await quotas(self._sender)

    async def tenant_info(self) -> TenantInfo:
        """The service plan and state of the tenant."""
        return await self._sender.send(Call("GET", "/admin/tenantInfo", admin.read_tenant))

    async def zones(self) -> tuple[str, str]:
        """The identity zone of the token and the one that the service key names; "" where nothing tells."""
        return claimed_zone(await self._auth.token()), self._source.key().tenant_id

    async def instance_types(self) -> tuple[InstanceType, ...]:
        """Machine sizes, on plans that have them."""
        return await self._sender.send(
            Call("GET", "/admin/resources/instanceTypes", admin.read_instance_types)
        )


def _policy(options: ClientOptions) -> Policy:
    return Policy(
        attempt=options.attempt,
        deadline=options.deadline,
        backoff=options.backoff,
        at_once=options.at_once,
        headers={
            "User-Agent": f"aicore-sync/{version('aicore-sync')} {options.agent and f'({options.agent})'}".strip(),
            "AI-Client-Type": options.client_type,
        },
        tenant=options.tenant,
        on_request=options.on_request,
        left=options.left,
    )
