"""/lm/configurations: permanent and immutable; the same content twice gives two of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.artifacts import Search, contains
from aicore_sync.sandbox.api.catalog import scenario_wire
from aicore_sync.sandbox.api.scope import AGroup, ATenant, AWorld, ListedGroup, Slice, number, page
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Configuration, Executable, Group, Tenant, Wire

router = APIRouter(prefix="/lm/configurations")


class ConfigurationQuery(Wire):
    scenario_id: str = ""
    executable_ids: str = ""
    search: Search | None = Field(default=None, alias="$search")
    search_case_insensitive: bool = False

    def fits(self, one: Configuration) -> bool:
        return (
            self.scenario_id in {"", one.scenario_id}
            and (not self.executable_ids or one.executable_id in self.executable_ids.split(","))
            and (self.search is None or contains(self.search, self.search_case_insensitive, one.name))
        )

    def found(self, group: Group) -> list[Configuration]:
        return [one for one in group.configurations.values() if self.fits(one)]


class ConfigurationList(ConfigurationQuery, Slice):
    expand: Literal["scenario"] | None = Field(default=None, alias="$expand")


def _wire(one: Configuration, tenant: Tenant, expand: str | None) -> dict[str, Any]:
    answer = one.wire()
    return answer | {"scenario": scenario_wire(tenant, one.scenario_id)} if expand else answer


def _executable(tenant: Tenant, body: bodies.NewConfiguration) -> Executable:
    executable = tenant.executables.get(body.executable_id)
    if executable is None or executable.scenario_id != body.scenario_id:
        raise Refusal(
            400,
            f"Could not create configuration, because executable {body.executable_id} "
            f"for scenario {body.scenario_id} is not found",
            "01010050",
        )
    return executable


def _check_bindings(body: bodies.NewConfiguration, group: Group) -> None:
    """Keys once each, artifacts that exist. Whether a key means anything to the template is found out when it runs."""
    for keys in ([b.key for b in body.parameter_bindings], [b.key for b in body.input_artifact_bindings]):
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise Refusal(
                400, f"Could not create configuration, because {', '.join(twice)} is bound twice", "01010051"
            )
    for binding in body.input_artifact_bindings:
        if binding.artifact_id not in group.artifacts:
            text = f"Could not create configuration, because artifact {binding.artifact_id} is not found"
            raise Refusal(400, text, "01010052")


@router.post("", status_code=201)
async def create(
    body: bodies.NewConfiguration, world: AWorld, tenant: ATenant, group: AGroup
) -> dict[str, Any]:
    _executable(tenant, body)
    _check_bindings(body, group)
    one = Configuration(id=world.uid(), created_at=world.clock.now(), **body.model_dump())
    group.configurations[one.id] = one
    world.touch()
    return {"id": one.id, "message": "Configuration created"}


@router.get("")
async def configurations(
    query: Annotated[ConfigurationList, Query()], tenant: ATenant, group: ListedGroup
) -> dict[str, Any]:
    return page([_wire(one, tenant, query.expand) for one in query.of(query.found(group))])


@router.get("/$count")
async def count(query: Annotated[ConfigurationQuery, Query()], group: ListedGroup) -> PlainTextResponse:
    return number(query.found(group))


@router.get("/{configuration_id}")
async def configuration(
    configuration_id: str, tenant: ATenant, group: AGroup, request: Request
) -> dict[str, Any]:
    if configuration_id not in group.configurations:
        raise missing("Configuration", configuration_id)
    return _wire(group.configurations[configuration_id], tenant, request.query_params.get("$expand"))
