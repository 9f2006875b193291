"""`/oauth/token`, and `/sandbox/*`: what tests move and read. No token for the latter: loopback only."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from aicore_sync.sandbox.api.scope import AFaults, ARunner, ASyncer, AWorld
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.faults import Order
from aicore_sync.sandbox.model import Group, Wire
from aicore_sync.sandbox.outcomes import Rule
from aicore_sync.sandbox.ticker import Ticker
from aicore_sync.sandbox.world import TOKEN_SECONDS

tokens = APIRouter()
control = APIRouter(prefix="/sandbox")
_SECRET = {"password", "clientSecret", "trackingKey", "dockerSecrets"}


@tokens.post("/oauth/token")
async def token(request: Request, world: AWorld) -> Response:
    """Client credentials in a form. A wrong secret is a 401 in plain text."""
    form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
    if form.get("grant_type") != "client_credentials":
        return JSONResponse({"error": "unsupported_grant_type"}, 400)
    tenant = next((t for t in world.state.tenants.values() if t.client_id == form.get("client_id")), None)
    given = form.get("client_secret", "")
    if tenant is None or not hmac.compare_digest(tenant.client_secret.encode(), given.encode()):
        return PlainTextResponse("Bad credentials", 401)
    answer = {
        "access_token": world.issue(tenant),
        "token_type": "bearer",
        "expires_in": TOKEN_SECONDS,
        "jti": world.uid(),
    }
    return JSONResponse(answer)


class Move(Wire):
    advance: float | None = None
    set: datetime | None = None


@control.post("/clock")
async def move_clock(body: Move, world: AWorld, request: Request) -> dict[str, Any]:
    """Move the manual clock; schedules on the way have fired when the answer comes."""
    ticker: Ticker = request.app.state.ticker
    now = world.clock.exact()
    target = body.set.astimezone(UTC) if body.set else now + timedelta(seconds=body.advance or 0.0)
    try:
        ticker.advance(target)
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    world.save()
    return {"now": world.clock.exact().isoformat()}


@control.get("/clock")
async def clock(world: AWorld) -> dict[str, Any]:
    return {"now": world.clock.exact().isoformat(), "manual": world.clock.manual}


@control.post("/faults")
async def add_faults(body: Order, faults: AFaults) -> dict[str, Any]:
    faults.order(body)
    return {"rules": [rule.wire() for rule in faults.rules], "staleLists": faults.stale_lists}


@control.delete("/faults")
async def clear_faults(faults: AFaults) -> dict[str, Any]:
    faults.clear()
    return {"rules": []}


@control.get("/requests")
async def requests(request: Request, since: int = 0) -> list[dict[str, Any]]:
    """All requests in order, from number `since`; `status` is null for one that got no answer."""
    log: list[dict[str, Any]] = request.app.state.log
    return log[since:]


@control.get("/dump")
async def dump(world: AWorld) -> Any:
    return masked(world.state.wire())


@control.post("/executor")
async def set_outcome(body: Rule, world: AWorld, runner: ARunner) -> dict[str, Any]:
    """Set what fitting executions come to; those that are held are asked again."""
    runner.outcomes.rules.append(body)
    world.touch()
    return {"rules": len(runner.outcomes.rules)}


@control.delete("/executor")
async def clear_outcomes(world: AWorld, runner: ARunner) -> dict[str, Any]:
    runner.outcomes.rules.clear()
    world.touch()
    return {"rules": 0}


@control.post("/reset")
async def reset(request: Request) -> dict[str, Any]:
    """Begin anew with nothing: state, executions, faults, rules, requests and clock. The answer has new keys."""
    return {"serviceKeys": await request.app.state.renew()}


class NewTenant(Wire):
    name: str


@control.post("/tenants")
async def add_tenant(body: NewTenant, world: AWorld) -> dict[str, Any]:
    """A new tenant's service key; that of an existing one is given again."""
    key = world.service_key(world.add_tenant(body.name))
    world.save()
    return key


@control.post("/tenants/{name}/groups")
async def put_groups(name: str, body: list[Group], world: AWorld) -> dict[str, Any]:
    """Resource groups with all that they hold, in the form of a dump: long histories without a request for each."""
    tenant = world.state.tenants.get(name)
    if tenant is None:
        raise missing("Tenant", name)
    tenant.groups |= {group.resource_group_id: group for group in body}
    world.touch()
    world.save()
    return {"groups": sorted(tenant.groups)}


@control.delete("/tenants/{name}")
async def drop_tenant(name: str, world: AWorld, runner: ARunner) -> dict[str, Any]:
    """Forget a tenant with all that it holds; what runs in it is killed."""
    tenant = world.state.tenants.get(name)
    if tenant is None:
        raise missing("Tenant", name)
    for group in tenant.groups.values():
        for run in group.executions.values():
            runner.delete(run)
        group.deployments.clear()
    world.tokens = {text: token for text, token in world.tokens.items() if token.tenant != name}
    del world.state.tenants[name]
    world.touch()
    return {"name": name}


@control.post("/sync")
async def sync_now(world: AWorld, syncer: ASyncer, tenant: str = "") -> dict[str, Any]:
    """Sync every application of every tenant, or of the one named, and answer when it is done."""
    for one in [t for t in world.state.tenants.values() if tenant in {"", t.name}]:
        for name in list(one.applications):
            await syncer.sync(one, name)
    return {"now": world.clock.exact().isoformat()}


def masked(value: Any) -> Any:
    """The same without secret values: the `data` of secrets keeps its keys only."""
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _hidden(item) if key in _SECRET or _is_data(key, value) else masked(item)
        for key, item in value.items()
    }


def _is_data(key: str, holder: Iterable[str]) -> bool:
    return key == "data" and ("type" in holder or "createdAt" in holder)


def _hidden(value: Any) -> Any:
    return dict.fromkeys(value, "***") if isinstance(value, dict) else "***"
