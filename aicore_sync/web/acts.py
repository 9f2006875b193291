"""The forms of the pages: one action each, then back to the page with a sentence about it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import InvalidInput, Problem, SyncError
from aicore_sync.web.auth import Actor
from aicore_sync.web.auth.routes import local
from aicore_sync.web.desk import Desk
from aicore_sync.web.forms import form

LONGEST_REASON = 300
SAID = "said"  # where a session keeps the sentence until the next page shows it


def form_routes(desk: Desk) -> APIRouter:
    """POST /act."""
    router = APIRouter(include_in_schema=False)

    @router.post("/act")
    async def act(request: Request, user: Actor) -> Response:
        fields = await form(request)
        try:
            said, good = await _done(desk, user.name, fields), True
        except SyncError as error:
            said, good = error.message, False
        request.session[SAID] = [good, said[:500]]  # a cookie holds it
        return RedirectResponse(local(fields.get("back", "/")), 303)

    return router


async def _done(desk: Desk, by: str, fields: Mapping[str, str]) -> str:
    scope = Scope(fields.get("flow", ""), fields.get("environment", ""))
    reason = " ".join(fields.get("reason", "").split())[:LONGEST_REASON]
    match fields.get("verb"):
        case "sync":
            return (await desk.sync(by, scope)).message
        case "suspend" if scope != Scope():
            return await desk.suspend(by, scope, reason)
        case "resume" if scope != Scope():
            return await desk.resume(by, scope, reason)
        case "trigger" if scope.flow:
            return await desk.trigger(by, scope, fields.get("configuration", ""))
        case "rollback" if scope.flow and fields.get("to"):
            return (await desk.rollback(by, scope.flow, fields["to"], reason)).message
        case "endRollback" if scope.flow:
            return (await desk.end_rollback(by, scope.flow)).message
        case "stop" if fields.get("execution"):
            return await desk.stop(by, fields["execution"], scope.environment)
        case "confirm" if fields.get("fingerprint", "").isalnum():
            return await desk.confirm(by, fields["fingerprint"])
    raise InvalidInput([Problem("form", 0, "verb", "an action that there is not", "one of the page's own")])
