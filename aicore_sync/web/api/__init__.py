"""The JSON API below /api/v1. Stable: fields are added, never renamed or removed."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from aicore_sync.web.api.acts import act_routes
from aicore_sync.web.api.answers import answer_routes
from aicore_sync.web.api.errors import refusal
from aicore_sync.web.api.flows import flow_routes
from aicore_sync.web.api.past import past_routes
from aicore_sync.web.api.query import only_known
from aicore_sync.web.api.runs import run_routes
from aicore_sync.web.api.status import status_routes
from aicore_sync.web.api.wire import ErrorBody, ErrorOut
from aicore_sync.web.parts import Parts

__all__ = ["ErrorBody", "ErrorOut", "api_routes", "refusal"]


def api_routes(parts: Parts) -> APIRouter:
    """The whole API."""
    router = APIRouter(dependencies=[Depends(only_known)])
    for routes in (
        status_routes(parts),
        flow_routes(parts.index),
        past_routes(parts.store),
        answer_routes(parts.answers),
        run_routes(parts.runs, parts.streams),
        act_routes(parts.desk),
    ):
        router.include_router(routes)
    return router
