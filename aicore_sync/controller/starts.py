"""Starts executions, and marks those that we started: announced, sent once, tagged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import structlog

from aicore_sync.aicore import ExecutionFilter, ExecutionMetrics, Group
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.executions import OWNER_TAG
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.posts import Posts
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import StartExecution, TagExecution
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.starts import SKEW, Start, stale_starts, start_path
from aicore_sync.core.world import Execution

log = structlog.get_logger()


class StartWriter:
    """Performs what begins a run. Its files on the state branch: `core.starts`."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots, posts: Posts) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots
        self._posts = posts

    async def start(self, action: StartExecution) -> None:
        """Start a run unless there is one that was not known; announced before it is sent."""
        environment, now = action.key.environment, self._estate.clock()
        group = self._group(environment)
        there = await self._runs(group, action)
        if any(execution.id not in action.known for execution in there):
            self._somebody_was_faster(action)
            return
        self._posts.require_settled(action.key)
        self._posts.once_per_settle(environment, action.configuration)
        start = Start(action.configuration, now, self._tags(action), _young(there, now))
        path = start_path(action.key, action.name)
        try:
            await self._announce(action, start, path)
            again = await self._runs(group, action)
            self._posts.require_lock(environment)  # the announcement may have taken long
        except SyncError:
            self._memory.writes.pop((environment, action.configuration), None)  # nothing was sent
            self._memory.spent.add(path)
            raise
        if {e.id for e in again} - {e.id for e in there}:
            self._memory.spent.add(path)
            self._somebody_was_faster(action)
            return
        await self._send(group, action, start, path)

    async def _send(self, group: Group, action: StartExecution, start: Start, path: str) -> None:
        environment = action.key.environment
        self._memory.starts_made[action.key] = start.at
        sent = group.executions.create(action.configuration)
        try:
            execution = await self._posts.certain(sent, environment, action.configuration)
        except SyncError as error:
            if not (isinstance(error, Transient) and error.ambiguous):
                self._memory.spent.add(path)
            raise
        self._memory.started[execution] = start.at
        self._changed("executions", environment)
        try:
            await group.metrics.patch(ExecutionMetrics(execution, tags=dict(start.tags)))
            self._memory.spent.add(path)
        except SyncError as error:  # the next pass finds it untagged and tries again
            self._memory.untagged.add(execution)
            log.warning("execution_not_tagged", execution=execution, reason=error.reason)

    async def tag(self, action: TagExecution) -> None:
        """Tag a run that we started and whose tag is missing, after one more look at whose it is."""
        environment = action.key.environment
        group = self._group(environment)
        owner = next((m.tags.get(OWNER_TAG, "") for m in await group.metrics.get((action.id,))), "")
        if not owner:
            self._posts.require_lock(environment)
            await group.metrics.patch(ExecutionMetrics(action.id, tags=dict(action.tags)))
        if owner in ("", self._estate.owner):
            self._memory.started[action.id] = self._estate.clock()
            self._memory.untagged.discard(action.id)
        self._memory.spent.add(action.announced)
        self._changed("owners", environment)

    async def _announce(self, action: StartExecution, start: Start, path: str) -> None:
        """One commit, with which files that nobody needs any more go."""
        memory, home = self._memory, self._estate.tenant_of(action.key.environment).branch.home
        memory.spent.discard(path)
        gone: set[str] = set()

        def decide(files: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            nonlocal gone
            gone = memory.spent & files.keys() | stale_starts(files, start.at)
            return {**dict.fromkeys(gone), path: start.encoded()}

        snapshot = await home.state.update(decide, f"start {action.name}")
        memory.spent -= gone  # those of other repositories stay noted
        self._snapshots.put(("state", home.name), snapshot)

    def _tags(self, action: StartExecution) -> dict[str, str]:
        """The only writable mark on an execution."""
        values = {OWNER_TAG: self._estate.owner, "aicore-sync.run": action.run_digest[:12]}
        values["aicore-sync.source"] = action.source
        return {name: value for name, value in values.items() if value}

    async def _runs(self, group: Group, action: StartExecution) -> tuple[Execution, ...]:
        return await group.executions.list(ExecutionFilter(configuration=action.configuration))

    def _somebody_was_faster(self, action: StartExecution) -> None:
        environment = action.key.environment
        self._memory.wrote(
            environment, action.configuration, self._estate.clock()
        )  # until the shared list shows it too
        self._changed("executions", environment)

    def _group(self, environment: str) -> Group:
        place = self._estate.environment(environment)
        return self._estate.tenants[place.tenant].client.group(place.resource_group)

    def _changed(self, kind: str, environment: str) -> None:
        self._snapshots.drop((kind, environment))


def _young(runs: tuple[Execution, ...], now: datetime) -> tuple[str, ...]:
    """Those that could be taken for one that starts now."""
    return tuple(
        e.id for e in runs if not e.schedule and (e.created_at is None or now - e.created_at <= SKEW)
    )
