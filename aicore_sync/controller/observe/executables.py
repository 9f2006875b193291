"""Executables of a tenant, read by scenario and kept: what rests is looked at again in turns, not all at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

import structlog

from aicore_sync.aicore import Forbidden, Group, Scenario
from aicore_sync.controller.estate import Estate, Tenant
from aicore_sync.controller.observe.groups import HOUR
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.errors import SyncError
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import Executable

KEPT = 10 * 365 * 24 * HOUR  # any age will do: the turns see to it
IN_TURN = 2  # scenarios of a tenant that are read again in one round

log = structlog.get_logger()


class Executables:
    """AI Core lists them by scenario only, and a tenant may have one scenario per flow."""

    def __init__(self, estate: Estate, snapshots: Snapshots) -> None:
        self._estate = estate
        self._snapshots = snapshots
        self._failed: dict[tuple[str, str, str], datetime] = {}  # scenarios whose last turn failed, and when

    async def find(self, tenant: Tenant, facts: PublishedTemplate, age: float = KEPT) -> Executable | None:
        """The executable of a template in its scenario."""
        return _named(facts.executable, await self._of(tenant, facts.scenario, age))

    async def anywhere(self, tenant: Tenant, facts: PublishedTemplate) -> Executable | None:
        """The executable of this id in any scenario, whosever it is: ids are unique in a tenant."""
        for scenario in sorted(await self._scenarios(tenant) | {facts.scenario}):
            if _named(facts.executable, await self._of(tenant, scenario, self._estate.timings.interval)):
                found = await self._of(tenant, scenario, self._estate.timings.head_age)
                return _named(facts.executable, found)
        return None

    async def turn(self, tenant: Tenant, wanted: Callable[[], Awaitable[Iterable[str]]]) -> None:
        """Once per round: read again those of the `wanted` scenarios that were read longest ago."""

        async def read() -> None:
            ages = {name: self._age(tenant, name) for name in await wanted()}
            due = sorted((n for n, age in ages.items() if HOUR < age < KEPT), key=lambda n: -ages[n])
            for name in due[:IN_TURN]:
                await self._again(tenant, name)

        await self._snapshots.get(("turn", tenant.name), read, self._estate.timings.round_age)

    def _age(self, tenant: Tenant, scenario: str) -> float:
        """Seconds since it was read, or since it could not be: then it is the turn of others."""
        age, failed = self._snapshots.age(_key(tenant, scenario)), self._failed.get(_key(tenant, scenario))
        return min(age, (self._estate.clock() - failed).total_seconds()) if failed else age

    async def _again(self, tenant: Tenant, scenario: str) -> None:
        """One that AI Core cannot list stops nobody but who asks for it."""
        try:
            await self._of(tenant, scenario, HOUR)
            self._failed.pop(_key(tenant, scenario), None)
        except SyncError as error:
            self._failed[_key(tenant, scenario)] = self._estate.clock()
            log.warning("scenario_not_read", tenant=tenant.name, scenario=scenario, reason=error.reason)

    async def _of(self, tenant: Tenant, scenario: str, age: float) -> tuple[Executable, ...]:
        group = self._any_group(tenant)
        return await self._snapshots.get(
            _key(tenant, scenario), lambda: group.scenarios.executables(scenario), age
        )

    async def _scenarios(self, tenant: Tenant) -> frozenset[str]:
        """All that there are; none where the service key may not list them."""

        async def fetch() -> tuple[Scenario, ...]:
            try:
                return await self._any_group(tenant).scenarios.list()
            except Forbidden:
                return ()

        age = self._estate.timings.interval
        return frozenset(s.id for s in await self._snapshots.get(("scenarios", tenant.name), fetch, age))

    def _any_group(self, tenant: Tenant) -> Group:
        """Templates are tenant-wide, but AI Core wants a resource group in the request."""
        places = self._estate.environments_of(tenant.name)
        return tenant.client.group(places[0].resource_group if places else "default")


def _key(tenant: Tenant, scenario: str) -> tuple[str, str, str]:
    return "executables", tenant.name, scenario


def _named(executable: str, listed: Iterable[Executable]) -> Executable | None:
    return next((e for e in listed if e.id == executable), None)
