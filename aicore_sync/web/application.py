"""The window put together: routes, sessions, errors, headers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp

from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.web import pages
from aicore_sync.web.acts import form_routes
from aicore_sync.web.api import ErrorBody, ErrorOut, api_routes, refusal
from aicore_sync.web.auth import Doorman, NotAllowed, login_routes, reading
from aicore_sync.web.browse import Shown, page_routes
from aicore_sync.web.guard import Guard
from aicore_sync.web.hooks.routes import hook_routes
from aicore_sync.web.parts import Parts
from aicore_sync.web.probes import probe_routes
from aicore_sync.web.records import record_routes

BROKEN = ErrorBody(
    code=500,
    title="Something broke on our side",
    message="The log of this process has the details under `request_failed`.",
)
SESSION_COOKIE = "aicore-sync"


def create_app(parts: Parts) -> ASGIApp:
    """The window. Reading needs no login unless `parts.access` says so, acting always does."""
    app = FastAPI(title="aicore-sync", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.doorman = doorman = Doorman(parts.access, parts.now)
    shown = Shown(parts, doorman)
    app.include_router(page_routes(shown))
    app.include_router(record_routes(shown))
    app.include_router(login_routes(doorman, shown.login))
    app.include_router(form_routes(parts.desk))
    app.include_router(api_routes(parts))
    app.include_router(probe_routes(parts.view))
    app.include_router(parts.live.routes())
    app.include_router(hook_routes(parts.hooks, parts.now))
    _described(app)
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    _errors(app, shown)
    access = parts.access
    app.add_middleware(
        SessionMiddleware,
        secret_key=access.session_key,
        session_cookie=SESSION_COOKIE,
        max_age=int(access.session),
        same_site="lax",
        https_only=access.secure,
    )
    return Guard(app)


def _described(app: FastAPI) -> None:
    @app.get("/api/v1/openapi.json", include_in_schema=False, dependencies=[Depends(reading)])
    async def described() -> JSONResponse:
        return JSONResponse(app.openapi())


def _errors(app: FastAPI, shown: Shown) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        answer = _answer(request, refusal(error), shown)
        if isinstance(error, Transient) and error.retry_after:
            answer.headers["Retry-After"] = str(max(1, round(error.retry_after)))
        if isinstance(error, HTTPException) and error.headers:
            answer.headers.update(error.headers)
        return answer

    async def broke(request: Request, _error: Exception) -> Response:
        return _answer(request, BROKEN, shown)

    for kind in (HTTPException, RequestValidationError, NotAllowed, SyncError):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(Exception, broke)


def _answer(request: Request, body: ErrorBody, shown: Shown) -> Response:
    path = request.url.path
    if path.startswith(("/api/", "/hooks/")):
        headers = {"WWW-Authenticate": "Bearer"} if body.code == 401 else None
        return JSONResponse(ErrorOut(error=body).model_dump(by_alias=True), body.code, headers)
    if body.code == 401 and request.method == "GET":
        asked = f"{path}?{request.url.query}" if request.url.query else path
        return RedirectResponse(f"/login?{urlencode({'next': asked})}", 303)
    return HTMLResponse(pages.problem(body.code, body.title, body.message, shown.still(request)), body.code)
