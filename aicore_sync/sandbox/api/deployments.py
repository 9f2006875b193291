"""/lm/deployments: 202 for every write, 412 where the state forbids it. Nothing is served."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.scope import ADeployer, AGroup, ATenant, ListedGroup, Slice, number, page
from aicore_sync.sandbox.deployments import Deployer
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Configuration, Deployment, Group, Tenant, Wire

router = APIRouter(prefix="/lm/deployments")
STOPPABLE = ("PENDING", "RUNNING")
CHANGEABLE = ("PENDING", "RUNNING", "DEAD")
DELETABLE = ("UNKNOWN", "COMPLETED", "STOPPED", "DEAD")
Status = Literal["PENDING", "RUNNING", "COMPLETED", "DEAD", "STOPPING", "STOPPED", "UNKNOWN"]


class DeploymentQuery(Wire):
    executable_ids: str = ""
    configuration_id: str = ""
    scenario_id: str = ""
    status: Status | None = None

    def fits(self, one: Deployment) -> bool:
        return (
            (not self.executable_ids or one.executable_id in self.executable_ids.split(","))
            and self.configuration_id in {"", one.configuration_id}
            and self.scenario_id in {"", one.scenario_id}
            and self.status in {None, one.status}
        )

    def found(self, group: Group) -> list[Deployment]:
        return [one for one in group.deployments.values() if self.fits(one)]


class DeploymentList(DeploymentQuery, Slice):
    select: Literal["status"] | None = Field(default=None, alias="$select")


def _wire(one: Deployment) -> dict[str, Any]:
    return one.wire("deleted_at")


def _find(group: Group, deployer: Deployer, name: str) -> Deployment:
    deployer.sweep(group)
    if name not in group.deployments:
        raise missing("Deployment", name)
    return group.deployments[name]


def _configuration(tenant: Tenant, group: Group, name: str) -> Configuration:
    """A configuration that can be deployed: it exists, its executable serves, every parameter has a value."""
    found = group.configurations.get(name)
    executable = tenant.executables.get(found.executable_id) if found else None
    if found is None or executable is None:
        raise Refusal(400, f"Could not create deployment, because configuration {name} is not found")
    if not executable.deployable:
        raise Refusal(
            400, f"Could not create deployment, because executable {executable.id} is not deployable"
        )
    bound = {binding.key for binding in found.parameter_bindings}
    absent = sorted(p.name for p in executable.parameters if p.default is None and p.name not in bound)
    if absent:
        raise Refusal(400, f"Could not create deployment, because {', '.join(absent)} has no value")
    return found


@router.post("", status_code=202)
async def create(
    body: bodies.NewDeployment, tenant: ATenant, group: AGroup, deployer: ADeployer
) -> dict[str, Any]:
    made = deployer.start(group, _configuration(tenant, group, body.configuration_id), body.ttl)
    answer = {"id": made.id, "message": "Deployment scheduled", "status": "UNKNOWN", "deploymentUrl": ""}
    return answer | ({"ttl": made.ttl} if made.ttl else {})


@router.get("")
async def deployments(
    query: Annotated[DeploymentList, Query()], group: ListedGroup, deployer: ADeployer
) -> dict[str, Any]:
    deployer.sweep(group)
    return page([_wire(one) for one in query.of(query.found(group))])


@router.get("/$count")
async def count(
    query: Annotated[DeploymentQuery, Query()], group: ListedGroup, deployer: ADeployer
) -> PlainTextResponse:
    deployer.sweep(group)
    return number(query.found(group))


@router.get("/{deployment_id}")
async def deployment(deployment_id: str, group: AGroup, deployer: ADeployer) -> dict[str, Any]:
    return _wire(_find(group, deployer, deployment_id))


def _allow(one: Deployment, states: tuple[str, ...], verb: str) -> None:
    if one.status not in states or one.target_status == "DELETED":
        state = "DELETED" if one.target_status == "DELETED" else one.status
        raise Refusal(412, f"Deployment {one.id} is {state} and cannot be {verb}", "01010076")


@router.patch("/{deployment_id}", status_code=202)
async def change(
    deployment_id: str, body: bodies.DeploymentChange, tenant: ATenant, group: AGroup, deployer: ADeployer
) -> dict[str, Any]:
    """Stop it, or point it at another configuration."""
    one = _find(group, deployer, deployment_id)
    if body.target_status:
        _allow(one, STOPPABLE, "stopped")
        deployer.stop(group, one)
    else:
        _allow(one, CHANGEABLE, "modified")
        deployer.update(group, one, _configuration(tenant, group, body.configuration_id))
    return {"id": deployment_id, "message": "Deployment modification scheduled"}


@router.delete("/{deployment_id}", status_code=202)
async def delete(deployment_id: str, group: AGroup, deployer: ADeployer) -> dict[str, Any]:
    one = _find(group, deployer, deployment_id)
    _allow(one, DELETABLE, "deleted")
    deployer.delete(one)
    return {"id": deployment_id, "message": "Deployment deletion scheduled"}
