"""The JSON form of the statuses, at /api/v1/status, and who answers."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from aicore_sync.core.answers import InfoAnswer
from aicore_sync.core.statuses import StatusAnswer, status_json
from aicore_sync.web.api.wire import PREFIX, Wire, errors
from aicore_sync.web.auth import Reader, doorman_of, reading
from aicore_sync.web.parts import Parts


class WhoAmI(Wire):
    """Who a token or session belongs to."""

    user: str | None = Field(description="null: nobody known")
    login: bool = Field(description="true: there is a way to log in, and who is logged in may act")


def status_routes(parts: Parts) -> APIRouter:
    """GET /api/v1/status, /api/v1/info and /api/v1/whoami."""
    router = APIRouter(prefix=PREFIX, tags=["status"], responses=errors(401, 422))
    view = parts.view

    @router.get("/status", dependencies=[Depends(reading)], response_model=StatusAnswer)
    async def status(own: bool = False) -> Response:
        """The newest status of every flow and template; with `own` of those that this replica works on."""
        summary = (parts.own_index if own else parts.index).summary()
        statuses, info = tuple(view.statuses(own)), dict(view.info())
        # Where there are thousands it takes long for the event loop, which everything else waits for.
        body = await asyncio.to_thread(status_json, statuses, summary, info)
        return Response(body, media_type="application/json")

    @router.get("/info")
    async def info() -> InfoAnswer:
        """Who answers here; needs no login, so that nobody shows a token to a stranger."""
        known = view.info()
        return InfoAnswer(owner=known.get("owner", ""), version=known.get("version", ""))

    @router.get("/whoami")
    async def whoami(request: Request, user: Reader) -> WhoAmI:
        """Who the token or the session of this request belongs to."""
        return WhoAmI(user=user.name if user else None, login=doorman_of(request).access.possible)

    return router
