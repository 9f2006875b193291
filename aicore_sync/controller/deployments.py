"""Starts, changes, stops and deletes deployments. Whose they are is looked up once more directly before each write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from aicore_sync.aicore import Group, NotFound, PreconditionFailed
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.posts import Posts
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import DeleteDeployment, StartDeployment, StopDeployment, UpdateDeployment
from aicore_sync.core.deployed import Deployed, deployed_path
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.model import FlowKey
from aicore_sync.core.plan.deployments import note
from aicore_sync.core.world import Deployment

log = structlog.get_logger()

DeploymentAction = StartDeployment | UpdateDeployment | StopDeployment | DeleteDeployment


class DeploymentWriter:
    """Performs what concerns deployments."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots, posts: Posts) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots
        self._posts = posts

    async def perform(self, action: DeploymentAction) -> None:
        """Do it. Raises Stalled (Contested) for a deployment of somebody else's configuration."""
        environment = action.key.environment
        place = self._estate.environment(environment)
        group = self._estate.tenants[place.tenant].client.group(place.resource_group)
        if isinstance(action, StartDeployment):
            await self._start(group, action)
        else:
            await self._change(group, action)
        self._snapshots.drop(("deployments", environment))

    async def _start(self, group: Group, action: StartDeployment) -> None:
        environment, now = action.key.environment, self._estate.clock()
        if await self._faster(group, action):
            return
        self._posts.require_settled(action.key)
        self._posts.once_per_settle(environment, action.configuration)
        try:
            async with self._noted(action, now if action.ttl else None):
                if action.ttl and await self._faster(group, action):  # the note may have taken long
                    return
                self._posts.require_lock(environment)
                self._memory.starts_made[action.key] = now
                sent = group.deployments.create(action.configuration, action.ttl)
                await self._posts.certain(sent, environment, action.configuration)
        except SyncError as error:
            if not _may_have_landed(error):
                self._memory.writes.pop((environment, action.configuration), None)
            raise

    async def _faster(self, group: Group, action: StartDeployment) -> bool:
        """Whether there is one that was not known; it is waited for until the shared list shows it too."""
        there = await group.deployments.list(configuration=action.configuration)
        found = any(deployment.id not in action.known for deployment in there)
        if found:
            self._memory.wrote(action.key.environment, action.configuration, self._estate.clock())
        return found

    @asynccontextmanager
    async def _noted(
        self, action: StartDeployment | UpdateDeployment, began: datetime | None
    ) -> AsyncIterator[None]:
        """What ends by itself is noted first: once AI Core has deleted it, only the note tells that it has run.

        Where nothing was sent, or it was refused, the note is as before: what never ran has not expired.
        """
        if began is None:
            yield
            return
        path = deployed_path(action.key, action.name.split(".")[2])
        note, words = Deployed(action.configuration, began).encoded(), f"{action.key} deploys {action.name}"
        before = await self._write(action.key, path, lambda _: note, words)
        try:
            yield
        except SyncError as error:
            if not _may_have_landed(error):
                await self._take_back(action, path, note, before)
            raise

    async def _take_back(
        self, action: StartDeployment | UpdateDeployment, path: str, note: bytes, before: bytes | None
    ) -> None:
        words = f"{action.key} does not deploy {action.name}"
        try:
            await self._write(action.key, path, lambda there: before if there == note else there, words)
        except SyncError as error:  # the next try writes another
            log.warning("note_not_taken_back", path=path, reason=error.reason)

    async def _write(
        self, key: FlowKey, path: str, chosen: Callable[[bytes | None], bytes | None], words: str
    ) -> bytes | None:
        """Set a file of the state branch to what is `chosen` for what is there; returns what was there."""
        home = self._estate.tenant_of(key.environment).branch.home
        before: bytes | None = None

        def decide(files: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            nonlocal before
            before = files.get(path)
            return {path: chosen(before)}

        self._snapshots.put(("state", home.name), await home.state.update(decide, words))
        return before

    async def _change(
        self, group: Group, action: UpdateDeployment | StopDeployment | DeleteDeployment
    ) -> None:
        deployment = await self._ours(group, action.id)
        if deployment is None:
            return
        self._posts.require_lock(action.key.environment)
        match action:
            case UpdateDeployment():
                self._wrote("update", action)
                async with self._noted(action, action.began):
                    self._posts.require_lock(action.key.environment)  # the note may have taken long
                    await self._update(group, deployment, action)
            case StopDeployment():
                self._wrote("stop", action)
                if deployment.status in {"PENDING", "RUNNING"}:
                    await group.deployments.stop(action.id)
            case DeleteDeployment():
                self._wrote("delete", action)
                await group.deployments.delete(action.id)

    async def _update(self, group: Group, deployment: Deployment, action: UpdateDeployment) -> None:
        """AI Core takes a DEAD one for some days; one that it no longer takes is deleted, and a new one follows."""
        try:
            await group.deployments.update(action.id, action.configuration)
        except PreconditionFailed:
            if deployment.status != "DEAD":
                raise
            await group.deployments.delete(action.id)

    def _wrote(self, verb: str, action: DeploymentAction) -> None:
        assert not isinstance(action, StartDeployment)
        self._memory.wrote(action.key.environment, note(verb, action.id), self._estate.clock())

    async def _ours(self, group: Group, identity: str) -> Deployment | None:
        """The deployment when a configuration of ours is deployed; None when it is gone."""
        try:
            deployment = await group.deployments.get(identity)
            name = (await group.configurations.get(deployment.configuration)).name
        except NotFound:
            return None
        if not name.startswith(f"{self._estate.owner}."):
            words = f"deployment {identity} runs {name}, which is not ours, and is left alone"
            raise Stalled(words, reason="Contested")
        return deployment


def _may_have_landed(error: SyncError) -> bool:
    return isinstance(error, Transient) and error.ambiguous
