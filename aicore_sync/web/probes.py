"""What machines ask: is it alive, is it ready, its metrics. Never behind the login."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from aicore_sync.web.view import View

METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


def probe_routes(view: View) -> APIRouter:
    """GET /healthz, /readyz and /metrics."""
    router = APIRouter(tags=["probes"])

    @router.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> PlainTextResponse:
        """200 while keys get done or none is due; 503 when only a restart helps."""
        alive = view.alive()
        return PlainTextResponse("ok\n" if alive else "no key gets done any more\n", 200 if alive else 503)

    @router.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> PlainTextResponse:
        """200 when requests should come here, else 503 and the reason."""
        ready, reason = view.ready()
        return PlainTextResponse(f"{'ok' if ready else reason}\n", 200 if ready else 503)

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """The Prometheus text format."""
        return Response(await view.metrics(), media_type=METRICS_TYPE)

    return router
