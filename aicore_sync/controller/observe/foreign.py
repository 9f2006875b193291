"""Schedules of others that run our templates: what they bind is asked for once, for configurations never change."""

from __future__ import annotations

import structlog

from aicore_sync.aicore import NotFound
from aicore_sync.controller.estate import Environment, Estate
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.core.adoption import ForeignSchedule
from aicore_sync.core.errors import SyncError
from aicore_sync.core.world import Configuration

AT_ONCE = 20  # configurations asked for in one pass
KEPT = 20_000

log = structlog.get_logger()


class Foreign:
    """Configurations of foreign schedules by environment and id; None for one that is gone."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._known: dict[tuple[str, str], Configuration | None] = {}

    async def read(self, place: Environment, executable: str, lists: Lists) -> tuple[ForeignSchedule, ...]:
        """Those that run `executable`, as far as their configurations are known."""
        schedules = (await lists.schedules(place)).foreign
        unknown = {s.configuration for s in schedules if (place.name, s.configuration) not in self._known}
        await self._ask(place, sorted(unknown)[:AT_ONCE])
        bound = ((s, self._known.get((place.name, s.configuration))) for s in schedules)
        return tuple(ForeignSchedule(s, c) for s, c in bound if c and c.executable == executable)

    async def _ask(self, place: Environment, identities: list[str]) -> None:
        if len(self._known) > KEPT:
            self._known.clear()
        group = self._estate.tenants[place.tenant].client.group(place.resource_group)
        for identity in identities:
            try:
                self._known[place.name, identity] = await group.configurations.get(identity)
            except NotFound:
                self._known[place.name, identity] = None
            except SyncError as error:  # a warning that is missing for a while holds nothing back
                log.warning("configuration_unread", configuration=identity, reason=error.reason)
                return
