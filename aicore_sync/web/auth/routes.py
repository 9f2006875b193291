"""Login and logout in a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from aicore_sync.web.auth.doorman import PAUSE, Doorman, NotAllowed, require_same_site
from aicore_sync.web.auth.oidc import Provider
from aicore_sync.web.forms import form

log = structlog.get_logger()

CALLBACK = "/login/callback"
Page = Callable[[Request, str, str], str]


def login_routes(doorman: Doorman, page: Page) -> APIRouter:
    """Routes below /login and /logout. `page(request, next, problem)` makes the form."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login", response_class=HTMLResponse)
    async def ask(request: Request) -> str:
        return page(request, local(request.query_params.get("next", "/")), "")

    @router.post("/login")
    async def enter(request: Request) -> Response:
        require_same_site(request)
        fields = await form(request)
        token, back = fields.get("token", "").strip(), local(fields.get("next", "/"))
        user = doorman.by_token(token)
        if user is None:
            await asyncio.sleep(PAUSE)
            log.warning("login_refused", by="token")
            return HTMLResponse(page(request, back, "This token is nobody's."), 403)
        doorman.login(request, user, token)
        log.info("logged_in", user=user.name, by="token")
        return RedirectResponse(back, 303)

    @router.post("/logout")
    async def leave(request: Request) -> Response:
        require_same_site(request)
        request.session.clear()
        return RedirectResponse("/", 303)

    if doorman.access.oidc:
        _oidc_routes(
            router, doorman, Provider(doorman.access.oidc, doorman.access.public_url.rstrip("/") + CALLBACK)
        )
    return router


def _oidc_routes(router: APIRouter, doorman: Doorman, provider: Provider) -> None:
    @router.get("/login/oidc")
    async def begin(request: Request) -> Response:
        request.session["next"] = local(request.query_params.get("next", "/"))
        return await provider.begin(request)

    @router.get(CALLBACK)
    async def finish(request: Request) -> Response:
        back = local(str(request.session.get("next", "/")))
        try:
            user = await provider.finish(request)
        except NotAllowed:
            request.session.clear()
            raise
        doorman.login(request, user)
        log.info("logged_in", user=user.name, by="oidc")
        return RedirectResponse(back, 303)


def local(address: str) -> str:
    """An address of this window; anything that could lead elsewhere becomes the first page."""
    fine = address.startswith("/") and not address.startswith("//") and address.isprintable()
    return address if fine and "\\" not in address else "/"
