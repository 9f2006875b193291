"""/lm/executions: 202 for every write, 412 where the state forbids it, logs with a window of one hour."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.scope import (
    AGroup,
    ARunner,
    ATenant,
    ListedGroup,
    Slice,
    need_merge_patch,
    number,
    page,
)
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.logs import Window
from aicore_sync.sandbox.model import Execution, Group, Tenant, Wire
from aicore_sync.sandbox.runs import DELETABLE, STOPPABLE, Runner

router = APIRouter(prefix="/lm/executions")
Status = Literal["PENDING", "RUNNING", "COMPLETED", "DEAD", "STOPPING", "STOPPED", "UNKNOWN"]


class ExecutionQuery(Wire):
    executable_ids: str = ""
    configuration_id: str = ""
    scenario_id: str = ""
    execution_schedule_id: str = ""
    status: Status | None = None

    def fits(self, run: Execution) -> bool:
        return (
            (not self.executable_ids or run.executable_id in self.executable_ids.split(","))
            and self.configuration_id in {"", run.configuration_id}
            and self.scenario_id in {"", run.scenario_id}
            and self.execution_schedule_id in {"", run.execution_schedule_id}
            and self.status in {None, run.status}
        )

    def found(self, group: Group) -> list[Execution]:
        return [run for run in group.executions.values() if self.fits(run)]


class ExecutionList(ExecutionQuery, Slice):
    select: Literal["status"] | None = Field(default=None, alias="$select")


class LogQuery(Wire):
    start: datetime | None = None
    end: datetime | None = None
    top: int = Field(default=1000, ge=1, le=5000, alias="$top")
    order: Literal["asc", "desc"] = Field(default="asc", alias="$order")

    def window(self) -> Window:
        return Window(self.start, self.end, self.top, self.order == "desc")


def _wire(run: Execution, select: str | None, *exclude: str) -> dict[str, Any]:
    answer = run.wire("deleted_at", *exclude)
    if select == "status":
        needed = ("id", "configurationId", "status", "targetStatus", "createdAt", "modifiedAt")
        return {key: answer[key] for key in needed}
    return answer


def _find(group: Group, runner: Runner, name: str) -> Execution:
    runner.sweep(group)
    if name not in group.executions:
        raise missing("Execution", name)
    return group.executions[name]


@router.post("", status_code=202)
async def create(
    body: bodies.NewExecution, tenant: ATenant, group: AGroup, runner: ARunner
) -> dict[str, Any]:
    configuration = group.configurations.get(body.configuration_id)
    if configuration is None:
        raise Refusal(
            400, f"Could not create execution, because configuration {body.configuration_id} is not found"
        )
    if configuration.executable_id not in tenant.executables:
        text = f"Could not create execution, because executable {configuration.executable_id} is not found"
        raise Refusal(400, text)
    if tenant.executables[configuration.executable_id].deployable:
        text = f"executable {configuration.executable_id} is deployable: it serves, and has no executions"
        raise Refusal(400, f"Could not create execution, because {text}")
    run = runner.start(tenant, group, configuration)
    return {"id": run.id, "message": "Execution scheduled", "status": "UNKNOWN", "targetStatus": "COMPLETED"}


@router.get("")
async def executions(
    query: Annotated[ExecutionList, Query()], group: ListedGroup, runner: ARunner
) -> dict[str, Any]:
    runner.sweep(group)
    return page([_wire(run, query.select, "status_details") for run in query.of(query.found(group))])


@router.get("/$count")
async def count(
    query: Annotated[ExecutionQuery, Query()], group: ListedGroup, runner: ARunner
) -> PlainTextResponse:
    runner.sweep(group)
    return number(query.found(group))


def _change(run: Execution, target: str, runner: Runner) -> str:
    """Stop or delete; the message of the answer. Raises a 412 where the state does not allow it."""
    allowed, act = (STOPPABLE, runner.stop) if target == "STOPPED" else (DELETABLE, runner.delete)
    if run.status not in allowed or run.target_status == "DELETED":
        verb = "stopped" if target == "STOPPED" else "deleted"
        state = "DELETED" if run.target_status == "DELETED" else run.status
        raise Refusal(412, f"Execution {run.id} is {state} and cannot be {verb}", "01010076")
    act(run)
    return "Execution modification scheduled" if target == "STOPPED" else "Execution deletion scheduled"


@router.patch("", status_code=202, dependencies=[Depends(need_merge_patch)])
async def change_many(body: bodies.BulkChange, group: AGroup, runner: ARunner) -> dict[str, Any]:
    """Every item has its own result, good or bad, inside one 202."""
    if len({item.id for item in body.executions}) != len(body.executions):
        raise Refusal(400, "executions holds an id twice")
    return {"executions": [_change_one(item, group, runner) for item in body.executions]}


def _change_one(item: bodies.BulkItem, group: Group, runner: Runner) -> dict[str, Any]:
    try:
        return {"id": item.id, "message": _change(_find(group, runner, item.id), item.target_status, runner)}
    except Refusal as refusal:
        return {"id": item.id, "error": refusal.body()}


@router.get("/{execution_id}")
async def execution(
    execution_id: str,
    group: AGroup,
    runner: ARunner,
    select: Annotated[str | None, Query(alias="$select")] = None,
) -> dict[str, Any]:
    return _wire(_find(group, runner, execution_id), select)


@router.patch("/{execution_id}", status_code=202)
async def stop(
    execution_id: str, _: bodies.ExecutionChange, group: AGroup, runner: ARunner
) -> dict[str, Any]:
    return {"id": execution_id, "message": _change(_find(group, runner, execution_id), "STOPPED", runner)}


@router.delete("/{execution_id}", status_code=202)
async def delete(execution_id: str, group: AGroup, runner: ARunner) -> dict[str, Any]:
    message = _change(_find(group, runner, execution_id), "DELETED", runner)
    return {"id": execution_id, "message": message, "targetStatus": "DELETED"}


@router.get("/{execution_id}/logs")
async def logs(
    execution_id: str, query: Annotated[LogQuery, Query()], tenant: ATenant, runner: ARunner
) -> dict[str, Any]:
    """The one operation under /lm whose resource group header the description leaves out."""
    if not _known(tenant, execution_id):
        raise missing("Execution", execution_id)
    return {"data": {"result": runner.logs.read(execution_id, query.window())}}


def _known(tenant: Tenant, execution: str) -> bool:
    return any(execution in group.executions for group in tenant.groups.values())
