"""Verbs on what runs in a resource group: executions, their schedules, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aicore_sync.aicore.calls import MERGE_PATCH, Call, csv, get_object
from aicore_sync.aicore.errors import NotFound, Refusal, refusal_error, words_of
from aicore_sync.aicore.group import Place, executable_filters, given, in_portions
from aicore_sync.aicore.pages import Listing, count, list_all, list_whole
from aicore_sync.aicore.values import Changed, ExecutionMetrics
from aicore_sync.aicore.wire import lifecycle
from aicore_sync.aicore.wire.basics import Unreadable, read_id, read_nothing, read_object, write_time
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.world import Execution, Schedule

Target = Literal["STOPPED", "DELETED"]

_BULK = 100
_METRICS_PER_REQUEST = 10
_FIELDS = {
    "configuration": "configurationId",
    "cron": "cron",
    "start": "start",
    "end": "end",
    "status": "status",
}


@dataclass(frozen=True)
class ExecutionFilter:
    """An empty field does not filter."""

    configuration: str = ""
    schedule: str = ""
    scenario: str = ""
    status: str = ""
    executables: tuple[str, ...] = ()


class Executions:
    """`/lm/executions`. Executions marked for deletion may be listed for a while, with target status DELETED."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def list(self, where: ExecutionFilter | None = None) -> tuple[Execution, ...]:
        found: dict[str, Execution] = {}
        for listing in self._listings(where):
            for execution in await list_all(self._at.sender, listing, self._at.top):
                found.setdefault(execution.id, execution)
        return tuple(found.values())

    async def count(self, where: ExecutionFilter | None = None) -> int:
        return sum([await count(self._at.sender, listing) for listing in self._listings(where)])

    async def get(self, execution: str) -> Execution:
        """One execution. Raises NotFound, for a moment even for one that was just started."""
        return await self._at.sender.send(self._call("GET", execution, get_object(lifecycle.read_execution)))

    async def details(self, execution: str) -> Mapping[str, Any]:
        """`statusDetails` as AI Core gives them: free-form, per container and step; {} when there are none."""
        return await self._at.sender.send(self._call("GET", execution, lifecycle.read_details))

    async def create(self, configuration: str) -> str:
        """Start a run of a configuration and return its id. Every call starts another run, which costs money."""
        body = {"configurationId": configuration}
        return await self._at.sender.send(
            Call("POST", "/lm/executions", read_id, group=self._at.group, body=body)
        )

    async def stop(self, execution: str) -> None:
        """Stop a PENDING or RUNNING execution. Raises PreconditionFailed in any other state."""
        await self._at.sender.send(self._call("PATCH", execution, read_nothing, {"targetStatus": "STOPPED"}))

    async def delete(self, execution: str) -> None:
        """Mark an ended execution for deletion. Raises PreconditionFailed while it runs."""
        await self._at.sender.send(self._call("DELETE", execution, read_nothing))

    async def change_many(self, executions: Sequence[str], target: Target) -> tuple[Changed, ...]:
        """Stop or delete many; each one's result is in the answer, in the order asked for.

        Only where `Meta.bulk_executions` is True. A request that fails as a whole is the error of its items.
        """
        changed: list[Changed] = []
        for portion in in_portions(tuple(executions), _BULK):
            if portion:
                changed += await self._change(portion, target)
        return tuple(changed)

    async def _change(self, ids: tuple[str, ...], target: str) -> Sequence[Changed]:
        body = {"executions": [{"id": execution, "targetStatus": target} for execution in ids]}
        call = Call(
            "PATCH", "/lm/executions", _bulk_answer, group=self._at.group, body=body, content_type=MERGE_PATCH
        )
        try:
            answered = await self._at.sender.send(call)
        except SyncError as error:
            return [Changed(execution, error) for execution in ids]
        silent = Transient("AI Core did not say what became of it", reason="BadAnswer", ambiguous=True)
        return [Changed(execution, answered.get(execution, silent)) for execution in ids]

    def _listings(self, where: ExecutionFilter | None) -> Sequence[Listing[Execution]]:
        where = where or ExecutionFilter()
        fixed = {
            "configurationId": where.configuration,
            "executionScheduleId": where.schedule,
            "scenarioId": where.scenario,
            "status": where.status,
        }
        reads, group = lifecycle.read_execution, self._at.group
        return [
            Listing("/lm/executions", reads, lambda e: e.id, group=group, query=given(fixed | executables))
            for executables in executable_filters(where.executables)
        ]

    def _call(self, method: str, execution: str, reads: Any, body: Any = None) -> Call[Any]:
        return Call(
            method, "/lm/executions/{id}", reads, group=self._at.group, path={"id": execution}, body=body
        )


class Schedules:
    """`/lm/executionSchedules`. Everything but the name can be patched; there is no search."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def list(self, configuration: str = "", status: str = "") -> tuple[Schedule, ...]:
        """Schedules, of one configuration or one status (ACTIVE, INACTIVE) where given."""
        query = given({"configurationId": configuration, "status": status})
        route = "/lm/executionSchedules"
        listing = Listing(route, lifecycle.read_schedule, lambda s: s.id, group=self._at.group, query=query)
        return await list_all(self._at.sender, listing, self._at.top)

    async def get(self, schedule: str) -> Schedule:
        return await self._at.sender.send(self._call("GET", schedule, get_object(lifecycle.read_schedule)))

    async def create(self, schedule: Schedule) -> str:
        """Create a schedule, active at once, and return its id; the value's own id, status and time are ignored."""
        body = schedule_body({"configuration": schedule.configuration, "cron": schedule.cron})
        body |= schedule_body({k: t for k, t in (("start", schedule.start), ("end", schedule.end)) if t})
        body["name"] = schedule.name
        route = "/lm/executionSchedules"
        return await self._at.sender.send(Call("POST", route, read_id, group=self._at.group, body=body))

    async def patch(self, schedule: str, changes: Mapping[str, str | datetime]) -> None:
        """Change some of configuration, cron, start, end, status; the rest stays as it is."""
        await self._at.sender.send(self._call("PATCH", schedule, read_nothing, schedule_body(changes)))

    async def delete(self, schedule: str) -> None:
        """Delete a schedule; executions that it started stay."""
        await self._at.sender.send(self._call("DELETE", schedule, read_nothing))

    def _call(self, method: str, schedule: str, reads: Any, body: Any = None) -> Call[Any]:
        route = "/lm/executionSchedules/{id}"
        return Call(method, route, reads, group=self._at.group, path={"id": schedule}, body=body)


class Metrics:
    """`/lm/metrics`: metrics, tags and custom info of executions."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def get(self, executions: Sequence[str]) -> tuple[ExecutionMetrics, ...]:
        """What is known about these executions; one without metrics is absent from the answer."""
        found: dict[str, ExecutionMetrics] = {}
        for portion in in_portions(tuple(executions), _METRICS_PER_REQUEST):
            if not portion:
                continue
            listing = Listing(
                "/lm/metrics",
                lifecycle.read_metrics,
                lambda m: m.execution,
                group=self._at.group,
                query={"executionIds": csv(portion)},
            )
            try:
                listed = await list_whole(self._at.sender, listing)
            except NotFound:
                continue
            found |= {metrics.execution: metrics for metrics in listed}
        return tuple(found.values())

    async def patch(self, values: ExecutionMetrics) -> None:
        """Create or update; empty parts are not sent. Whether AI Core appends or replaces is not documented."""
        call = Call(
            "PATCH",
            "/lm/metrics",
            read_nothing,
            group=self._at.group,
            body=lifecycle.write_metrics(values),
            content_type=MERGE_PATCH,
        )
        await self._at.sender.send(call)


def schedule_body(changes: Mapping[str, str | datetime]) -> dict[str, Any]:
    """Field names of `core.world.Schedule` to the API's; times in UTC without fractions."""
    return {
        _FIELDS[name]: write_time(value) if isinstance(value, datetime) else value
        for name, value in changes.items()
    }


def _bulk_answer(value: object) -> dict[str, SyncError | None]:
    """Per id: None when accepted, else the error. A 202 may hold both."""
    items = read_object(value).get("executions")
    if not isinstance(items, list):
        raise Unreadable("expected a list under `executions`")
    entries = [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
    return {item["id"]: _bulk_error(item) for item in entries}


def _bulk_error(item: Mapping[str, Any]) -> SyncError | None:
    """An item's own error; the precondition (wrong state) is the one that a bulk change can meet."""
    error = item.get("error")
    if not error:
        return None
    words = words_of(error if isinstance(error, dict) else {"message": str(error)})
    status = int(words.code) if words.code in ("400", "404", "409", "412") else 412
    return refusal_error(Refusal(f"PATCH /lm/executions for {item['id']}", False, status, words))
