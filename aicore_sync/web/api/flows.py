"""Flows as the first page lists them, searched and paged; one flow with its objects."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import Health
from aicore_sync.core.statuses import ConditionAnswer, ObjectAnswer, condition_answer, object_answer
from aicore_sync.web.api.wire import PREFIX, Wire, errors
from aicore_sync.web.auth import reading
from aicore_sync.web.index import Index
from aicore_sync.web.rows import Row
from aicore_sync.web.search import Asked, find


class FlowOut(Wire):
    """A flow in an environment together with its template, or a template that no flow uses."""

    flow: str = Field(description="The executable id")
    environment: str = Field(description="Empty for a template and for a flow without an environment")
    tenant: str
    health: Health
    message: str = Field(description="The one sentence that says what blocks, or that all is well")
    conditions: tuple[ConditionAnswer, ...]
    facts: dict[str, str]
    updated: datetime | None
    page: str = Field(description="Path of its page")


class FlowDetails(FlowOut):
    """A flow with its objects in AI Core."""

    objects: tuple[ObjectAnswer, ...]


class FlowPage(Wire):
    """Some of the flows, those that need attention first."""

    items: tuple[FlowOut, ...]
    total: int = Field(description="How many fit")
    page: int
    pages: int
    summary: dict[str, int] = Field(description="All flows by health; zeros included")


Words = Annotated[str, Query(max_length=200)]
Count = Annotated[int, Query(ge=1, le=500, alias="perPage")]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


def flow_routes(index: Index) -> APIRouter:
    """GET /api/v1/flows and /api/v1/flows/{flow}/{environment}."""
    router = APIRouter(
        prefix=PREFIX, tags=["status"], dependencies=[Depends(reading)], responses=errors(401, 404, 422)
    )

    @router.get("/flows")
    async def flows(
        q: Words = "",
        health: Health | None = None,
        environment: Words = "",
        page: PageNumber = 1,
        per_page: Count = 100,
    ) -> FlowPage:
        """Flows that hold every word of `q`."""
        asked = Asked(q, health or "", page, environment=environment, per_page=per_page)
        found = find(index.rows, asked)
        return FlowPage(
            items=tuple(map(_flow, found.rows)),
            total=found.total,
            page=found.asked.page,
            pages=found.pages,
            summary={kind.value: number for kind, number in index.summary().items()},
        )

    @router.get("/flows/{flow}/{environment}")
    async def flow(flow: str, environment: str) -> FlowDetails:
        """One flow with its objects; `-` is no environment."""
        row = index.flow(flow, "" if environment == "-" else environment)
        if row is None:
            raise Stalled(f"no flow {flow} has been seen in {environment}", reason="NotFound")
        return FlowDetails(**dict(_flow(row)), objects=tuple(map(object_answer, row.objects)))

    return router


def _flow(row: Row) -> FlowOut:
    return FlowOut(
        flow=row.name.flow,
        environment=row.name.environment,
        tenant=row.name.tenant,
        health=row.health,
        message=row.message,
        conditions=tuple(map(condition_answer, row.conditions)),
        facts=dict(row.facts),
        updated=row.updated,
        page=row.name.path,
    )
