"""Executions as people ask for them: one by its id, the newest of a flow, and waiting for the end of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aicore_sync.aicore import Group, NotFound
from aicore_sync.app.build import App
from aicore_sync.app.patience import until
from aicore_sync.controller.estate import Environment
from aicore_sync.controller.executions import OWNER_TAG
from aicore_sync.core.errors import Stalled
from aicore_sync.core.plan.origin import age_order
from aicore_sync.core.world import Execution


@dataclass(frozen=True)
class Asked:
    """A run to start: a flow, its environment and its configuration where there is more than one ("": the only one)."""

    flow: str
    environment: str = ""
    configuration: str = ""


@dataclass(frozen=True)
class Found:
    """An execution and where it is. `whose` is aicore-sync, schedule or foreign; `name` its configuration's name."""

    place: Environment
    execution: Execution
    name: str
    whose: str = ""


async def find(app: App, execution: str, environment: str = "") -> Found:
    """An execution by its id, wherever it is. Raises Stalled when no environment knows it."""
    places = [app.estate.environment(environment)] if environment else list(app.estate.environments.values())
    for place in places:
        group = group_of(app, place)
        try:
            found = await group.executions.get(execution)
        except NotFound:
            continue
        return (await _described(app, place, [found]))[0]
    where = ", ".join(place.name for place in places)
    raise Stalled(f"there is no execution {execution} in {where}", reason="NotFound")


async def listed(app: App, flow: str = "", environment: str = "", limit: int = 20) -> list[Found]:
    """The newest executions of our configurations, newest first; of one flow or environment where named."""
    places = [app.estate.environment(environment)] if environment else list(app.estate.environments.values())
    found: list[Found] = []
    for place in places:
        prefix = f"{app.estate.owner}.{flow}." if flow else f"{app.estate.owner}."
        listed = await app.reader.lists.configurations(place)
        ids = {c.id for c in listed.all if c.name.startswith(prefix)}
        runs = [e for e in (await app.reader.lists.executions(place)).all if e.configuration in ids]
        newest = sorted((e for e in runs if e.target_status != "DELETED"), key=age_order, reverse=True)
        found += await _described(app, place, newest[:limit])
    return sorted(found, key=lambda f: age_order(f.execution), reverse=True)[:limit]


async def ended(app: App, found: Found) -> Found:
    """Wait until an execution has ended; returns it as it is then."""
    group = group_of(app, found.place)

    async def look() -> Found | None:
        execution = await group.executions.get(found.execution.id)
        return None if execution.active else replace(found, execution=execution)

    return await until(look)


async def awaited(app: App, asked: Asked, since: datetime) -> Found:
    """Wait for the run that a service was asked to start."""

    def fits(found: Found) -> bool:
        begun = found.execution.created_at
        named = not asked.configuration or found.name.split(".")[2:3] == [asked.configuration]
        young = begun is not None and begun >= since.replace(microsecond=0)
        return young and named and found.whose == "aicore-sync"

    async def look() -> Found | None:
        return next(filter(fits, await listed(app, asked.flow, asked.environment, 5)), None)

    return await until(look)


def group_of(app: App, place: Environment) -> Group:
    """The verbs of an environment's resource group."""
    return app.estate.tenants[place.tenant].client.group(place.resource_group)


async def _described(app: App, place: Environment, runs: Sequence[Execution]) -> list[Found]:
    names = {c.id: c.name for c in (await app.reader.lists.configurations(place)).all}
    schedules = (await app.reader.lists.schedules(place)).by_id
    plain = [e.id for e in runs if not e.schedule and e.configuration in names]
    tagged = await group_of(app, place).metrics.get(plain) if plain else ()
    ours = {m.execution for m in tagged if m.tags.get(OWNER_TAG) == app.estate.owner}

    def whose(execution: Execution) -> str:
        if execution.schedule in schedules:
            return "schedule"
        return "aicore-sync" if execution.id in ours else "foreign"

    return [Found(place, e, names.get(e.configuration, ""), whose(e)) for e in runs]
