"""The only writer. One match statement performs actions; ownership and the lock are checked at the point of writing.

Directly before each POST the object is looked for with a fresh, filtered GET, and no POST is ever sent twice blindly:
an ambiguous answer is remembered as a write, so that the next pass waits until lists would show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import structlog

from aicore_sync.aicore import (
    ArtifactFilter,
    ConfigurationFilter,
    Group,
)
from aicore_sync.controller.deployments import DeploymentWriter
from aicore_sync.controller.estate import Branch, Estate, Tenant
from aicore_sync.controller.executions import ExecutionWriter
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.posts import Posts
from aicore_sync.controller.resources import ResourceWriter
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.controller.starts import StartWriter
from aicore_sync.core.actions import (
    Action,
    CreateArtifact,
    CreateConfiguration,
    CreateGroup,
    CreateSchedule,
    DeleteDeployment,
    DeleteExecutions,
    DeleteSchedule,
    LabelGroup,
    PatchSchedule,
    PauseForeign,
    Plan,
    Publish,
    Refresh,
    Register,
    Remember,
    Retract,
    StartDeployment,
    StartExecution,
    StopDeployment,
    StopExecution,
    TagExecution,
    UpdateDeployment,
    Withdraw,
    WriteSecret,
)
from aicore_sync.core.desired import Template
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.model import FlowKey, Key, TemplateKey, TenantKey
from aicore_sync.core.plan.flows import LABEL
from aicore_sync.core.plan.registration import name_taken, normal_url
from aicore_sync.core.plan.templates import REFRESH_AGAIN
from aicore_sync.core.removed import noted_removal
from aicore_sync.core.report import Outcome
from aicore_sync.core.template import owner_of
from aicore_sync.core.wording import describe
from aicore_sync.core.world import Artifact, Configuration, Repository, Schedule
from aicore_sync.git import Change

log = structlog.get_logger()


class Applier:
    """Performs plans against the estate."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots
        self._registering = asyncio.Lock()
        self._posts = Posts(estate, memory)
        self._executions = ExecutionWriter(estate, memory, snapshots, self._posts)
        self._starts = StartWriter(estate, memory, snapshots, self._posts)
        self._resources = ResourceWriter(estate, memory, snapshots)
        self._deployments = DeploymentWriter(estate, memory, snapshots, self._posts)
        self.watch: Callable[[str], None] = lambda tenant: None
        self.lost: Callable[[str], None] = lambda digest: None  # a render has to be made anew

    async def apply(self, key: Key, plan: Plan) -> tuple[Outcome, ...]:
        """Do what the plan says, in order. A failed action ends the list when later ones may rely on it."""
        outcomes: list[Outcome] = []
        for action in plan.actions:
            outcome = await self._guarded(key, action)
            outcomes.append(outcome)
            if outcome.error and isinstance(action, Remember):
                break
        return tuple(outcomes)

    async def _guarded(self, key: Key, action: Action) -> Outcome:
        try:
            self._branch_of(key).lock.ensure_held(self._estate.timings.lock_margin)
            await self._perform(action, key)
        except SyncError as error:
            log.warning("action_failed", stage=action.stage, action=describe(action), reason=error.reason)
            return Outcome(action, error)
        log.info("applied", stage=action.stage, action=describe(action))
        return Outcome(action)

    def _branch_of(self, key: Key) -> Branch:
        match key:
            case TemplateKey(tenant=tenant) | TenantKey(tenant=tenant):
                return self._estate.tenants[tenant].branch
            case FlowKey(environment=environment):
                return self._estate.tenant_of(environment).branch

    async def _perform(self, action: Action, key: Key) -> None:
        match action:
            case Publish():
                await self._publish(action)
            case Retract():
                self._submit(self._estate.tenants[action.tenant], action.executable, action.file, None)
            case Withdraw():
                self._withdraw(action)
            case Remember():
                await self._remember(action, self._branch_of(key))
            case Register():
                await self._register(self._estate.tenants[action.tenant], action.what)
            case Refresh():
                await self._refresh(self._estate.tenants[action.tenant])
            case CreateArtifact():
                await self._create_artifact(action)
            case CreateConfiguration():
                await self._create_configuration(action)
            case CreateSchedule():
                await self._create_schedule(action)
            case PatchSchedule():
                await self._patch_schedule(action)
            case PauseForeign():
                await self._pause_foreign(action)
            case DeleteSchedule():
                await self._delete_schedule(action)
            case StartExecution():
                await self._starts.start(action)
            case TagExecution():
                await self._starts.tag(action)
            case StopExecution():
                await self._executions.stop(action)
            case DeleteExecutions():
                await self._executions.delete(action)
            case StartDeployment() | UpdateDeployment() | StopDeployment() | DeleteDeployment():
                await self._deployments.perform(action)
            case CreateGroup() | LabelGroup():
                await self._resources.group(action)
            case WriteSecret():
                await self._resources.secret(action)

    # --- git and the application ---

    async def _publish(self, action: Publish) -> None:
        tenant, template = self._estate.tenants[action.tenant], action.template
        if template.uploads and tenant.store is None:
            raise Stalled(
                f"tenant {tenant.name} has no datastore to put the code package in; set tenants[].datastore",
                reason="DatastoreMissing",
            )
        for upload in template.uploads:
            assert tenant.store is not None
            try:
                await tenant.store.ensure(upload)
            except Transient as error:
                if error.reason in ("UploadMissing", "UploadCorrupt"):
                    self.lost(template.facts.input_digest)
                raise
        if action.replaces:
            self._submit(tenant, template.facts.executable, action.replaces, None)
        self._submit(tenant, template.facts.executable, template.file, template, action.adopt)

    def _submit(
        self, tenant: Tenant, executable: str, file: str, template: Template | None, adopt: bool = False
    ) -> None:
        owners = {self._estate.owner, ""} if adopt else {self._estate.owner}
        trailers = [("Aicore-Sync-Flow", executable), ("Aicore-Sync-Owner", self._estate.owner)]
        if template and template.source:
            trailers.append(("Aicore-Sync-Source", template.source))
        change = Change(
            key=TemplateKey(tenant.name, executable),
            directory=tenant.path,
            name=file,
            content=template.data if template else None,
            may_replace=lambda there: owner_of(there) in owners,
            title=(template.note if template else "") or executable,
            trailers=tuple(trailers),
        )
        self._hand_over(tenant, change, template.facts.template_digest if template else "")

    def _withdraw(self, action: Withdraw) -> None:
        """Proposing what is published proposes nothing; where it is another file by now, neither."""
        tenant, key = self._estate.tenants[action.tenant], TemplateKey(action.tenant, action.executable)
        nothing = Change(key, tenant.path, action.file, action.data, lambda there: False, action.executable)
        self._hand_over(tenant, nothing, "")

    def _hand_over(self, tenant: Tenant, change: Change, digest: str) -> None:
        assert isinstance(change.key, TemplateKey)
        self._memory.submitted[change.key] = digest
        tenant.branch.committer.submit(change)

    async def _remember(self, action: Remember, branch: Branch) -> None:
        snapshot = await branch.state.write({action.path: action.data}, action.message)
        self._snapshots.put(("state", branch.home.name), snapshot)

    async def note_removal(self, key: FlowKey, names: frozenset[str]) -> None:
        """Keep for the next process what was taken away of a flow; a note that cannot be written stops nothing."""
        branch, now = self._branch_of(key), self._estate.clock()
        words = f"{key} lost {', '.join(sorted(names))}"
        try:
            snapshot = await branch.state.update(lambda files: noted_removal(files, key, names, now), words)
        except SyncError as error:
            log.warning("removal_not_noted", reason=error.reason, error=error.message)
            return
        self._snapshots.put(("state", branch.home.name), snapshot)

    async def _register(self, tenant: Tenant, what: Literal["repository", "application"]) -> None:
        async with self._registering:  # several keys find the same gap at once
            await self._register_once(tenant, what)
        self._snapshots.drop(("registration", tenant.name))

    async def _register_once(self, tenant: Tenant, what: Literal["repository", "application"]) -> None:
        if what == "application":
            if any(a.name == tenant.application for a in await tenant.client.applications.list()):
                return
            await tenant.client.applications.create(tenant.wanted_application)
        else:
            url = tenant.wanted_application.repository_url
            listed = await tenant.client.repositories.list()
            if any(normal_url(r.url) == normal_url(url) for r in listed):
                return
            repository = Repository(tenant.branch.name, url)
            taken = next((r for r in listed if r.name == repository.name), None)
            if taken:
                raise Stalled(name_taken(repository, taken), reason="RepositoryNameTaken")
            await tenant.client.repositories.create(repository, tenant.git_login())
            await self._resources.registered(tenant)
        log.info("registered", tenant=tenant.name, what=what)

    async def _refresh(self, tenant: Tenant) -> None:
        asked, pushed = self._memory.refreshed_at.get(tenant.name), self._memory.pushed_at.get(tenant.name)
        if asked and pushed and asked > pushed and self._estate.clock() - asked < REFRESH_AGAIN:
            return  # every template of a commit asks; once is enough
        self._memory.refreshed_at[tenant.name] = self._estate.clock()
        self.watch(tenant.name)
        await tenant.client.applications.refresh(tenant.application)

    # --- one resource group ---

    def _group(self, environment: str) -> Group:
        place = self._estate.environment(environment)
        return self._estate.tenants[place.tenant].client.group(place.resource_group)

    async def _create_artifact(self, action: CreateArtifact) -> None:
        group, wanted = self._group(action.key.environment), action.artifact
        identity = {
            LABEL + "owner": self._estate.owner,
            LABEL + "key": f"{action.key.flow}.{wanted.name}",
            LABEL + "hash": wanted.hash,
        }
        if not await group.artifacts.list(ArtifactFilter(labels=identity)):
            self._posts.once_per_settle(
                action.key.environment, f"artifact {action.key.flow}.{wanted.name} {wanted.hash}"
            )
            labels = {**dict(wanted.labels), **identity}
            artifact = Artifact(
                "", wanted.name, wanted.kind, wanted.url, action.scenario, wanted.description, labels
            )
            note = f"artifact {action.key.flow}.{wanted.name} {wanted.hash}"
            await self._posts.certain(group.artifacts.create(artifact), action.key.environment, note)
        self._changed("artifacts", action.key.environment)

    async def _create_configuration(self, action: CreateConfiguration) -> None:
        group = self._group(action.key.environment)
        there = await group.configurations.list(
            ConfigurationFilter(search=action.name[:80], scenario=action.scenario)
        )
        content = (action.executable, dict(action.parameters), dict(action.inputs))
        named = [c for c in there if c.name == action.name]
        if not any((c.executable, dict(c.parameters), dict(c.inputs)) == content for c in named):
            if named:
                raise _same_name(named[0])
            self._posts.once_per_settle(action.key.environment, action.name)
            executable, parameters, inputs = content
            configuration = Configuration("", action.name, executable, action.scenario, parameters, inputs)
            sent = group.configurations.create(configuration)
            await self._posts.certain(sent, action.key.environment, action.name)
        self._changed("configurations", action.key.environment)

    async def _create_schedule(self, action: CreateSchedule) -> None:
        group = self._group(action.key.environment)
        if not any(s.name == action.name for s in await group.schedules.list()):
            self._posts.require_settled(action.key)
            self._posts.once_per_settle(action.key.environment, action.name)
            schedule = Schedule(
                "", action.name, action.cron, action.configuration, start=action.start, end=action.end
            )
            await self._posts.certain(group.schedules.create(schedule), action.key.environment, action.name)
        self._changed("schedules", action.key.environment)

    async def _patch_schedule(self, action: PatchSchedule) -> None:
        group = self._group(action.environment)
        self._require_ours(schedule := await group.schedules.get(action.id))
        self._changed("schedules", action.environment)  # the list was old where it is done already
        self._posts.require_news(schedule, action)
        self._posts.require_lock(action.environment)
        await group.schedules.patch(action.id, dict(action.changes))
        self._memory.patched(action.id, action.changes, self._estate.clock())  # a refused one reverts nothing
        self._changed("schedules", action.environment)

    async def _pause_foreign(self, action: PauseForeign) -> None:
        """Not ours, but the manifest names it; nothing but its status is touched."""
        group = self._group(action.key.environment)
        schedule = await group.schedules.get(action.id)
        runs = (await group.configurations.get(schedule.configuration)).executable
        if runs != action.executable:
            words = f"schedule {action.id} runs {runs}, not {action.executable}; correct `adopt.schedules`"
            raise Stalled(words, reason="Contested")
        self._posts.require_lock(action.key.environment)
        await group.schedules.patch(action.id, {"status": "INACTIVE"})
        self._changed("schedules", action.key.environment)

    async def _delete_schedule(self, action: DeleteSchedule) -> None:
        group = self._group(action.environment)
        schedule = await group.schedules.get(action.id)
        self._require_ours(schedule)
        self._posts.require_lock(action.environment)
        if schedule.status == "ACTIVE":
            await group.schedules.patch(action.id, {"status": "INACTIVE"})
        await group.schedules.delete(action.id)
        self._changed("schedules", action.environment)

    def _require_ours(self, schedule: Schedule) -> None:
        if not schedule.name.startswith(f"{self._estate.owner}."):
            raise Stalled(f"schedule {schedule.name} is not ours and is left alone", reason="Contested")

    def _changed(self, kind: str, environment: str) -> None:
        self._snapshots.drop((kind, environment))


def _same_name(there: Configuration) -> Stalled:
    return Stalled(
        f"configuration {there.id} is called {there.name} and holds other values than this name stands for: somebody "
        "else made it, and AI Core deletes none; give the configuration another name in the manifest",
        reason="Contested",
    )
