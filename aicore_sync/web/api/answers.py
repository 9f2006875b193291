"""What `get` and its relatives show, as data: the same documents as those commands print with `-o json`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import GenericAlias
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, create_model

from aicore_sync.core.answers import ComparedAnswer, TraceAnswer, Where
from aicore_sync.core.kinds import KINDS
from aicore_sync.web.answers import Answers
from aicore_sync.web.api.wire import PREFIX, Wire, errors
from aicore_sync.web.auth import reading

MOST_COMPARED = 20
Name = Annotated[str, Query(max_length=63)]
ComparedId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
ExecutionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Route = Callable[..., Awaitable[dict[str, Any]]]


class OfFlows(Wire):
    """Empty fields ask for all."""

    flow: str = Field("", max_length=63, description="The executable id")
    environment: str = Field("", max_length=63)
    limit: int = Field(20, ge=1, le=1000, description="Most runs or ticks")


class OfOne(Wire):
    """A flow's."""

    flow: str = Field(min_length=1, max_length=127, description="FLOW, or FLOW@TENANT for one tenant's")
    limit: int = Field(10, ge=1, le=500, description="Most versions of a template")


class OfScenario(Wire):
    """Empty asks for all of ours."""

    scenario: str = Field("", max_length=63)


class Nothing(Wire):
    """All there are."""


# Kind -> what may be asked for, and the sentence about it. A kind's address is its name.
LISTS: dict[str, tuple[type[Wire], str]] = {
    "configurations": (OfFlows, "Our configurations, the newest first within each flow."),
    "schedules": (OfFlows, "Our schedules and when each runs next."),
    "executions": (OfFlows, "The newest runs of our configurations."),
    "artifacts": (OfFlows, "Artifacts that manifests declare, and those that the newest runs made."),
    "ticks": (OfFlows, "The next runs of all active schedules together, the soonest first."),
    "sources": (Nothing, "The sources of the configuration."),
    "tenants": (Nothing, "The tenants of the configuration."),
    "versions": (OfOne, "The commits that changed a flow's template, the newest first."),
    "scenarios": (
        OfScenario,
        "Scenarios as trees: flow, template, configuration, schedule, execution, artifact.",
    ),
}


def answer_routes(answers: Answers) -> APIRouter:
    """GET /api/v1/KIND for every list, /api/v1/executions/{execution}/trace and /api/v1/compare."""
    router = APIRouter(
        prefix=PREFIX,
        tags=["objects"],
        dependencies=[Depends(reading)],
        responses=errors(401, 404, 409, 422, 503),
    )
    for kind, (asked, words) in LISTS.items():
        fields: dict[str, Any] = {kind: (GenericAlias(tuple, (KINDS[kind], ...)), ...)}
        shape = create_model(f"{kind.title()}List", __base__=Wire, **fields)
        router.get(f"/{kind}", response_model=shape, description=words, name=kind)(
            _lister(answers, kind, asked)
        )

    @router.get("/executions/{execution}/trace")
    async def trace(execution: ExecutionId, environment: Name = "") -> TraceAnswer:
        """Where a run comes from, back to who wrote what it runs."""
        (found,) = await answers.ask("trace", Where(environment=environment, executions=(execution,)))
        assert isinstance(found, TraceAnswer)
        return found

    @router.get("/compare")
    async def compare(
        execution: Annotated[list[ComparedId], Query(min_length=1, max_length=MOST_COMPARED)],
        environment: Name = "",
    ) -> ComparedAnswer:
        """Executions side by side."""
        (found,) = await answers.ask("compare", Where(environment=environment, executions=tuple(execution)))
        assert isinstance(found, ComparedAnswer)
        return found

    return router


def _lister(answers: Answers, kind: str, asked: type[Wire]) -> Route:
    async def listed(query: Annotated[Wire, Query()]) -> dict[str, Any]:
        return {kind: await answers.ask(kind, Where(**query.model_dump()))}

    listed.__annotations__["query"] = Annotated[asked, Query()]
    return listed
