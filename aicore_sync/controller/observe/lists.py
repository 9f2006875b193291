"""Shared reads: what many keys of a round look at is asked for once, and again when it is too old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aicore_sync.aicore import NotFound
from aicore_sync.controller.estate import Branch, Estate, Home, Tenant
from aicore_sync.controller.observe.executables import KEPT, Executables
from aicore_sync.controller.observe.groups import HOUR, GroupLists
from aicore_sync.controller.recent import Recent
from aicore_sync.controller.reviews import Reviewed
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.desired import PublishedFile, Registration, Review
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.plan.registration import registration
from aicore_sync.core.template import PublishedTemplate, parse_document, read_published, template_digest
from aicore_sync.core.world import (
    ApplicationStatus,
    Executable,
    Quota,
)
from aicore_sync.git import Blob, StateSnapshot


class Lists(GroupLists):
    """What git, tenants and resource groups list, at most as old as asked for."""

    def __init__(self, estate: Estate, snapshots: Snapshots) -> None:
        super().__init__(estate, snapshots)
        self._facts = Recent[str, tuple[PublishedTemplate | None]](lambda: estate.clock().timestamp())
        self._synced: dict[str, frozenset[str]] = {}
        self.executables = Executables(estate, snapshots)

    async def files(self, tenant: Tenant) -> Mapping[str, Blob]:
        """The files in the application's path at the branch head."""
        branch = tenant.branch
        await self._snapshots.get(("head", branch.name), branch.clone.fetch, self.age)
        return await branch.clone.files(tenant.path)

    async def owned(self, tenant: Tenant) -> dict[str, PublishedTemplate]:
        """Our files at the branch head: executable id → facts."""
        found = [self.read(blob) for blob in (await self.files(tenant)).values()]
        return {f.executable: f for f in found if f and f.owner == self._estate.owner}

    async def published(self, tenant: Tenant, executable: str) -> PublishedFile | None:
        """The file that holds this executable, whoever owns it; ours wins when there are two."""
        files = await self.files(tenant)
        named = f"wt-{executable}.{tenant.format}"
        found = []
        for name, blob in files.items():
            facts = self.read(blob)
            if name == named or (facts and facts.executable == executable):
                ours = bool(facts and facts.owner == self._estate.owner)
                found.append(
                    PublishedFile(name, blob.id, tenant.branch.clone.head or "", facts, ours, blob.data)
                )
        return min(found, key=lambda f: (not f.ours, f.file != named, f.file), default=None)

    async def review(self, tenant: Tenant, executable: str, published: PublishedFile | None) -> Review | None:
        """What a request that is open, or was closed for this, proposes for the file of this executable."""
        found = await self._reviewed(tenant)
        if found is None or not (found.open or found.declined) or found.request is None:
            return None
        named = f"wt-{executable}.{tenant.format}"
        if published and published.file != named:  # its place is taken by a file of another name
            moved = self._proposed(found, tenant, named, None)
            if moved and moved.digest:
                return moved
        return self._proposed(found, tenant, published.file if published else named, published)

    async def proposed(self, tenant: Tenant) -> frozenset[str]:
        """Executables that an open request would add or change."""
        found = await self._reviewed(tenant)
        if found is None or not found.open:
            return frozenset()
        facts = map(self.read, found.standing.files.get(tenant.path, {}).values())
        return frozenset(f.executable for f in facts if f and f.owner == self._estate.owner)

    async def _reviewed(self, tenant: Tenant) -> Reviewed | None:
        branch = tenant.branch
        if branch.reviews is None:
            return None
        return await self._snapshots.get(
            ("review", branch.name), branch.reviews.read, self._estate.timings.list_age
        )

    def _proposed(
        self, found: Reviewed, tenant: Tenant, name: str, published: PublishedFile | None
    ) -> Review | None:
        assert found.request is not None
        blob = found.standing.files.get(tenant.path, {}).get(name)
        here = published.blob if published else None
        if (blob.id if blob else None) == here:
            return None
        replaces = found.standing.replaces
        outdated = replaces is not None and replaces.get(tenant.path, {}).get(name) != here
        facts = self.read(blob) if blob else None
        if blob and (facts is None or facts.owner != self._estate.owner):
            return None
        digest = facts.template_digest if facts else ""
        return Review(name, digest, found.request.url, found.open, outdated)

    def read(self, blob: Blob) -> PublishedTemplate | None:
        """Facts of a file with the digest of what it really holds: hand edits show."""
        known = self._facts.get(blob.id)
        if known is None:
            known = (_facts(blob.data),)
            self._facts.put(blob.id, known)
        return known[0]

    async def application(self, tenant: Tenant, max_age: float | None = None) -> ApplicationStatus | None:
        """The application's status, None when AI Core has none."""

        async def fetch() -> ApplicationStatus | None:
            try:
                status = await tenant.client.applications.status(tenant.application)
            except NotFound:
                self._snapshots.drop(("registration", tenant.name))  # somebody may have deleted it
                return None
            names = frozenset(entry.name for entry in status.resources)
            if names != self._synced.get(tenant.name, names):
                self._snapshots.drop(("quotas", tenant.name))  # what is synced now is counted there now
            self._synced[tenant.name] = names
            return status

        age = self.age if max_age is None else max_age
        return await self._snapshots.get(("status", tenant.name), fetch, age)

    async def registration(self, tenant: Tenant) -> Registration:
        """Looked at again every hour, and after something was missing."""

        async def fetch() -> Registration:
            repositories = await tenant.client.repositories.list()
            applications = await tenant.client.applications.list()
            return registration(tenant.wanted_application, repositories, applications)

        known = await self._snapshots.get(("registration", tenant.name), fetch, HOUR)
        if known != Registration():
            known = await self._snapshots.get(
                ("registration", tenant.name), fetch, self._estate.timings.list_age
            )
        return known

    async def state(self, home: Home) -> StateSnapshot:
        """The state branch."""
        return await self._snapshots.get(("state", home.name), home.state.read, self._estate.timings.list_age)

    def state_changed(self, home: Home) -> None:
        """We wrote to the state branch: who looks next looks anew."""
        self._snapshots.drop(("state", home.name))

    def branch_changed(self, branch: Branch) -> None:
        """Somebody pushed to the repository: who looks next looks anew."""
        self._snapshots.drop(("head", branch.name))
        self.state_changed(branch.home)

    async def executable(
        self, tenant: Tenant, facts: PublishedTemplate, age: float = KEPT
    ) -> Executable | None:
        """The executable of a template of ours, as AI Core lists it."""
        await self.executables.turn(tenant, lambda: self._own_scenarios(tenant))
        return await self.executables.find(tenant, facts, age)

    async def _own_scenarios(self, tenant: Tenant) -> frozenset[str]:
        return frozenset(facts.scenario for facts in (await self.owned(tenant)).values())

    async def quotas(self, tenant: Tenant, age: float) -> tuple[Quota, ...]:
        """Usage and limits of the tenant, at most `age` seconds old."""
        return await self._snapshots.get(("quotas", tenant.name), tenant.client.quotas, age)

    async def quota(self, tenant: Tenant, kind: str) -> Quota | None:
        """Usage and limit of one kind of template (WorkflowTemplate, ServingTemplate)."""
        quotas = await self.quotas(tenant, self._estate.timings.list_age)
        wanted = kind.removesuffix("Template").lower()
        return next((q for q in quotas if q.name.lower().startswith(wanted)), None)


def _facts(data: bytes) -> PublishedTemplate | None:
    facts = read_published(data)
    try:
        return (
            replace(facts, template_digest=template_digest(parse_document(data, "template")))
            if facts
            else None
        )
    except InvalidInput:
        return None
