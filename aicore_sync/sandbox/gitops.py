"""Keeps the executables of each tenant in line with its repositories, as AI Core's Argo CD does.

Every application is synced once when it appears or changes, on request, and every `sync_interval` seconds.
What a blocked sync leaves behind is the previous state.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from aicore_sync.sandbox.faults import Faults
from aicore_sync.sandbox.fetch import GitFailed, Remote, Tree, fetch
from aicore_sync.sandbox.model import UNKNOWN, Application, Executable, ResourceStatus, Source, Tenant
from aicore_sync.sandbox.templates import Blocked, Found, read_files
from aicore_sync.sandbox.world import World

log = structlog.get_logger()
SUCCESS = "successfully synced (all tasks run)"
PARTIAL = "one or more objects failed to apply"


def normal_url(url: str) -> str:
    """The form in which AI Core compares repositories: case and a trailing slash or `.git` do not count."""
    return url.rstrip("/").lower().removesuffix(".git")


@dataclass(frozen=True)
class Applied:
    """What became of the documents: entries for the status, executables to hold."""

    entries: list[ResourceStatus]
    executables: dict[str, Executable]


class Syncer:
    """One loop for all applications of all tenants; `request` makes one due at once."""

    def __init__(self, world: World, faults: Faults, home: Path) -> None:
        self.world = world
        self.faults = faults
        self.home = home
        self._due: dict[tuple[str, str], datetime] = {}
        self._one = asyncio.Lock()

    def request(self, tenant: Tenant, application: str) -> None:
        """Sync as soon as possible."""
        self._due[tenant.name, application] = self.world.clock.exact()
        self.world.touch()

    async def run(self) -> None:
        """The loop; ends by cancellation."""
        while True:
            now = self.world.clock.exact()
            self._schedule(now)
            for tenant, name in [key for key, due in self._due.items() if due <= now]:
                self._due[tenant, name] = now + timedelta(seconds=self.world.options.sync_interval)
                if tenant in self.world.state.tenants:
                    await self.sync(self.world.state.tenants[tenant], name)
            if all(due > self.world.clock.exact() for due in self._due.values()):
                await self.world.pause(min(self._due.values(), default=None))

    def _schedule(self, now: datetime) -> None:
        """New applications are due now; removed ones are forgotten."""
        names = {
            (tenant.name, name)
            for tenant in self.world.state.tenants.values()
            for name in tenant.applications
        }
        self._due = {key: self._due.get(key, now) for key in sorted(names)}

    async def sync(self, tenant: Tenant, name: str) -> None:
        """One sync of one application, its outcome in its status. Never raises for what a repository holds.

        One at a time: clones are shared between tenants and git locks them.
        """
        async with self._one:
            await self._sync(tenant, name)

    async def _sync(self, tenant: Tenant, name: str) -> None:
        application = tenant.applications.get(name)
        if application is None:
            return
        started = self.world.clock.now()
        tree: Tree | None = None
        try:
            tree = await self._fetch(tenant, application)
            found = self._read(tree)
            if tenant.applications.get(name) is not application:
                return  # changed or deleted while git was fetching; that made it due again
            applied = self._apply(tenant, application, found)
        except Blocked as blocked:
            log.info("sync_blocked", tenant=tenant.name, application=name, message=str(blocked))
            self._note(application, started, tree, str(blocked))
        else:
            tenant.executables = applied.executables
            application.status.sync_resources_status = applied.entries
            failed = [entry for entry in applied.entries if entry.status != "Synced"]
            self._note(application, started, tree, PARTIAL if failed else SUCCESS)
            application.status.sync_status = "OutOfSync" if failed else "Synced"
            log.info(
                "synced", tenant=tenant.name, application=name, revision=tree.revision, failed=len(failed)
            )
        self.world.touch()
        self.world.save()

    def _note(self, application: Application, started: datetime, tree: Tree | None, message: str) -> None:
        status = application.status
        status.health_status = "Healthy"
        status.sync_status = UNKNOWN
        status.message = message
        revision = tree.revision if tree else UNKNOWN
        status.source = Source(repo_url=application.repository_url, path=application.path, revision=revision)
        status.sync_started_at = started.isoformat().replace("+00:00", "Z")
        finished = self.world.clock.now().isoformat().replace("+00:00", "Z")
        status.sync_finished_at = status.reconciled_at = finished

    async def _fetch(self, tenant: Tenant, application: Application) -> Tree:
        """Raises Blocked in the words that AI Core is known to use."""
        self._refuse_twins(tenant, application)
        repository = next(
            (r for r in tenant.repositories.values() if r.url == application.repository_url), None
        )
        if repository is None:
            raise Blocked(f"application repo {application.repository_url} is not permitted in project")
        if not application.path:
            raise Blocked("spec.source.repoURL and spec.source.path either spec.source.chart are required")
        remote = Remote(repository.url, repository.username, repository.password)
        try:
            tree = await fetch(remote, application.revision, application.path, self.home)
        except GitFailed as failed:
            if "couldn't find remote ref" in str(failed) or "not our ref" in str(failed):
                raise Blocked(f"Unable to resolve '{application.revision}' to a commit SHA") from None
            raise Blocked(f"repository not found or not readable: {failed}") from None
        if not tree.exists:
            raise Blocked(f"{application.path}: app path does not exist")
        return tree

    def _refuse_twins(self, tenant: Tenant, application: Application) -> None:
        def source(one: Application) -> tuple[str, str, str]:
            return normal_url(one.repository_url), one.revision, one.path.strip("/")

        for other in tenant.applications.values():
            if other is not application and source(other) == source(application):
                raise Blocked(f"applications {other.application_name} and {application.application_name} "
                              "have the same repository, revision and path")  # fmt: skip

    def _read(self, tree: Tree) -> list[Found]:
        for file, message in self.faults.sync_fail.items():
            if file in tree.files and message.startswith("Failed to unmarshal"):
                raise Blocked(message)
        return read_files(tree.files)

    def _apply(self, tenant: Tenant, application: Application, found: list[Found]) -> Applied:
        """Decide document by document; what is not in `found` is pruned."""
        mine = application.application_name
        held = {k: e for k, e in tenant.executables.items() if e.application != mine}
        entries = []
        for item in found:
            message = self._refusal(tenant, item, found, held)
            before = tenant.executables.get(item.name)
            keep = before if before is not None and before.application == mine else None
            if message or item.executable is None:
                if keep is not None and item.kind == keep.document["kind"]:
                    held[item.name] = keep  # a refused update leaves what was there
                entries.append(
                    ResourceStatus(name=item.name, kind=item.kind, status="SyncFailed", message=message)
                )
                continue
            held[item.name] = self._stamp(item.executable, keep, mine)
            verb = (
                "created"
                if keep is None
                else "unchanged"
                if keep.document == item.executable.document
                else "configured"
            )
            group = "argoproj.io" if item.kind == "WorkflowTemplate" else "ai.sap.com"
            words = f"{item.kind.lower()}.{group}/{item.name} {verb}"
            entries.append(ResourceStatus(name=item.name, kind=item.kind, status="Synced", message=words))
        return Applied(entries, held)

    def _refusal(self, tenant: Tenant, item: Found, found: list[Found], held: dict[str, Executable]) -> str:
        """Why this document cannot be applied, or ""."""
        if item.file in self.faults.sync_fail:
            return self.faults.sync_fail[item.file]
        if item.problem or item.executable is None:
            return item.problem
        twins = [other.file for other in found if other.name == item.name and other is not item]
        owner = held.get(item.name)
        if twins or owner is not None:
            place = f"file {twins[0]}" if twins else f"application {owner.application if owner else ''}"
            return f"{item.name} is not unique in the tenant: {place} holds it too"
        names = {other.name for other in found}
        stay = {**held, **{name: e for name, e in tenant.executables.items() if name in names}}
        used = sum(1 for e in stay.values() if e.deployable == item.executable.deployable)
        quota = "servingTemplates" if item.executable.deployable else "workflowTemplates"
        if item.name not in tenant.executables and used >= self.world.limit(quota):
            return f"quota exceeded: {quota}, maximum {self.world.limit(quota)}"
        return ""

    def _stamp(self, executable: Executable, before: Executable | None, application: str) -> Executable:
        now = self.world.clock.now()
        created = before.created_at if before is not None else now
        return executable.model_copy(
            update={"application": application, "created_at": created, "modified_at": now}
        )
