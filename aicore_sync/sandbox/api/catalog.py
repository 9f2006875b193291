"""/lm/meta, scenarios, executables and versions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from aicore_sync.sandbox.api.scope import AGroup, ListedTenant, page, the_tenant
from aicore_sync.sandbox.errors import missing
from aicore_sync.sandbox.model import Executable, Tenant

router = APIRouter(prefix="/lm")
_INTERNAL = ("scenario_name", "scenario_description", "application", "document")
META: dict[str, Any] = {
    "runtimeIdentifier": "aicore",
    "runtimeApiVersion": "2.42.0",
    "description": "aicore-sync sandbox",
    "aiApi": {
        "version": "2.42.0",
        "capabilities": {
            "multitenant": True,
            "shareable": False,
            "staticDeployments": False,
            "userDeployments": True,
            "userExecutions": True,
            "timeToLiveDeployments": True,
            "executionSchedules": True,
            "logs": {"executions": True, "deployments": False},
            "bulkUpdates": {"executions": True, "deployments": False},
        },
        "limits": {
            "executions": {"maxRunningCount": -1},
            "deployments": {"maxRunningCount": -1},
            "minimumFrequencyHour": 1,
        },
    },
    "extensions": {"resourceGroups": {"version": "1.2.0"}, "metrics": {"version": "1.1.0"}},
}


@router.get("/meta", dependencies=[Depends(the_tenant)])
async def meta() -> dict[str, Any]:
    return META


def scenario_wire(tenant: Tenant, scenario: str) -> dict[str, Any] | None:
    """The scenario as its workflow templates describe it; a serving template alone does not make one."""
    makers = [e for e in tenant.executables.values() if e.scenario_id == scenario and not e.deployable]
    if not makers:
        return None
    first = min(makers, key=lambda e: (e.created_at, e.id))
    answer = {
        "id": scenario,
        "name": first.scenario_name,
        "labels": [],
        "createdAt": first.wire()["createdAt"],
        "modifiedAt": max(e.wire()["modifiedAt"] for e in makers),
    }
    return answer | ({"description": first.scenario_description} if first.scenario_description else {})


def executable_wire(executable: Executable) -> dict[str, Any]:
    answer = executable.wire(*_INTERNAL)
    for slot in answer["inputArtifacts"] + answer["outputArtifacts"]:
        slot.pop("title", None)
    return answer


def _visible(tenant: Tenant, scenario: str) -> list[Executable]:
    """A serving template without parameters does not appear."""
    mine = (e for e in tenant.executables.values() if e.scenario_id == scenario)
    return [e for e in mine if not e.deployable or e.parameters]


@router.get("/scenarios")
async def scenarios(tenant: ListedTenant, _: AGroup) -> dict[str, Any]:
    found = (scenario_wire(tenant, s) for s in sorted({e.scenario_id for e in tenant.executables.values()}))
    return page([scenario for scenario in found if scenario])


@router.get("/scenarios/{scenario}")
async def scenario(scenario: str, tenant: ListedTenant, _: AGroup) -> dict[str, Any]:
    found = scenario_wire(tenant, scenario)
    if found is None:
        raise missing("Scenario", scenario)
    return found


@router.get("/scenarios/{scenario}/executables")
async def executables(scenario: str, tenant: ListedTenant, _: AGroup, versionId: str = "") -> dict[str, Any]:  # noqa: N803
    found = [e for e in _visible(tenant, scenario) if not versionId or e.version_id == versionId]
    return page([executable_wire(e) for e in found])


@router.get("/scenarios/{scenario}/executables/{executable}")
async def executable(scenario: str, executable: str, tenant: ListedTenant, _: AGroup) -> dict[str, Any]:
    found = next((e for e in _visible(tenant, scenario) if e.id == executable), None)
    if found is None:
        raise missing("Executable", executable)
    return executable_wire(found)


@router.get("/scenarios/{scenario}/versions")
async def versions(scenario: str, tenant: ListedTenant, _: AGroup) -> dict[str, Any]:
    by_version: dict[str, Executable] = {}
    for e in _visible(tenant, scenario):
        by_version.setdefault(e.version_id, e)
    wires = {version: e.wire() for version, e in by_version.items()}
    return page([
        {"id": v, "scenarioId": scenario, "createdAt": w["createdAt"], "modifiedAt": w["modifiedAt"]}
        for v, w in wires.items()
    ])  # fmt: skip
