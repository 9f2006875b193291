"""What wakes keys: the source, timers, commits and AI Core's syncs. All of it ends in `add(key)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from aicore_sync.controller.desire import Desire
from aicore_sync.controller.elsewhere import Known
from aicore_sync.controller.estate import Environment, Estate, Home
from aicore_sync.controller.memory import Memory, PushFailure
from aicore_sync.controller.observe import Reader
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.controller.source import Fetched
from aicore_sync.core.decisions import Decisions, confirmations, decisions
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import FlowKey, Key, TemplateKey, TenantKey
from aicore_sync.core.notes import noted_templates
from aicore_sync.core.parts import Part
from aicore_sync.git import Published

log = structlog.get_logger()
QUOTA_AGE = 600.0

Add = Callable[[Key], None]


class SourceTrigger:
    """Rescans when asked and adds what changed. Asking twice before a scan ends costs one more scan, not two."""

    def __init__(self, desire: Desire, add: Add) -> None:
        self._desire = desire
        self._add = add
        self._asked = asyncio.Event()
        self.scanned = asyncio.Event()

    def ask(self) -> None:
        """The source may have changed."""
        self._asked.set()

    async def run(self) -> None:
        """Scan whenever asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self.look()
            except Exception:
                log.exception("rescan_failed")

    async def look(self) -> None:
        """Scan now and add what changed."""
        for key in sorted(await self._desire.rescan(), key=lambda k: isinstance(k, FlowKey)):
            self._add(key)
        self.scanned.set()


class SourcePoll:
    """Asks the remote of one source; a slow or dead one delays nobody else."""

    def __init__(self, fetched: Fetched, changed: Callable[[], None]) -> None:
        self.fetched = fetched
        self._changed = changed
        self._asked = asyncio.Event()
        self.looked = asyncio.Event()

    def ask(self, woken: datetime | None = None) -> None:
        """The remote may have news; `woken` is when a webhook said so."""
        self.fetched.woken = self.fetched.woken or woken
        self._asked.set()

    async def run(self) -> None:
        """Look now and whenever asked, until cancelled."""
        while True:
            self._asked.clear()
            try:
                if await self.fetched.look() or not self.looked.is_set():
                    self._changed()
            except Exception:
                log.exception("source_poll_failed", source=self.fetched.name)
            self.looked.set()
            await self._asked.wait()


class Sweep:
    """All keys there are: the source's, our files at branch heads, and owned schedules in every environment.

    Tenants are read beside each other; of one that cannot be read the last that was found still counts.
    """

    def __init__(self, estate: Estate, desire: Desire, reader: Reader, add: Add) -> None:
        self._estate = estate
        self._desire = desire
        self._reader = reader
        self._add = add
        self._asked = asyncio.Event()
        self._due = {name: asyncio.Event() for name in estate.tenants}
        self._found: dict[str, frozenset[Key]] = {}
        self.concerns: Callable[[str], bool] = lambda branch: True  # by the name of the repository
        self.unread: dict[str, SyncError] = {}  # tenants that could not be read the last time

    def ask(self) -> None:
        """Time to look at everything."""
        self._asked.set()

    async def run(self) -> None:
        """Add every key whenever asked, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._estate.tenants:
                group.create_task(self._keep_reading(name))
            while True:
                await self._asked.wait()
                self._asked.clear()
                self._add_all(self._desire.keys())
                for due in self._due.values():
                    due.set()

    async def _keep_reading(self, tenant: str) -> None:
        while True:
            await self._due[tenant].wait()
            self._due[tenant].clear()
            if not self.concerns(self._estate.tenants[tenant].branch.name):
                continue
            try:
                await self._read(tenant)
                here, found = self._desire.catalog, self._found.get(tenant, frozenset())
                self._add_all(frozenset(k for k in found if k not in here.targets and k not in here.flows))
            except Exception:
                log.exception("sweep_failed", tenant=tenant)

    def _add_all(self, keys: frozenset[Key]) -> None:
        """Templates first, then environment by environment: neighbours look at the same lists."""
        for key in sorted(keys, key=_neighbours):
            self._add(key)

    async def elsewhere(self) -> frozenset[Key]:
        """Keys that only git or AI Core still know, besides the source's own."""
        await asyncio.gather(*map(self._read, self._estate.tenants))
        return frozenset[Key]().union(*self._found.values())

    async def _read(self, tenant: str) -> None:
        """One tenant; what cannot be read hides nothing of the others."""
        try:
            keys, parts = await self._known(tenant)
            state = await self._reader.lists.state(self._estate.tenants[tenant].branch.home)
            self._found[tenant] = keys | noted_templates(state.files, tenant)
            flows = frozenset(self._flow_of(key) for key in keys if not isinstance(key, TenantKey))
            confirmed = confirmations(state.files, self._estate.clock())
            self._desire.elsewhere.tell(tenant, Known(flows, parts, confirmed))
            self.unread.pop(tenant, None)
            with suppress(SyncError):  # for people only
                await self._reader.lists.quotas(self._estate.tenants[tenant], QUOTA_AGE)
        except SyncError as error:
            self.unread[tenant] = error
            log.warning("sweep_incomplete", tenant=tenant, reason=error.reason, error=error.message)

    async def _known(self, tenant: str) -> tuple[frozenset[Key], frozenset[Part]]:
        """Keys that git or AI Core know, and what they hold of flows."""
        keys = frozenset[Key]({TenantKey(tenant)})
        found: set[Part] = set()
        lists, here = self._reader.lists, self._estate.tenants[tenant]
        published = (await lists.owned(here)).keys() | await lists.proposed(here)
        keys |= {TemplateKey(tenant, executable) for executable in published}
        for place in self._estate.environments_of(tenant):
            for schedule in (await self._reader.lists.schedules(place)).all:
                parts = schedule.name.split(".")
                if len(parts) == 3:
                    found.add(Part(parts[1], place.name, f"schedule {parts[2]}"))
            found |= await self._deployed(place)
        keys |= {FlowKey(part.flow, part.place) for part in found}
        found |= {Part(key.executable, str(key)) for key in keys if isinstance(key, TemplateKey)}
        return keys, frozenset(found)

    async def _deployed(self, place: Environment) -> frozenset[Part]:
        """Deployments of ours there: what costs money is looked at until it is gone."""
        found = [d for d in (await self._reader.lists.deployments(place)).all if d.target_status != "DELETED"]
        ours = (await self._reader.lists.configurations(place)).by_id if found else {}
        names = (ours[d.configuration].name.split(".") for d in found if d.configuration in ours)
        return frozenset(Part(n[1], place.name, f"deployment {n[2]}") for n in names if len(n) == 4)

    def _flow_of(self, key: TemplateKey | FlowKey) -> str:
        """An isolated template counts for its flow."""
        if isinstance(key, FlowKey):
            return key.flow
        target = self._desire.catalog.targets.get(key)
        return target.flow if target else key.executable


def _neighbours(key: Key) -> tuple[bool, str, str]:
    return (True, key.environment, key.flow) if isinstance(key, FlowKey) else (False, *key)


class DecisionTrigger:
    """Looks at the state branches and calls `changed` when operators have decided something."""

    def __init__(self, estate: Estate, reader: Reader, changed: Callable[[], None]) -> None:
        self._estate = estate
        self._reader = reader
        self._changed = changed
        self._asked = asyncio.Event()
        self._known: dict[str, Decisions] = {}
        self.concerns: Callable[[str], bool] = lambda branch: True

    def ask(self) -> None:
        """Time to look."""
        self._asked.set()

    async def run(self) -> None:
        """Look whenever asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await asyncio.gather(*map(self._look, self._estate.homes()))

    async def _look(self, home: Home) -> None:
        """A dead remote hides nothing of the others."""
        if not self.concerns(home.name):
            return
        try:
            found = decisions((await self._reader.lists.state(home)).files)
        except SyncError as error:
            log.warning("decisions_not_read", repository=home.name, reason=error.reason)
            return
        if self._known.get(home.name, Decisions()) != found:
            log.info("decisions_changed", repository=home.name, suspended=len(found.suspended))
            self._changed()
        self._known[home.name] = found


class CommitTrigger:
    """Takes the committers' answers and wakes the templates they belong to."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots, add: Add) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots
        self._add = add

    def answered(self, key: Hashable, result: Published | SyncError) -> None:
        """What the committer calls for every change."""
        assert isinstance(key, TemplateKey)
        tenant = self._estate.tenants[key.tenant]
        self._snapshots.drop(("head", tenant.branch.name))
        self._snapshots.drop(("review", tenant.branch.name))
        now = self._estate.clock()
        if isinstance(result, SyncError):
            digest = self._memory.submitted.get(key, "")
            last = self._memory.push_failures.get(key)
            times = last.times + 1 if last and last.template_digest == digest else 1
            self._memory.push_failures[key] = PushFailure(digest, result, now, times)
        else:
            self._memory.push_failures.pop(key, None)
            if result.changed:
                self._memory.pushed_at[key.tenant] = now
                log.info("published", key=str(key), commit=result.commit)
        self._add(key)


class SyncWatchers:
    """One per application: after a refresh it asks for the status, ever more rarely, and wakes who waits for it."""

    def __init__(self, estate: Estate, memory: Memory, reader: Reader, add: Add) -> None:
        self._estate = estate
        self._memory = memory
        self._reader = reader
        self._add = add
        self._kicked = {name: asyncio.Event() for name in estate.tenants}

    def kick(self, tenant: str) -> None:
        """Something was pushed for this tenant: ask soon, then ever more rarely."""
        self._kicked[tenant].set()

    async def run(self) -> None:
        """Watch all applications until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._estate.tenants:
                group.create_task(self._watch(name))

    def _waiting(self, tenant: str) -> list[TemplateKey]:
        states = self._memory.templates.items()
        return [key for key, state in states if key.tenant == tenant and state.holds]

    async def _watch(self, tenant: str) -> None:
        kicked, polls = self._kicked[tenant], self._estate.timings.polls
        while True:
            await kicked.wait()
            kicked.clear()
            step = 0
            while self._waiting(tenant) or step == 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(polls[min(step, len(polls) - 1)]):
                        await kicked.wait()
                step = 0 if kicked.is_set() else step + 1
                kicked.clear()
                await self._ask(tenant)

    async def _ask(self, tenant: str) -> None:
        try:
            await self._reader.lists.application(self._estate.tenants[tenant], max_age=0.0)
        except SyncError as error:
            log.warning("status_not_read", tenant=tenant, reason=error.reason)
            return
        for key in self._waiting(tenant):
            self._add(key)


class Timers:
    """APScheduler for everything that recurs; its jobs only ask others to look."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def every(self, seconds: float, name: str, ask: Callable[[], None]) -> None:
        """Call `ask` every so many seconds, with a little jitter; it must only enqueue."""

        async def job() -> None:  # a coroutine runs on the loop, a plain function would run in a thread
            ask()

        trigger = IntervalTrigger(
            seconds=max(1, int(seconds)), timezone=UTC, jitter=max(1, int(seconds * 0.05))
        )

        self._scheduler.add_job(job, trigger, id=name)

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """No job is started any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
