"""/lm/executionSchedules: everything but the name can be patched; two with one name are two."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from aicore_sync.sandbox import bodies
from aicore_sync.sandbox.api.scope import AGroup, AWorld, ListedGroup, Slice, number, page
from aicore_sync.sandbox.errors import Refusal, missing
from aicore_sync.sandbox.model import Group, Schedule, Wire
from aicore_sync.sandbox.ticker import check_cron
from aicore_sync.sandbox.world import World

router = APIRouter(prefix="/lm/executionSchedules")


class ScheduleQuery(Wire):
    configuration_id: str = ""
    status: Literal["ACTIVE", "INACTIVE"] | None = None

    def found(self, group: Group) -> list[Schedule]:
        return [
            one
            for one in group.schedules.values()
            if self.configuration_id in {"", one.configuration_id} and self.status in {None, one.status}
        ]


class ScheduleList(ScheduleQuery, Slice):
    pass


def _find(group: Group, name: str) -> Schedule:
    if name not in group.schedules:
        raise missing("Execution Schedule", name)
    return group.schedules[name]


def _check(world: World, group: Group, body: bodies.NewSchedule | bodies.ScheduleChange) -> None:
    if body.cron and (problem := check_cron(body.cron, world.clock.now())):
        raise Refusal(400, f"Invalid Request, {problem}")
    if body.configuration_id and body.configuration_id not in group.configurations:
        raise Refusal(400, f"Invalid Request, configuration {body.configuration_id} is not found")


def _check_window(schedule: Schedule, world: World) -> None:
    if schedule.end is not None and schedule.end <= schedule.start:
        raise Refusal(400, "Invalid Request, end must be after start")
    if schedule.status == "ACTIVE" and schedule.end is not None and schedule.end <= world.clock.now():
        raise Refusal(400, "Invalid Request, end lies in the past, the schedule cannot be active")


@router.post("", status_code=202)
async def create(body: bodies.NewSchedule, world: AWorld, group: AGroup) -> dict[str, Any]:
    if not body.cron:
        raise Refusal(400, "Invalid Request, cron must not be empty")
    _check(world, group, body)
    now = world.clock.now()
    schedule = Schedule(
        id=world.uid(),
        name=body.name,
        cron=body.cron,
        configuration_id=body.configuration_id,
        start=body.start or now,
        end=body.end,
        created_at=now,
        modified_at=now,
    )
    _check_window(schedule, world)
    group.schedules[schedule.id] = schedule
    world.touch()
    return {"id": schedule.id, "message": "Execution Schedule created"}


@router.get("")
async def schedules(query: Annotated[ScheduleList, Query()], group: ListedGroup) -> dict[str, Any]:
    return page([one.wire() for one in query.of(query.found(group))])


@router.get("/$count")
async def count(query: Annotated[ScheduleQuery, Query()], group: ListedGroup) -> PlainTextResponse:
    return number(query.found(group))


@router.get("/{schedule_id}")
async def schedule(schedule_id: str, group: AGroup) -> dict[str, Any]:
    return _find(group, schedule_id).wire()


@router.patch("/{schedule_id}", status_code=202)
async def change(
    schedule_id: str, body: bodies.ScheduleChange, world: AWorld, group: AGroup
) -> dict[str, Any]:
    held = _find(group, schedule_id)
    _check(world, group, body)
    fields = {key: value for key, value in body.model_dump(exclude_unset=True).items() if value}
    changed = held.model_copy(update={**fields, "modified_at": world.clock.now()})
    _check_window(changed, world)
    group.schedules[schedule_id] = changed
    world.touch()
    return {"id": schedule_id, "message": "Execution Schedule modified"}


@router.delete("/{schedule_id}", status_code=202)
async def delete(schedule_id: str, world: AWorld, group: AGroup) -> dict[str, Any]:
    _find(group, schedule_id)
    del group.schedules[schedule_id]
    world.touch()
    return {"id": schedule_id, "message": "Execution Schedule deleted"}
