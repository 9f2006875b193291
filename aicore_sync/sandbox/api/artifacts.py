"""/lm/artifacts: permanent and immutable; names need not be unique."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field, StringConstraints

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.catalog import scenario_wire
from aicore_sync.sandbox.api.scope import AGroup, ATenant, AWorld, ListedGroup, Slice, number, page
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Artifact, Group, Tenant, Wire

router = APIRouter(prefix="/lm/artifacts")
Search = Annotated[str, StringConstraints(pattern=r"^[^~]{1,80}$")]
_SELECTOR = re.compile(r"(ext\.ai\.sap\.com/[\w.-]+)(!?=)([^ =,]+)")


def contains(needle: str, ignore_case: bool, *texts: str) -> bool:
    """`$search`: a substring of one of the texts."""
    fold = str.casefold if ignore_case else str
    return any(fold(needle) in fold(text) for text in texts)


class ArtifactQuery(Wire):
    scenario_id: str = ""
    execution_id: str = ""
    name: str = ""
    kind: bodies.Kind | None = None
    artifact_label_selector: str = ""
    search: Search | None = Field(default=None, alias="$search")
    search_case_insensitive: bool = False

    def fits(self, artifact: Artifact) -> bool:
        wanted = ("scenario_id", "execution_id", "name", "kind")
        if any(getattr(self, key) and getattr(self, key) != getattr(artifact, key) for key in wanted):
            return False
        texts = (artifact.name, artifact.description or "")
        found = self.search is None or contains(self.search, self.search_case_insensitive, *texts)
        return found and _selected(artifact, self.artifact_label_selector)

    def found(self, group: Group) -> list[Artifact]:
        return [artifact for artifact in group.artifacts.values() if self.fits(artifact)]


class ArtifactList(ArtifactQuery, Slice):
    expand: Literal["scenario"] | None = Field(default=None, alias="$expand")


def _selected(artifact: Artifact, selector: str) -> bool:
    """Up to ten `key=value` or `key!=value`, all of which must hold; `{comma}` stands for a comma."""
    labels = {label.key: label.value for label in artifact.labels or ()}
    expressions = selector.split(",") if selector else []
    if len(expressions) > 10:
        raise Refusal(400, "artifactLabelSelector holds more than 10 expressions")
    for expression in expressions:
        match = _SELECTOR.fullmatch(expression)
        if match is None:
            raise Refusal(400, f"artifactLabelSelector {expression!r} is not valid")
        key, operator, value = match.groups()
        if (labels.get(key) == value.replace("{comma}", ",")) != (operator == "="):
            return False
    return True


def _wire(artifact: Artifact, tenant: Tenant, expand: str | None) -> dict[str, Any]:
    answer = artifact.wire()
    return answer | {"scenario": scenario_wire(tenant, artifact.scenario_id)} if expand else answer


@router.post("", status_code=201)
async def create(
    body: bodies.NewArtifact, request: Request, response: Response, world: AWorld, group: AGroup
) -> dict[str, Any]:
    now = world.clock.now()
    artifact = Artifact(
        id=world.uid(),
        name=body.name,
        kind=body.kind,
        url=body.url,
        scenario_id=body.scenario_id,
        description=body.description or None,
        labels=list(body.labels) or None,
        created_at=now,
        modified_at=now,
    )
    group.artifacts[artifact.id] = artifact
    world.touch()
    response.headers["Location"] = f"{request.url.path}/{artifact.id}"
    return {"id": artifact.id, "message": "Artifact acknowledged", "url": artifact.url}


@router.get("")
async def artifacts(
    query: Annotated[ArtifactList, Query()], tenant: ATenant, group: ListedGroup
) -> dict[str, Any]:
    return page([_wire(artifact, tenant, query.expand) for artifact in query.of(query.found(group))])


@router.get("/$count")
async def count(query: Annotated[ArtifactQuery, Query()], group: ListedGroup) -> PlainTextResponse:
    return number(query.found(group))


@router.get("/{artifact_id}")
async def artifact(artifact_id: str, tenant: ATenant, group: AGroup, request: Request) -> dict[str, Any]:
    if artifact_id not in group.artifacts:
        raise missing("Artifact", artifact_id)
    return _wire(group.artifacts[artifact_id], tenant, request.query_params.get("$expand"))
