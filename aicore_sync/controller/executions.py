"""Stops and deletes executions. Whose they are is looked up here once more, directly before each write."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from aicore_sync.aicore import ExecutionFilter, Group, NotFound, PreconditionFailed
from aicore_sync.controller.archive import archive_log, store_log
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.posts import Posts
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import DeleteExecutions, StopExecution
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.plan.origin import ended
from aicore_sync.core.world import Execution

LOGS = "aicore-sync-logs"  # below the root of a datastore
OWNER_TAG = "aicore-sync.owner"
_HOUR = 3600.0

log = structlog.get_logger()


class ExecutionWriter:
    """Performs what concerns executions that are there already."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots, posts: Posts) -> None:
        self._estate = estate
        self._memory = memory
        self._posts = posts
        self._snapshots = snapshots

    async def stop(self, action: StopExecution) -> None:
        """Stop a run of ours; one that has ended meanwhile is left as it is. Raises Stalled for one of others."""
        environment = action.key.environment
        group = self._group(environment)
        execution = await group.executions.get(action.id)
        if not await self._ours(group, (execution,)):
            raise Stalled(
                f"execution {action.id} was not started by aicore-sync for owner {self._estate.owner} "
                "and is left alone; stop it in the Launchpad",
                reason="Contested",
            )
        self._memory.wrote(environment, action.id, self._estate.clock())
        self._snapshots.drop(("executions", environment))
        if execution.status in {"PENDING", "RUNNING"} and execution.target_status != "STOPPED":
            await group.executions.stop(action.id)

    async def delete(self, action: DeleteExecutions) -> None:
        """Delete ended runs, logs saved first where asked. Raises the first error after all have been tried."""
        environment = action.key.environment
        group = self._group(environment)
        listed = await group.executions.list(ExecutionFilter(executables=(action.executable,)))
        chosen = [e for e in listed if e.id in action.ids and ended(e)]
        allowed = await self._deletable(group, chosen, action)
        self._snapshots.drop(("executions", environment))
        errors: list[SyncError] = []
        ready: list[str] = []
        for execution in allowed:
            try:
                await self._save_log(group, execution, action)
                ready.append(execution.id)
            except SyncError as error:
                errors.append(error)
        errors += await self._delete(environment, group, ready)
        if errors:
            raise errors[0]

    async def _save_log(self, group: Group, execution: Execution, action: DeleteExecutions) -> None:
        environment, estate = action.key.environment, self._estate
        name = f"{environment}/{action.key.flow}/{execution.id}.log"
        match action.logs:
            case "directory":
                assert estate.log_archive, "the plan deletes nothing without one"
                await archive_log(group, execution, estate.log_archive / name)
            case "objectStore":
                tenant = estate.tenant_of(environment)
                if tenant.store is None:
                    raise Stalled(
                        f"tenant {tenant.name} has no datastore to save logs in, so no execution is deleted; "
                        "set tenants[].datastore",
                        reason="DatastoreMissing",
                    )
                there = f"{LOGS}/{estate.owner}/{name}"
                await store_log(group, execution, tenant.store, there, estate.log_drafts / name)

    async def _deletable(
        self, group: Group, executions: Iterable[Execution], action: DeleteExecutions
    ) -> list[Execution]:
        """Those that are ours, or with `foreign` all that belong to a configuration of ours."""
        listed = list(executions)
        prefix = f"{self._estate.owner}.{action.key.flow}.{action.name}."
        named = [e for e in listed if (await self._configuration(group, e.configuration)).startswith(prefix)]
        if action.foreign:
            return named
        ours = await self._ours(group, named)
        return [e for e in named if e.id in ours]

    async def _delete(self, environment: str, group: Group, ids: list[str]) -> list[SyncError]:
        """Delete each, many in one request where AI Core can; errors of those that stay."""
        left, errors = ids, []
        if len(ids) > 1 and await self._bulk(environment):
            self._posts.require_lock(environment)  # saving logs may have taken long
            changed = await group.executions.change_many(ids, "DELETED")
            # A wrong state in bulk is tried once more alone: the bulk call takes fewer states.
            left = [c.id for c in changed if isinstance(c.error, PreconditionFailed)]
            other = (NotFound, PreconditionFailed)
            errors += [c.error for c in changed if c.error and not isinstance(c.error, other)]
            failed = {c.id for c in changed if c.error}
            for identity in ids:
                if identity not in failed:
                    self._note(environment, identity)
        for identity in left:
            try:
                self._posts.require_lock(environment)
                await group.executions.delete(identity)
                self._note(environment, identity)
            except NotFound:
                continue
            except SyncError as error:
                errors.append(error)
        return errors

    def _note(self, environment: str, execution: str) -> None:
        self._memory.wrote(environment, execution, self._estate.clock())

    async def _bulk(self, environment: str) -> bool:
        client = self._estate.tenant_of(environment).client
        try:
            meta = await self._snapshots.get(("meta", environment), client.meta, _HOUR)
        except SyncError as error:
            log.warning("meta_unreadable", environment=environment, reason=error.reason)
            return False
        return meta.bulk_executions

    async def _ours(self, group: Group, executions: Iterable[Execution]) -> frozenset[str]:
        """Ids of those that our schedule fired, or that carry our tag and belong to a configuration of ours."""
        listed = list(executions)
        prefix = f"{self._estate.owner}."
        scheduled = {e.schedule for e in listed if e.schedule}
        schedules = {s for s in scheduled if s and await self._schedule_is_ours(group, s)}
        candidates = [
            e.id
            for e in listed
            if not e.schedule and (await self._configuration(group, e.configuration)).startswith(prefix)
        ]
        tagged = await group.metrics.get(candidates) if candidates else ()
        ours = {m.execution for m in tagged if m.tags.get(OWNER_TAG) == self._estate.owner}
        return frozenset(ours | {e.id for e in listed if e.schedule in schedules})

    async def _schedule_is_ours(self, group: Group, schedule: str) -> bool:
        try:
            return (await group.schedules.get(schedule)).name.startswith(f"{self._estate.owner}.")
        except NotFound:
            return False

    async def _configuration(self, group: Group, configuration: str) -> str:
        """A configuration's name; it never changes, so it is asked for once a day."""

        async def fetch() -> str:
            try:
                return (await group.configurations.get(configuration)).name
            except NotFound:
                return ""

        return await self._snapshots.get(("configuration", group.id, configuration), fetch, 24 * _HOUR)

    def _group(self, environment: str) -> Group:
        place = self._estate.environment(environment)
        return self._estate.tenants[place.tenant].client.group(place.resource_group)
