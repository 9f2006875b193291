"""The life of executions: UNKNOWN, PENDING, RUNNING, then COMPLETED, DEAD or STOPPED. One task per execution."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from aicore_sync.sandbox import launch
from aicore_sync.sandbox.logs import Logs
from aicore_sync.sandbox.model import (
    Artifact,
    Configuration,
    Executable,
    Execution,
    Group,
    Metrics,
    Slot,
    Tenant,
)
from aicore_sync.sandbox.outcomes import Outcomes, Rule
from aicore_sync.sandbox.workflow import NodeState, RunResult, run_workflow
from aicore_sync.sandbox.world import World

log = structlog.get_logger()
LINGER = timedelta(seconds=2)  # how long a deleted execution can still be read
SLOTS = max(4, 2 * (os.cpu_count() or 1))
STOPPABLE = ("PENDING", "RUNNING")
DELETABLE = ("UNKNOWN", "COMPLETED", "STOPPED", "DEAD")
INTERRUPTED = "the sandbox ended while this execution ran"


@dataclass
class Recorder:
    """Hears what the workflow executor says while it runs."""

    logs: Logs
    execution: str
    nodes: dict[str, NodeState] = field(default_factory=dict)

    def log(self, *, pod: str, container: str, stream: str, line: str) -> None:
        self.logs.add(self.execution, pod, container, stream, line)

    def node(self, node: NodeState) -> None:
        self.nodes[node.id] = node

    def details(self) -> dict[str, Any]:
        """`statusDetails` so far."""
        return launch.details(
            [_node(node) for node in self.nodes.values()],
            [self._pod(node) for node in self.nodes.values() if node.type == "Pod"],
        )

    def _pod(self, node: NodeState) -> dict[str, Any]:
        return {
            "podName": node.id,
            "containerName": "main",
            "exitCode": node.exit_code,
            "message": node.message,
            "ready": node.phase == "Running",
            "lastLogMessages": self.logs.tail(self.execution, node.id),
        }


def _node(node: NodeState) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "type": node.type,
        "phase": node.phase,
        "exitCode": node.exit_code,
        "message": node.message,
    }


class Runner:
    """Starts, stops and forgets executions."""

    def __init__(self, world: World, logs: Logs) -> None:
        self.world = world
        self.logs = logs
        self.outcomes = Outcomes()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(SLOTS)

    def start(
        self, tenant: Tenant, group: Group, configuration: Configuration, schedule: str | None = None
    ) -> Execution:
        """Create an execution and let it go. The caller has checked that its executable exists."""
        now = self.world.clock.now()
        run = Execution(
            id=self.world.short_id(),
            configuration_id=configuration.id,
            configuration_name=configuration.name,
            executable_id=configuration.executable_id,
            scenario_id=configuration.scenario_id,
            execution_schedule_id=schedule,
            created_at=now,
            modified_at=now,
        )
        group.executions[run.id] = run
        self.world.touch()
        self._go(tenant, group, run)
        return run

    def _go(self, tenant: Tenant, group: Group, run: Execution) -> None:
        task = asyncio.create_task(self._drive(tenant, group, run))
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.id, None))

    def resume(self) -> None:
        """After a start with old state: go on with what had not begun, end what was interrupted."""
        for tenant in self.world.state.tenants.values():
            for group in tenant.groups.values():
                for run in group.executions.values():
                    if run.status in {"UNKNOWN", "PENDING"} and run.deleted_at is None:
                        self._go(tenant, group, run)
                    elif run.status == "RUNNING":
                        self._finish(run, "DEAD", INTERRUPTED)
                    elif run.status == "STOPPING":
                        self._finish(run, "STOPPED")

    def stop(self, run: Execution) -> None:
        """Stop a PENDING or RUNNING execution; its processes are killed."""
        run.target_status = "STOPPED"
        self._become(run, "STOPPING")
        if task := self._tasks.get(run.id):
            task.cancel()

    def delete(self, run: Execution) -> None:
        """Mark an execution as deleted; it lingers for a moment."""
        run.target_status = "DELETED"
        run.deleted_at = self.world.clock.now()
        self._become(run, run.status)
        if task := self._tasks.get(run.id):
            task.cancel()

    def sweep(self, group: Group) -> None:
        """Forget executions that were deleted long enough ago."""
        horizon = self.world.clock.now() - LINGER
        for run in [
            r for r in group.executions.values() if r.deleted_at is not None and r.deleted_at < horizon
        ]:
            del group.executions[run.id]

    async def close(self) -> None:
        """Kill everything that runs; what was running is found interrupted by the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _become(self, run: Execution, status: str, message: str | None = None) -> None:
        run.status = status
        run.status_message = message[:256] if message else None
        run.modified_at = self.world.clock.now()
        self.world.touch()

    def _finish(self, run: Execution, status: str, message: str | None = None) -> None:
        run.completion_time = self.world.clock.now()
        self._become(run, status, message)
        log.info("execution_ended", execution=run.id, status=status, message=message)

    async def _drive(self, tenant: Tenant, group: Group, run: Execution) -> None:
        """The whole life of one execution; a stop arrives as cancellation."""
        try:
            executable = tenant.executables.get(run.executable_id)
            configuration = group.configurations[run.configuration_id]
            if executable is None:
                self._finish(run, "DEAD", f"executable {run.executable_id} is not found")
            elif self.world.options.executor == "instant":
                await self._instant(group, run, executable)
            else:
                place = launch.Place(tenant, group, self.world.url, self.world.options.work)
                await self._process(place, run, configuration, executable)
        except asyncio.CancelledError:
            if run.status == "STOPPING":
                self._finish(run, "STOPPED")
            raise
        except launch.CannotLaunch as error:
            self._finish(run, "DEAD", str(error))
        except Exception as error:
            log.exception("execution_failed", execution=run.id)
            self._finish(run, "DEAD", f"the sandbox could not run this workflow: {error!r}")

    async def _instant(self, group: Group, run: Execution, executable: Executable) -> None:
        await asyncio.sleep(0)
        while (rule := self.outcomes.of(run)).outcome in {"UNKNOWN", "PENDING", "RUNNING"}:
            if run.status != rule.outcome:
                if rule.outcome == "RUNNING":
                    self._begin(run)
                self._become(run, rule.outcome)
            await self.world.until(lambda: self.outcomes.of(run) is not rule)
        self._begin(run)
        self._reward(group, run, executable, rule)
        self._finish(run, rule.outcome, rule.message)

    def _begin(self, run: Execution) -> None:
        now = self.world.clock.now()
        run.submission_time = run.submission_time or now
        run.start_time = run.start_time or now

    def _reward(self, group: Group, run: Execution, executable: Executable, rule: Rule) -> None:
        """Metrics always, outputs only for a good end."""
        if items := rule.metric_items():
            record(group, run.id, self.world, {"metrics": items})
        if rule.outcome == "COMPLETED":
            slots = {slot.name: slot for slot in executable.output_artifacts}
            for name in rule.outputs if rule.outputs is not None else slots:
                self._register(group, run, slots.get(name, Slot(name=name, kind="model")), f"{run.id}/{name}")

    async def _process(
        self, place: launch.Place, run: Execution, configuration: Configuration, executable: Executable
    ) -> None:
        if reason := launch.blocked_by(place, executable):
            self._become(run, "UNKNOWN", reason)
            await self.world.until(lambda: not launch.blocked_by(place, executable))
        request = launch.run_request(place, run, configuration, executable)
        run.submission_time = self.world.clock.now()
        self._become(run, "PENDING")
        async with self._slots:
            request.workdir.mkdir(parents=True, exist_ok=True)
            run.start_time = self.world.clock.now()
            self._become(run, "RUNNING")
            recorder = Recorder(self.logs, run.id)
            try:
                result = await run_workflow(request, recorder)
            finally:
                run.status_details = recorder.details()
        self._settle(place.group, run, executable, result)

    def _settle(self, group: Group, run: Execution, executable: Executable, result: RunResult) -> None:
        store = group.object_stores.get("default")
        prefix = store.path_prefix.strip("/") + "/" if store and store.path_prefix.strip("/") else ""
        slots = {slot.name: slot for slot in executable.output_artifacts}
        for output in result.outputs:
            slot = slots.get(output.global_name, Slot(name=output.global_name, kind="model"))
            self._register(group, run, slot, output.key.removeprefix(prefix))
        succeeded = result.phase == "Succeeded"
        self._finish(run, "COMPLETED" if succeeded else "DEAD", None if succeeded else result.message)

    def _register(self, group: Group, run: Execution, slot: Slot, path: str) -> None:
        """An output becomes an artifact of the resource group."""
        now = self.world.clock.now()
        artifact = Artifact(
            id=self.world.uid(),
            name=slot.title or slot.name,
            kind=slot.kind or "model",
            url=f"ai://default/{path}",
            scenario_id=run.scenario_id,
            description=slot.description,
            labels=slot.labels,
            execution_id=run.id,
            configuration_id=run.configuration_id,
            created_at=now,
            modified_at=now,
        )
        group.artifacts[artifact.id] = artifact
        run.output_artifacts.append(artifact)


def record(group: Group, execution: str, world: World, change: dict[str, list[dict[str, Any]]]) -> None:
    """Add metrics; tags and custom information replace what has the same name. Keys are those of the wire."""
    now = world.clock.now()
    held = group.metrics.setdefault(
        execution, Metrics(execution_id=execution, created_at=now, modified_at=now)
    )
    stamp = now.isoformat().replace("+00:00", "Z")
    held.metrics += [{"timestamp": stamp, **item} for item in change.get("metrics", [])]
    held.tags = _upsert(held.tags, change.get("tags", []))
    held.custom_info = _upsert(held.custom_info, change.get("customInfo", []))
    held.modified_at = now
    world.touch()


def _upsert(held: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({item["name"]: item for item in [*held, *new]}.values())
