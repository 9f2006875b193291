"""/lm/metrics, and the same over the tracking endpoint that pods reach without a token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.scope import AGroup, AWorld, ListedGroup, page
from aicore_sync.sandbox.errors import PlainRefusal, Refusal, missing
from aicore_sync.sandbox.model import Group, Metrics, Wire
from aicore_sync.sandbox.runs import record
from aicore_sync.sandbox.world import World

router = APIRouter(prefix="/lm/metrics")
tracking = APIRouter(prefix="/tracking/{key}")
_PARTS = ("metrics", "tags", "customInfo")
_LIMITS = {"metrics": 1000, "tags": 100, "customInfo": 100}


class MetricsQuery(Wire):
    execution_ids: str = ""
    tag_filters: str = ""
    select: str = Field(default="*", alias="$select")
    top: int = Field(default=1000, ge=0, le=10000, alias="$top")
    skip: int = Field(default=0, ge=0, alias="$skip")

    def fits(self, held: Metrics) -> bool:
        wanted = not self.execution_ids or held.execution_id in self.execution_ids.split(",")
        return wanted and _tagged(held, self.tag_filters)


def _tagged(held: Metrics, filters: str) -> bool:
    """`name=value`, `name!=value` or `name`, separated by commas; all must hold."""
    tags = {tag["name"]: tag["value"] for tag in held.tags}
    for expression in filter(None, filters.split(",")):
        name, equals, value = expression.partition("=")
        if not equals and name not in tags:
            return False
        if equals and name.endswith("!") and tags.get(name[:-1]) == value:
            return False
        if equals and not name.endswith("!") and tags.get(name) != value:
            return False
    return True


def _wire(held: Metrics, select: str) -> dict[str, Any]:
    parts = _PARTS if "*" in select else tuple(select.split(","))
    return {key: value for key, value in held.wire().items() if key not in _PARTS or key in parts}


@router.get("")
async def metrics(query: Annotated[MetricsQuery, Query()], group: ListedGroup) -> dict[str, Any]:
    if not query.execution_ids and not query.tag_filters:
        raise Refusal(400, "One of executionIds, tagFilters is mandatory")
    if len(query.execution_ids.split(",")) > 10:
        raise Refusal(400, "executionIds holds more than 10 ids")
    found = [_wire(held, query.select) for held in group.metrics.values() if query.fits(held)]
    return page(found[query.skip : query.skip + query.top])


def _record(body: bodies.MetricsChange, group: Group, world: World) -> Response:
    if body.execution_id not in group.executions:
        raise Refusal(400, f"Execution {body.execution_id} not found")
    change = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for part, limit in _LIMITS.items():
        if len(change.get(part, [])) > limit:
            raise Refusal(413, f"{part} holds more than {limit} items")
    record(group, body.execution_id, world, change)
    return Response(status_code=204)


@router.patch("", status_code=204)
async def change(body: bodies.MetricsChange, group: AGroup, world: AWorld) -> Response:
    return _record(body, group, world)


@router.delete("")
async def delete(executionId: str, group: AGroup, world: AWorld) -> dict[str, Any]:  # noqa: N803
    if executionId not in group.metrics:
        raise missing("Metric resource", executionId)
    del group.metrics[executionId]
    world.touch()
    return {"id": executionId, "message": "Metric Resource was successfully deleted"}


@tracking.patch("/{path:path}", status_code=204)
async def track(key: str, path: str, body: bodies.MetricsChange, world: AWorld, request: Request) -> Response:
    """`AICORE_TRACKING_ENDPOINT` + `/api/v1/metrics`: who may write is in the address, the group is the execution's."""
    tenant = next((t for t in world.state.tenants.values() if t.tracking_key == key), None)
    if tenant is None or not path.endswith("metrics"):
        raise PlainRefusal(404, f"no route for {request.url.path}")
    group = next((g for g in tenant.groups.values() if body.execution_id in g.executions), None)
    if group is None:
        raise Refusal(400, f"Execution {body.execution_id} not found")
    return _record(body, group, world)
