"""The pages about runs and about what happened."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from aicore_sync.core.model import Mark
from aicore_sync.store import EventQuery
from aicore_sync.web import pages
from aicore_sync.web.auth import reading
from aicore_sync.web.browse import Shown

PER_PAGE = 100
MOST_COMPARED = 5


def record_routes(shown: Shown) -> APIRouter:
    """GET and HEAD for /runs, /compare, /events and /publications."""
    router = APIRouter(
        include_in_schema=False, default_response_class=HTMLResponse, dependencies=[Depends(reading)]
    )
    _runs(router, shown)
    _past(router, shown)
    return router


def _runs(router: APIRouter, shown: Shown) -> None:
    @router.api_route("/runs/{environment}/{execution}", methods=["GET", "HEAD"])
    async def run(request: Request, environment: str, execution: str) -> str:
        return pages.run_page(await shown.visits.run(execution, environment), shown.frame(request))

    @router.api_route("/compare", methods=["GET", "HEAD"])
    async def compare(request: Request) -> str:
        chosen = list(dict.fromkeys(request.query_params.getlist("execution")))
        if not 2 <= len(chosen) <= MOST_COMPARED:
            raise HTTPException(400, f"Choose two to {MOST_COMPARED} runs; {len(chosen)} were chosen.")
        environment = request.query_params.get("environment", "")
        columns = [await shown.parts.runs.run(one, environment) for one in chosen]
        return pages.compare_page(columns, shown.frame(request))


def _past(router: APIRouter, shown: Shown) -> None:
    store, index = shown.parts.store, shown.parts.index

    def there(flow: str, environment: str) -> bool:
        return index.flow(flow, environment) is not None

    @router.api_route("/events", methods=["GET", "HEAD"])
    async def events(request: Request) -> str:
        query = _query(request)
        return pages.events_page(await store.events(query), query, there, shown.frame(request))

    @router.api_route("/publications/{identity}", methods=["GET", "HEAD"])
    async def publication(request: Request, identity: str) -> str:
        small = identity.isascii() and identity.isdecimal() and len(identity) < 16
        found = await store.publication(int(identity)) if small else None
        if found is None:
            raise HTTPException(
                404, "This publication is not known. Only the newest of each template are kept."
            )
        return pages.publication_page(*found, shown.frame(request))


def _query(request: Request) -> EventQuery:
    asked = request.query_params
    before, mark = asked.get("before", ""), asked.get("mark", "")
    return EventQuery(
        flow=asked.get("flow", "")[:63],
        text=asked.get("q", "")[:200],
        mark=Mark(mark) if mark in set(Mark) else None,
        before=int(before) if before.isascii() and before.isdecimal() and len(before) < 16 else None,
        limit=PER_PAGE,
    )
