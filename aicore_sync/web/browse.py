"""The pages. Each route is a few lines: ask the view, hand over to a pure function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from aicore_sync.web import pages
from aicore_sync.web.acts import SAID
from aicore_sync.web.auth import Doorman, NotAllowed, reading
from aicore_sync.web.parts import Parts
from aicore_sync.web.rows import Row
from aicore_sync.web.search import Asked
from aicore_sync.web.visits import Visits

NO_ENVIRONMENT = "-"
UNKNOWN = "No flow of this name has been seen in this environment. It may have been removed."


@dataclass(frozen=True)
class Shown:
    """What pages are made from."""

    parts: Parts
    doorman: Doorman

    @cached_property
    def visits(self) -> Visits:
        """Gathers what pages need beyond the board."""
        return Visits(self.parts)

    def frame(self, request: Request) -> pages.Frame:
        """What stands around the content for whoever asks."""
        still = self.still(request)
        on = request.query_params.get("refresh") != "off"
        reader = replace(still.reader, said=_said(request))
        return pages.Frame(self.parts.view.info(), still.now, on, reader)

    def still(self, request: Request) -> pages.Frame:
        """The frame of an error page asks the view nothing: the view may be what broke."""
        return pages.Frame({}, self.parts.now(), refresh=False, reader=self._reader(request))

    def login(self, request: Request, back: str, problem: str) -> str:
        """The form to log in with."""
        oidc = self.doorman.access.oidc is not None
        return pages.login(
            pages.Door(back, problem, bool(self.doorman.access.tokens), oidc), self.still(request)
        )

    def _reader(self, request: Request) -> pages.Reader:
        try:
            user = self.doorman.user(request)
        except NotAllowed:
            user = None
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        csrf = self.doorman.csrf(request) if user else ""
        return pages.Reader(user.name if user else "", csrf, self.doorman.access.possible, address)


def page_routes(shown: Shown) -> APIRouter:
    """GET and HEAD for the first page, environments, scenarios, flows and templates."""
    router = APIRouter(
        include_in_schema=False, default_response_class=HTMLResponse, dependencies=[Depends(reading)]
    )
    _boards(router, shown)
    _flows(router, shown)
    return router


def _boards(router: APIRouter, shown: Shown) -> None:
    index = shown.parts.index

    @router.api_route("/", methods=["GET", "HEAD"])
    async def first(request: Request) -> str:
        asked = _asked(request)
        rows = index.rows  # one look for the whole page
        glance = await shown.visits.glance(rows) if asked.everything else None
        return pages.overview(rows, asked, shown.frame(request), glance)

    @router.api_route("/environments/{name}", methods=["GET", "HEAD"])
    async def environment(request: Request, name: str) -> str:
        asked = replace(_asked(request), environment=name)
        rows, named = index.rows, shown.parts.view.info().get("environments", "").split(", ")
        _there(name in named or any(row.name.environment == name for row in rows), "environment", name)
        return pages.overview(rows, asked, shown.frame(request), None, pages.Place(name, "environment"))

    @router.api_route("/scenarios/{name}", methods=["GET", "HEAD"])
    async def scenario(request: Request, name: str) -> str:
        asked, rows = replace(_asked(request), scenario=name), index.rows
        _there(any(row.facts.get("scenario") == name for row in rows), "scenario", name)
        return pages.overview(rows, asked, shown.frame(request), None, pages.Place(name, "scenario"))


def _flows(router: APIRouter, shown: Shown) -> None:
    index = shown.parts.index

    @router.api_route("/flows/{flow}/{environment}", methods=["GET", "HEAD"])
    async def flow(request: Request, flow: str, environment: str) -> str:
        row = _known(index.flow(flow, "" if environment == NO_ENVIRONMENT else environment))
        return pages.detail(await shown.visits.flow(row), shown.frame(request))

    @router.api_route("/templates/{tenant}/{executable}", methods=["GET", "HEAD"])
    async def template(request: Request, tenant: str, executable: str) -> str:
        row = index.template(tenant, executable) if executable else None
        if row is None:
            raise HTTPException(
                404, f"There is no template {executable[:63]} in tenant {tenant[:63]} without a flow."
            )
        return pages.detail(await shown.visits.flow(row), shown.frame(request))

    @router.api_route("/tenants/{tenant}", methods=["GET", "HEAD"])
    async def of_tenant(request: Request, tenant: str) -> str:
        if row := index.template(tenant, ""):  # without an executable: what is declared for the tenant
            return pages.detail(await shown.visits.flow(row), shown.frame(request))
        asked, rows = replace(_asked(request), tenant=tenant), index.rows
        _there(any(row.tenant == tenant for row in rows), "tenant", tenant, "with flows or anything declared")
        return pages.overview(rows, asked, shown.frame(request), None, pages.Place(tenant, "tenant"))


def _asked(request: Request) -> Asked:
    """What the address asks for, whatever somebody wrote there."""
    query = request.query_params
    page = query.get("page", "1")
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1
    return Asked(
        query.get("q", "")[:200], query.get("health", "")[:40], number, query.get("refresh", "on")[:3]
    )


def _said(request: Request) -> tuple[bool, str] | None:
    """The sentence about the last action; it is shown once, on the page that the reader comes back to."""
    if "x-live" in request.headers:
        return None
    match request.session.pop(SAID, None):
        case [bool() as good, str() as text]:
            return good, text
    return None


def _there(there: bool, kind: str, name: str, which: str = "here") -> None:
    if not there:
        raise HTTPException(404, f"There is no {kind} {name[:63]} {which}.")


def _known(row: Row | None) -> Row:
    if row is None:
        raise HTTPException(404, UNKNOWN)
    return row
