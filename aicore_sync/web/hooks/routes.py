"""POST /hooks/NAME: checked, answered at once, and then somebody is woken."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from aicore_sync.core.errors import SyncError
from aicore_sync.web.auth import NotAllowed
from aicore_sync.web.forms import limited_body
from aicore_sync.web.hooks.senders import SENDERS, Delivery, news_of

log = structlog.get_logger()

LARGEST = 3 * 2**20
REMEMBERED = 10_000
Wake = Callable[[frozenset[str], frozenset[str]], Awaitable[None]]


@dataclass(frozen=True)
class Hook:
    """A sender that may wake us. `wakes` names what to look at, empty: whatever has the delivery's address.

    `events` count, empty: the sender's push events. `replay` is how long the same delivery is not taken again.
    """

    name: str
    type: str
    secret: Callable[[], str]
    wakes: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    replay: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class HookRoom:
    """All hooks. `ours` says whether we pushed a commit ourselves; `wake(names, addresses)` looks at these sources."""

    hooks: tuple[Hook, ...]
    ours: Callable[[str], bool]
    wake: Wake


def hook_routes(room: HookRoom, now: Callable[[], datetime]) -> APIRouter:
    """The routes; an unknown name looks like a wrong signature."""
    router = APIRouter(include_in_schema=False)
    hooks = {hook.name: hook for hook in room.hooks}
    seen: OrderedDict[bytes, datetime] = OrderedDict()

    @router.post("/hooks/{name}", status_code=202)
    async def receive(request: Request, name: str) -> JSONResponse:
        hook = hooks.get(name)
        body = await limited_body(request, LARGEST)
        delivery = Delivery({k.lower(): v for k, v in request.headers.items()}, body, now())
        if hook is None or not _signed(hook, delivery):
            log.warning("hook_refused", hook=name[:60], known=hook is not None)
            raise NotAllowed(401, "The signature is not that of a webhook of ours.")
        digest = _digest(hook, delivery)
        if _again(seen, hook, delivery, digest):
            return JSONResponse({"message": "this delivery has been here before"})
        news = news_of(SENDERS[hook.type], delivery)
        if news.event not in (hook.events or SENDERS[hook.type].events or {news.event}):
            return JSONResponse({"message": "this event wakes nobody"})
        if news.commits and all(map(room.ours, news.commits)):
            return JSONResponse({"message": "this was our own push"})
        log.info("hook_taken", hook=hook.name, hook_event=news.event[:60])

        async def wake() -> None:
            try:
                await room.wake(hook.wakes, news.addresses)
            except Exception:
                seen.pop(digest, None)  # sent once more it may wake
                raise

        work = BackgroundTask(wake)
        return JSONResponse({"message": "woken"}, 202, background=work)

    return router


def _signed(hook: Hook, delivery: Delivery) -> bool:
    try:
        return SENDERS[hook.type].signed(delivery, hook.secret())
    except SyncError as error:
        log.warning("hook_secret_unreadable", hook=hook.name, reason=error.reason)
        raise HTTPException(503, "The webhook's secret cannot be read here.") from None


def _digest(hook: Hook, delivery: Delivery) -> bytes:
    stamp = delivery.headers.get("x-timestamp", "") if hook.type == "generic" else ""
    return hashlib.sha256(f"{hook.name}\n{stamp}\n".encode() + delivery.body).digest()


def _again(seen: OrderedDict[bytes, datetime], hook: Hook, delivery: Delivery, digest: bytes) -> bool:
    """True when this hook took the same content within its replay window; remembers it otherwise."""
    until = seen.get(digest)
    if until is not None and delivery.now < until:
        return True
    seen[digest] = delivery.now + hook.replay
    seen.move_to_end(digest)
    while len(seen) > REMEMBERED:
        seen.popitem(last=False)
    return False
