"""One execution in full with its metrics, its log, and quotas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field

from aicore_sync.aicore import LogLine
from aicore_sync.web.api.wire import PREFIX, Wire, errors
from aicore_sync.web.auth import reading
from aicore_sync.web.runs import Run, RunDetails, Runs
from aicore_sync.web.streams import Streams


class RunOut(Wire):
    """An execution."""

    id: str
    environment: str
    flow: str
    configuration: str = Field(description="Name of its configuration")
    status: str
    whose: str = Field(description="aicore-sync, schedule or foreign")
    message: str
    created: datetime | None
    started: datetime | None
    completed: datetime | None


class MetricOut(Wire):
    """One measured value."""

    name: str
    value: float | None = Field(description="null for what is no number")
    step: int | None
    at: datetime | None


class RunFull(RunOut):
    """An execution with what went in and what came out."""

    parameters: dict[str, str]
    inputs: dict[str, str] = Field(description="Input → artifact id")
    outputs: dict[str, str] = Field(description="Output → address")
    metrics: tuple[MetricOut, ...]
    tags: dict[str, str]
    phases: dict[str, str] = Field(description="Step → Argo's phase")


class QuotaOut(Wire):
    """How much of a quota is used."""

    tenant: str
    name: str
    used: int
    limit: int


class QuotaList(Wire):
    """Of every tenant that could be asked."""

    items: tuple[QuotaOut, ...]


Name = Annotated[str, Query(max_length=63)]
Since = Annotated[AwareDatetime | None, Query(description="With an offset from UTC, such as Z")]
ExecutionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


def run_routes(runs: Runs, streams: Streams) -> APIRouter:
    """GET /api/v1/executions/{execution}, its log, and /api/v1/quotas."""
    router = APIRouter(
        prefix=PREFIX,
        tags=["runs"],
        dependencies=[Depends(reading)],
        responses=errors(401, 404, 409, 422, 503),
    )

    @router.get("/executions/{execution}")
    async def execution(execution: ExecutionId, environment: Name = "") -> RunFull:
        """One execution in full."""
        return _full(await runs.run(execution, environment))

    @router.get("/executions/{execution}/log", responses={200: {"content": {"text/plain": {}}}})
    async def log(
        execution: ExecutionId, environment: Name = "", follow: bool = False, since: Since = None
    ) -> StreamingResponse:
        """The log as text from its start or `since`: time, pod and container, text. With `follow` until its end."""
        await runs.run(execution, environment)  # a wrong id is an answer, not a broken stream
        return streams.text(_text(runs.log(execution, environment, follow=follow, since=since)))

    @router.get("/quotas")
    async def quotas() -> QuotaList:
        """How much of each tenant's quotas is used."""
        return QuotaList(items=tuple(QuotaOut(**vars(row)) for row in await runs.quotas()))

    return router


def _run(run: Run) -> dict[str, object]:
    execution = run.execution
    return {
        "id": execution.id,
        "environment": run.environment,
        "flow": run.flow,
        "configuration": run.configuration,
        "status": execution.status,
        "whose": run.whose,
        "message": execution.message,
        "created": execution.created_at,
        "started": execution.started_at,
        "completed": execution.completed_at,
    }


def _full(found: RunDetails) -> RunFull:
    return RunFull(
        **_run(found.run),
        parameters=dict(found.parameters),
        inputs=dict(found.inputs),
        outputs={artifact.name: artifact.url for artifact in found.run.execution.outputs},
        metrics=tuple(
            MetricOut(
                name=m.name, value=m.value if m.value - m.value == 0 else None, step=m.step, at=m.timestamp
            )
            for m in found.metrics
        ),
        tags=dict(found.tags),
        phases=dict(found.phases),
    )


async def _text(lines: AsyncIterator[LogLine]) -> AsyncIterator[str]:
    async for line in lines:
        yield f"{line.time.isoformat()} {line.pod or '-'}/{line.container or '-'} {line.text.rstrip()}\n"
