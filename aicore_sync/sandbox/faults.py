"""Faults on order: a middleware that delays, refuses, drops and resets, and the log of all requests.

POST /sandbox/faults {"rules": [{"route": "/lm/executions$", "method": "POST", "applyThenReset": true, "count": 1}],
                      "staleLists": 20, "expireTokens": true, "syncFail": {"wt-a.yaml": "no"}, "quota": 3}
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aicore_sync.sandbox.model import Tenant, Wire
from aicore_sync.sandbox.world import QUOTAS, World


class Rule(Wire):
    """What happens to requests whose path `route` finds. One of `status`, `reset`, `apply_then_reset`, or only
    latency. `latency` is in seconds, and the client need not wait for its end; `count` is how often it strikes (None:
    always), `probability` 0..1."""

    route: str = ""
    method: str = ""
    latency: float = 0.0
    status: int = 0
    body: Any = None
    retry_after: int | None = None
    reset: bool = False
    apply_then_reset: bool = False
    probability: float = 1.0
    count: int | None = None

    def strikes(self, method: str, path: str) -> bool:
        """Whether this rule is about the request, chance aside."""
        wanted = not self.method or self.method.upper() == method
        return wanted and self.count != 0 and re.search(self.route, path) is not None


class Order(Rule):
    """The body of POST /sandbox/faults: a list of rules, or one rule's fields directly, and the switches."""

    rules: list[Rule] = Field(default_factory=list)
    stale_lists: float | None = None
    expire_tokens: bool = False
    sync_fail: dict[str, str] | None = None
    quota: int | dict[str, int] | None = None


class Faults:
    """The faults in force. Without any, requests pass untouched."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rules: list[Rule] = []
        self.stale_lists = 0.0
        self.sync_fail: dict[str, str] = {}
        self._views: dict[str, tuple[datetime, Tenant]] = {}

    def order(self, order: Order) -> None:
        """Add the rules and set the switches that the order names."""
        self.rules += order.rules
        if order.route:
            self.rules.append(Rule.model_validate(order.model_dump()))
        if order.stale_lists is not None:
            self.stale_lists = order.stale_lists
            self._views = {name: self._view(tenant) for name, tenant in self.world.state.tenants.items()}
        if order.expire_tokens:
            self.world.tokens.clear()
        if order.sync_fail is not None:
            self.sync_fail = order.sync_fail
        if order.quota is not None:
            plain = order.quota if isinstance(order.quota, dict) else dict.fromkeys(QUOTAS, order.quota)
            self.world.quotas.update(plain)

    def clear(self) -> None:
        self.rules = []
        self.stale_lists = 0.0
        self.sync_fail = {}
        self._views = {}
        self.world.quotas.clear()

    def _view(self, tenant: Tenant) -> tuple[datetime, Tenant]:
        return self.world.clock.exact(), tenant.model_copy(deep=True)

    def stale(self, tenant: Tenant) -> Tenant:
        """The tenant as lists show it: a view that is never older than `stale_lists` seconds."""
        if not self.stale_lists:
            return tenant
        limit = self.world.clock.exact() - timedelta(seconds=self.stale_lists)
        if tenant.name not in self._views or self._views[tenant.name][0] <= limit:
            self._views[tenant.name] = self._view(tenant)
        return self._views[tenant.name][1]

    def pick(self, method: str, path: str) -> list[Rule]:
        """The rules that strike this request, counted down. The first that answers wins."""
        struck = []
        for rule in self.rules:
            if rule.strikes(method, path) and self.world.rng.random() < rule.probability:
                rule.count = None if rule.count is None else rule.count - 1
                struck.append(rule)
        return struck


class Gate:
    """ASGI middleware around the whole application: log, faults, and saving after each write."""

    def __init__(self, app: ASGIApp, world: World, faults: Faults, log: list[dict[str, Any]]) -> None:
        self.app = app
        self.world = world
        self.faults = faults
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/sandbox/"):
            await self.app(scope, receive, send)
            return
        entry = self._entry(scope)
        self.log.append(entry)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                self.world.save()
            await send(message)

        await self._through(scope, receive, noting)

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        struck = self.faults.pick(scope["method"], scope["path"])
        if not struck:
            await self.app(scope, receive, send)
            return
        kept = await held(receive)
        for rule in struck:
            await asyncio.sleep(rule.latency)
            if rule.reset:
                await hang_up(scope, receive)
                return
            if rule.apply_then_reset:
                await self.app(scope, kept, _swallow)
                self.world.save()
                await hang_up(scope, receive)
                return
            if rule.status:
                await refuse(rule, send)
                return
        await self.app(scope, kept, send)

    def _entry(self, scope: Scope) -> dict[str, Any]:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        token = self.world.tokens.get(headers.get("authorization", "").partition(" ")[2])
        return {
            "time": self.world.clock.exact().isoformat(),
            "tenant": token.tenant if token else None,
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "resourceGroup": headers.get("ai-resource-group"),
            "clientType": headers.get("ai-client-type"),
            "userAgent": headers.get("user-agent"),
            "status": None,
        }


async def held(receive: Receive) -> Receive:
    """Read the whole body and give it out again: a request that is here is applied, its client may leave meanwhile."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())

    async def again() -> Message:
        if messages:
            return messages.pop(0)
        return await asyncio.Future()  # that the client has gone is not told

    return again


async def _swallow(_: Message) -> None:
    """The answer that nobody gets."""


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Reset the connection without an answer; the server left the means to do it on `app.state`."""
    scope["app"].state.reset(scope["client"])
    while (await receive())["type"] != "http.disconnect":
        pass


async def refuse(rule: Rule, send: Send) -> None:
    """Answer with the rule's status; the body is JSON unless it was given as text."""
    error = {"error": {"code": f"01010{rule.status:03d}", "message": "ordered fault", "requestId": "fault"}}
    content = rule.body if rule.body is not None else error
    text, kind = (
        (content, "text/plain") if isinstance(content, str) else (json.dumps(content), "application/json")
    )
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(text.encode())).encode())]
    if rule.retry_after is not None:
        headers.append((b"retry-after", str(rule.retry_after).encode()))
    await send({"type": "http.response.start", "status": rule.status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
