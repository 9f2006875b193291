"""Free places for new templates: AI Core's count, and what is on its way there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from aicore_sync.controller.estate import Estate, Tenant
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.core.desired import SeenTemplate, WantTemplate
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.template import PublishedTemplate

NAMED = 3  # how many stale templates are named
EPOCH = datetime.fromtimestamp(0, UTC)


class Places:
    """Whoever wants a new file takes a free place until the file is there, so that a round never overfills."""

    def __init__(self, estate: Estate, memory: Memory, lists: Lists) -> None:
        self._estate = estate
        self._memory = memory
        self._lists = lists

    async def read(self, want: WantTemplate, tenant: Tenant, seen: SeenTemplate) -> SeenTemplate:
        """With the quota as it counts for this template: in use are also places that others wait to fill."""
        if want.template is None or want.blocked or seen.published or seen.taken or seen.push_error:
            self._memory.reserved.pop(want.key, None)
            return seen
        kind = want.template.facts.kind
        quota = await self._lists.quota(tenant, kind)
        if quota is None:
            return seen
        files = await self._lists.owned(tenant)
        # From here to the reservation nothing is awaited: two templates never take the same place.
        coming = self._coming(tenant, kind, files, seen) - {want.key}
        quota = replace(quota, used=quota.used + len(coming))
        if quota.used < quota.limit:
            self._memory.reserved[want.key] = kind
            return replace(seen, quota=quota)
        self._memory.reserved.pop(want.key, None)
        return replace(seen, quota=quota, stalest=await self._stalest(tenant, kind, files))

    def _coming(
        self, tenant: Tenant, kind: str, files: Mapping[str, PublishedTemplate], seen: SeenTemplate
    ) -> set[TemplateKey]:
        """Templates that AI Core does not count yet: reserved, handed over, or at the head and not synced."""
        reserved = self._memory.reserved.items()
        coming = {key for key, of in reserved if key.tenant == tenant.name and of == kind}
        synced = {entry.name for entry in seen.application.resources} if seen.application else set()
        for name, facts in files.items():
            state = self._memory.templates.get(TemplateKey(tenant.name, name))
            if facts.kind == kind and name not in synced and not (state and state.live):
                coming.add(TemplateKey(tenant.name, name))
        return coming

    async def _stalest(
        self, tenant: Tenant, kind: str, files: Mapping[str, PublishedTemplate]
    ) -> tuple[str, ...]:
        """Our templates that have not run for the longest time; those that never ran count from their last sync."""
        ran: dict[str, datetime] = {}
        for place in self._estate.environments_of(tenant.name):
            for run in (await self._lists.executions(place)).all:
                ran[run.executable] = max(ran.get(run.executable, EPOCH), run.created_at or EPOCH)
        found: list[tuple[datetime, str]] = []
        for name, facts in files.items():
            if facts.kind != kind:
                continue
            at, words = ran.get(name), "last run"
            if at is None:
                listed = await self._lists.executable(tenant, facts)
                at, words = (listed.modified_at if listed else None) or EPOCH, "never run, synced"
            found.append((at, f"{name} ({words} {at:%Y-%m-%d})"))
        return tuple(words for _, words in sorted(found)[:NAMED])
