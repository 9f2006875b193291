"""What people and missing things hold back: decisions of operators, freeze windows, and the preflight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aicore_sync.controller.desire import Desire
from aicore_sync.controller.estate import Environment, Estate, Tenant
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe import Reader
from aicore_sync.controller.preflight import Preflight
from aicore_sync.core.catalog import NOWHERE
from aicore_sync.core.decisions import Decisions, Scope, decisions
from aicore_sync.core.desired import WantFlow, WantTemplate
from aicore_sync.core.freeze import Frozen, frozen
from aicore_sync.core.model import Hold, Mark, Stage, TemplateKey
from aicore_sync.core.orphans import kept_in_mind, orphans
from aicore_sync.core.pins import pinned
from aicore_sync.core.preflight import holds
from aicore_sync.core.template import Needs

SUSPENDED = "FlowSuspended"


class Gates:
    """Adds to what is wanted the holds that keep it from being done now."""

    def __init__(self, estate: Estate, memory: Memory, desire: Desire, reader: Reader) -> None:
        self._estate = estate
        self._memory = memory
        self._desire = desire
        self._lists = reader.lists
        self._round = reader.lists.within(estate.timings.round_age)  # what is asked for in every pass
        self._freezes: dict[
            str, Frozen | None
        ] = {}  # until their end: windows that follow each other are dear
        self.preflight = Preflight(estate, reader.lists, reader.snapshots)

    async def template(self, want: WantTemplate, now: datetime) -> WantTemplate:
        """Under a rollback, and with the holds of every environment that uses the template.

        A suspended environment keeps it from being removed.
        """
        found_pins = (await self.decisions(self._estate.tenants[want.key.tenant])).pinned
        want = pinned(want, found_pins.get(want.key))
        flow, environments = await self._uses(want)
        found = [await self._blocked(flow, name, now) for name in environments]
        blocked = tuple(hold for hold in found if hold)
        if not want.gone:
            return replace(await self._kept_in_mind(want), blocked=blocked)
        return replace(want, removal=_suspension(blocked) or self._orphaned(environments) or want.removal)

    async def _kept_in_mind(self, want: WantTemplate) -> WantTemplate:
        """What the file at the head says of environments that are not in the configuration, or leave it now."""
        places = self._estate.environments
        file = await self._round.published(self._estate.tenants[want.key.tenant], want.key.executable)
        retired = frozenset(name for name, place in places.items() if place.retire)
        return kept_in_mind(replace(want, retired=retired), file, places)

    def _orphaned(self, environments: Iterable[str]) -> Hold | None:
        """What may still run the template is in an environment that nobody can look into any more."""
        lost = sorted(set(environments) - self._estate.environments.keys())
        if not lost:
            return None
        words = (
            f"the file stays: schedules in {', '.join(lost)} may still run it, and the configuration names no such "
            "environment; put it back with `retire: true` until they are gone"
        )
        return Hold(Stage.PUBLISH, "Orphaned", words, mark=Mark.FAIL)

    async def flow(self, want: WantFlow, now: datetime) -> WantFlow:
        """With what holds this flow in its environment. Raises SyncError when nothing can be done there at all."""
        if want.key.environment == NOWHERE:
            return want
        place = self._estate.environment(want.key.environment)
        hold = await self._blocked(want.key.flow, place.name, now)
        blocked = (replace(hold, stage=Stage.EXECUTE),) if hold else ()
        if not want.targeted:
            return replace(want, removal=_suspension(blocked) or want.removal)
        await self.preflight.require_place(place)
        unfit = await self._unfit(want, place)
        return replace(want, blocked=blocked, removal=_suspension(blocked), unfit=unfit)

    async def tenant(self, tenant: Tenant) -> tuple[Hold, ...]:
        """What holds groups and secrets: only the suspension of everything. Secrets rotate in freezes too."""
        decision = (await self.decisions(tenant)).suspended.get(Scope())
        if decision is None:
            return ()
        words = f"everything is suspended {decision}; it goes on with: aicore-sync resume --all"
        return (Hold(Stage.CONFIGURE, SUSPENDED, words, mark=Mark.OFF),)

    async def notes(self, tenant: Tenant) -> tuple[Hold, ...]:
        """What concerns all of a tenant: whether AI Core reads its repository, and environments that nobody sees."""
        timeout = timedelta(seconds=self._estate.timings.sync_timeout)
        waits = self._memory.unsynced_since.items()
        waited = any(key.tenant == tenant.name and self._estate.clock() - at > timeout for key, at in waits)
        unreadable = holds((await self.preflight.repository(tenant, waited),), Stage.CONFIGURE)
        return unreadable + orphans(await self._round.owned(tenant), self._estate.environments)

    async def _unfit(self, want: WantFlow, place: Environment) -> tuple[Hold, ...]:
        """What runs of the live template would miss, where anything is to run at all."""
        state = self._memory.templates.get(TemplateKey(place.tenant, want.executable))
        if not want.configurations or state is None or state.live is None:
            return ()
        urls = (urlsplit(artifact.url) for artifact in want.artifacts)
        stores = frozenset(url.netloc for url in urls if url.scheme == "ai")
        return holds(await self.preflight.looks(place, state.live.needs | Needs(stores)))

    async def _uses(self, want: WantTemplate) -> tuple[str, tuple[str, ...]]:
        """The flow and the environments of a template: from the source, or from what was published."""
        target = self._desire.catalog.targets.get(want.key)
        if target:
            return target.flow, target.environments
        tenant = self._estate.tenants[want.key.tenant]
        file = await self._lists.published(tenant, want.key.executable)
        if file is None or file.facts is None:
            return want.key.executable, ()
        return file.facts.flow or want.key.executable, file.facts.environments

    async def _blocked(self, flow: str, environment: str, now: datetime) -> Hold | None:
        place = self._estate.environments.get(environment)
        if place is None:
            return None
        found = await self.decisions(self._estate.tenants[place.tenant])
        suspension = found.suspension(flow, environment)
        if suspension:
            scope, decision = suspension
            words = f"{scope} is suspended {decision}; it goes on with: aicore-sync resume {scope.words}"
            return Hold(Stage.PUBLISH, SUSPENDED, words, mark=Mark.OFF)
        if self._estate.override_freeze or found.thaw(environment, now):
            return None
        return self._frozen(environment, now)

    def _frozen(self, environment: str, now: datetime) -> Hold | None:
        freeze = self._freezes.get(environment)
        if freeze is None or now >= freeze.until:
            freeze = self._freezes[environment] = frozen(self._estate.freezes, environment, now)
        if freeze is None:
            return None
        words = (
            f"environment {environment} is frozen until {freeze.until:%Y-%m-%d %H:%M} UTC ({freeze.window}); "
            "in an emergency: aicore-sync apply --override-freeze"
        )
        wait = (freeze.until - now) / timedelta(seconds=1)
        return Hold(Stage.PUBLISH, "Frozen", words, after=wait, mark=Mark.OFF)

    async def decisions(self, tenant: Tenant) -> Decisions:
        """What operators decided, as the tenant's state branch has it."""
        return decisions((await self._lists.state(tenant.branch.home)).files)


def _suspension(blocked: Iterable[Hold]) -> Hold | None:
    return next((hold for hold in blocked if hold.reason == SUSPENDED), None)
