"""What is wanted for a key: the source's scan, its catalog, and the templates made of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from aicore_sync.controller.elsewhere import Elsewhere
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.jobs import Place
from aicore_sync.controller.memory import Memory, TemplateState
from aicore_sync.controller.recall import Recall
from aicore_sync.controller.removals import Presence, Removals, unread_words
from aicore_sync.controller.renders import Made
from aicore_sync.controller.source import Scan, Sources
from aicore_sync.controller.watched import Maker, Watched
from aicore_sync.core.catalog import NOWHERE, Catalog, Target, catalog
from aicore_sync.core.desired import WantFlow, WantTemplate
from aicore_sync.core.errors import InvalidInput, Stalled
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.inventory import is_manifest, take_inventory
from aicore_sync.core.lint import lint_source, with_errors
from aicore_sync.core.manifest import Manifest, with_metaflow_schedule
from aicore_sync.core.model import FlowKey, Hold, Key, Mark, Stage, TemplateKey
from aicore_sync.core.parts import Inhabitants, Part, parts
from aicore_sync.core.paths import above, below
from aicore_sync.core.wanted import adoption, metaflow_schedule_missing, want_artifacts, want_configurations
from aicore_sync.render import EnvironmentBuilding

log = structlog.get_logger()


class Desire:
    """Keeps the catalog up to date and answers what a key wants."""

    def __init__(self, estate: Estate, memory: Memory, maker: Maker, watched: Watched) -> None:
        self._estate = estate
        self._memory = memory
        self._maker = maker
        self._watched = watched
        self._scan = Scan()
        self._scanning = asyncio.Lock()
        self._presence = Presence()
        self._parts: frozenset[Part] = frozenset()  # of the catalog
        self._inputs_since: dict[FlowKey, tuple[str, datetime]] = {}
        self._made: dict[TemplateKey, Made] = {}
        self._sources: dict[TemplateKey, Ingredients] = {}
        self._removals = Removals(estate.limits, memory)
        self._recall = Recall(estate, memory)
        self._targeted: set[str] = set()  # flows that had an environment in some scan
        self._described: dict[str, str] = {}  # manifest file -> the flow that it last described
        self.catalog = Catalog()
        self.revisions: dict[str, str] = {}  # source -> the commit that the catalog is of
        self.elsewhere = Elsewhere()
        self.fixed = False  # a person confirmed what is there: nothing newer is taken instead

    async def rescan(self) -> frozenset[Key]:
        """Read the source; returns keys that are new, changed or no longer there."""
        async with self._scanning:
            started, before = self._estate.clock(), self.catalog
            old = self._scan
            self._scan = await asyncio.to_thread(self.sources.scan)
            if self.fixed and old.files != self._scan.files:
                self._scan = replace(old, complete=False)
                words = "the source has changed since the plan was confirmed; run `plan` again"
                raise Stalled(words, reason="PlanChanged")
            for problem in self._scan.problems:
                log.warning("source_problem", problem=str(problem))
            if old.files != self._scan.files or before == Catalog():
                await self._understand(old)
                self._sources.clear()
            self.catalog = replace(self.catalog, complete=self._scan.complete and not self.catalog.broken)
            self._parts = parts(self.catalog)
            self.revisions = self.sources.revisions()
            if self.catalog.complete:
                self._presence.saw(self._parts, started)
            return self._changed(before, old)

    async def _understand(self, old: Scan) -> None:
        """Read what the scan found. A file that vanished meanwhile makes the scan worthless: the next one decides."""
        try:
            self.catalog = await asyncio.to_thread(self._take)
        except OSError as error:
            log.info("source_moving", error=str(error))
            self._scan = replace(old, complete=False)

    def _take(self) -> Catalog:
        tenants = {e.name: e.tenant for e in self._estate.environments.values()}
        parts = self.sources.parts(self._scan.files)
        inventory = self._watched.handed or take_inventory(
            parts, self.sources.text, self._watched.defaults, tenants
        )
        inventory = with_errors(inventory, lint_source(inventory.sources, tenants, self._watched.lint))
        alive = {name: t for name, t in tenants.items() if not self._estate.environments[name].retire}
        found = catalog(inventory, alive, complete_scan=self._scan.complete)
        self._described |= {t.source.manifest_file: t.flow for t in found.flows.values()}
        self._targeted |= {key.flow for key in found.flows if key.environment != NOWHERE}
        broken = {self._described.get(b.file, name): b for name, b in found.broken.items()}
        return replace(found, broken=broken)

    def _changed(self, before: Catalog, old: Scan) -> frozenset[Key]:
        keys: set[Key] = set()
        for one, other in ((before, self.catalog), (self.catalog, before)):
            keys |= {k for k, t in one.targets.items() if other.targets.get(k) != t}
            keys |= {k for k, t in one.flows.items() if other.flows.get(k) != t}
            keys |= {FlowKey(name, NOWHERE) for name in self._homeless(one) if name not in other.broken}
        edited = {
            p
            for p in old.files.keys() | self._scan.files.keys()
            if old.files.get(p) != self._scan.files.get(p)
        }
        touched = {""}.union(*map(above, edited)) if edited else set()
        for key, target in {**self.catalog.flows}.items():
            if target.source.directory in touched:
                keys |= {key, target.key} if target.key.tenant else {key}
        return frozenset(keys)

    @property
    def sources(self) -> Sources:
        """Where the flows are."""
        return self._watched.sources

    def keys(self) -> frozenset[Key]:
        """All keys that the source wants."""
        broken = frozenset(FlowKey(name, NOWHERE) for name in self._homeless(self.catalog))
        return frozenset(self.catalog.targets) | frozenset(self.catalog.flows) | broken

    def _homeless(self, found: Catalog) -> frozenset[str]:
        """Flows whose file cannot be read and that have no other key: nobody else would show what is wrong."""
        return frozenset(found.broken) - self.elsewhere.all.flows - self._targeted

    def flow_count(self) -> int:
        """How many flows there are, in the source or elsewhere."""
        return self.elsewhere.flow_count(self.catalog.names())

    # --- templates ---

    async def template(self, key: TemplateKey) -> WantTemplate:
        """The wanted template, or why there is none."""
        target = self.catalog.targets.get(key)
        if target is None:
            return await self._absent(key)
        source = self._source(target)
        try:
            if target.source.problems:
                raise InvalidInput(target.source.problems)
            made = await self.make(target)
        except (Stalled, EnvironmentBuilding) as error:
            return WantTemplate(key, None, source, holds=(_problem_hold(error),))
        self._made[key] = made
        unread = self.sources.unread() - {target.source.origin}
        source = replace(source, opened=made.opened)
        want = WantTemplate(key, made.template, source, holds=self._outdated(target))
        return replace(want, unread=unread, adopt=adoption(target.manifest))

    def _outdated(self, target: Target) -> tuple[Hold, ...]:
        """Says on its flows what keeps a source, or their files, at an older state until a person acts."""
        error = self.sources.errors().get(target.source.origin)
        if isinstance(error, Stalled):
            return (_problem_hold(error),)
        files = (target.source.file, target.source.manifest_file)
        found = [p for p in self._scan.hiding if any(f == p.file or below(f, p.file) for f in files)]
        return tuple(replace(_problem_hold(InvalidInput([p])), reason="SourceIncomplete") for p in found)

    def _source(self, target: Target) -> Ingredients:
        known = self._sources.get(target.key)
        if known is None:
            template = self.catalog.targets.get(target.key, target)
            known = self._sources[target.key] = self._maker.ingredients(
                template, self._scan, self._place(target)
            )
        return known

    async def make(self, target: Target) -> Made:
        """The template of a target, rendered or remembered."""
        return await self._maker.make(target, self._scan, self._place(target))

    def _place(self, target: Target) -> Place:
        tenant = self._estate.tenants.get(target.key.tenant) or next(iter(self._estate.tenants.values()))
        store = (tenant.store_root, tenant.store_endpoint, tenant.store_secret)
        return Place(self._estate.owner, *store, tenant.format, tenant.instance_types)

    async def _absent(self, key: TemplateKey) -> WantTemplate:
        """No longer wanted here: gone with its flow, or only this tenant dropped it."""
        broken = self.catalog.broken.get(key.executable) or self.catalog.denied.get(key.executable)
        if broken:
            return WantTemplate(key, holds=(_problem_hold(InvalidInput(broken.problems)),))
        part = Part(key.executable, str(key))
        hold = await self._not_gone_yet(part)
        if hold:
            # told early, so that it can be confirmed early; not for what may be there all the same
            brake = self.removal_brake(part) if self.catalog.complete else None
            return WantTemplate(key, holds=(hold, replace(brake, mark=Mark.WAIT)) if brake else (hold,))
        return WantTemplate(key, gone=True, removal=self.removal_brake(part))

    async def removal(self, part: Part) -> Hold | None:
        """Why a part that the source no longer has is not taken away now; a brake is told early, as for templates."""
        hold = await self._not_gone_yet(part)
        brake = self.removal_brake(part) if self.catalog.complete else None
        return replace(brake, mark=Mark.WAIT, after=hold.after) if hold and brake else hold or brake

    async def _not_gone_yet(self, part: Part) -> Hold | None:
        """What vanishes is gone only after two complete scans apart that miss it."""
        if not self.catalog.complete:
            message = "not found in the source, but the source could not be read completely"
            message += unread_words(self.catalog, self._scan, self.sources.errors())
            wait = self._estate.timings.gone_after
            return Hold(Stage.DESIRE, "SourceIncomplete", message, after=wait, mark=Mark.FAIL)
        await self._recall.removals(self._tenant_of(part), self._parts)
        needed = timedelta(seconds=self._estate.timings.gone_after)
        if self._presence.missing_for(part) < needed:
            last = self._presence.last_complete
            if last and self._estate.clock() - last >= needed:
                await self.rescan()
        left = needed - self._presence.missing_for(part)
        if part in self._parts:  # this look is older than the newest scan
            left = needed
        if left > timedelta(0):
            message = f"{part} was not found in the source; a second look decides whether it is gone"
            return Hold(Stage.DESIRE, "SourceMissing", message, after=max(0.1, left.total_seconds()))
        return None

    def _tenant_of(self, part: Part) -> str:
        """The tenant that a part lies in; "" when the configuration does not name it any more."""
        place = self._estate.environments.get(part.place)
        return place.tenant if place else part.place.partition("@")[2]

    def removal_brake(self, part: Part) -> Hold | None:
        """Many removals at once, or all, wait for a confirmation that names exactly them."""
        lost = frozenset(p for p in self._presence.missing_since if p.place)
        there = self.elsewhere.all
        flows = Inhabitants(self._parts, self._unforced(there.parts), self._unforced(lost))
        confirmed = there.confirmed | self._memory.confirmed
        return self._removals.brake(part, flows, confirmed, self._estate.clock())

    def _unforced(self, found: frozenset[Part]) -> frozenset[Part]:
        """Without what stays because of its right, and without environments that a person retires."""
        here, denied = self.catalog.names(), self.catalog.denied
        retired = {e.name for e in self._estate.environments.values() if e.retire}
        return frozenset(
            p for p in found if p.flow not in denied and not (p.flow in here and p.place in retired)
        )

    def removed(self, part: Part) -> None:
        """A removal was done: it counts for an hour."""
        self._removals.done(part, self._estate.clock())

    def forget(self, flow: str, place: str) -> None:
        """Nothing of a place is left."""
        self._presence.forget(flow, place)

    # --- flows ---

    async def flow(self, key: FlowKey) -> WantFlow:
        """What a flow wants in an environment."""
        target = self.catalog.flows.get(key)
        if target is None:
            return await self._absent_flow(key)
        if key.environment == NOWHERE:
            return await self._untargeted(key, target)
        state = self._memory.templates.get(target.key, _UNSEEN)
        if state.source_digest != self._source(target).digest():
            state = replace(state, holds=_UNSEEN.holds, stays=False)
        made = self._made.get(target.key)
        cron = made.cron if made else None
        problems = target.source.problems
        holds: tuple[Hold, ...] = (_problem_hold(InvalidInput(problems)),) if problems else ()
        manifest = target.manifest
        try:
            manifest = with_metaflow_schedule(manifest, cron, target.source.file)
        except InvalidInput as error:
            holds += (_problem_hold(error),)
        return WantFlow(
            key=key,
            owner=self._estate.owner,
            executable=target.key.executable,
            scenario=manifest.scenario.id,
            tenant=target.key.tenant,
            template_holds=state.holds,
            template_stays=state.stays,
            coming_run=made.template.facts.run_digest if made else "",
            desire_holds=holds,
            artifacts=want_artifacts(manifest),
            configurations=want_configurations(manifest),
            producers=self._producers(manifest, key.environment),
            policy=self._estate.policy,
            adopt=adoption(manifest),
            quiet_until=self._quiet_until(key, made),
            keep_schedules=bool(holds) or metaflow_schedule_missing(target, cron),
        )

    def _producers(self, manifest: Manifest, environment: str) -> dict[str, str]:
        """Executables of the flows whose outputs a manifest binds: in an environment of its own each has its own id."""
        flows = {part.flow for c in manifest.configurations for part in c.inputs.values() if part.flow}
        found = {flow: self.catalog.flows.get(FlowKey(flow, environment)) for flow in flows}
        return {flow: target.key.executable for flow, target in found.items() if target}

    def _quiet_until(self, key: FlowKey, made: Made | None) -> datetime | None:
        if made is None or not self._estate.policy.run_quiet:
            return None
        digest = made.template.facts.input_digest
        if self._inputs_since.get(key, ("", None))[0] != digest:
            self._inputs_since[key] = (digest, self._estate.clock())
        return self._inputs_since[key][1] + timedelta(seconds=self._estate.policy.run_quiet)

    async def _untargeted(self, key: FlowKey, target: Target) -> WantFlow:
        """Rendered and checked only."""
        holds: tuple[Hold, ...] = ()
        try:
            if target.source.problems:
                raise InvalidInput(target.source.problems)
            await self.make(target)
        except (Stalled, EnvironmentBuilding) as error:
            holds = (_problem_hold(error),)
        empty = WantFlow(key, self._estate.owner, target.key.executable, target.manifest.scenario.id)
        return replace(empty, targeted=False, desire_holds=holds)

    async def _absent_flow(self, key: FlowKey) -> WantFlow:
        empty = WantFlow(key, self._estate.owner, key.flow, "", targeted=False)
        broken = self.catalog.broken.get(key.flow) or self.catalog.denied.get(key.flow)
        if broken:
            hold = _problem_hold(InvalidInput(broken.problems))
            place = self._estate.environments.get(key.environment)
            tenant = place.tenant if place else ""  # its template has the same problem: both are shown as one
            return replace(empty, tenant=tenant, desire_holds=(hold,), removal=hold)
        place = self._estate.environments.get(key.environment)
        if key.flow in self.catalog.names() and place and place.retire:
            return empty  # the flow is there, and a person takes it out of this environment
        return replace(empty, removal=await self.removal(Part(key.flow, key.environment)))


_UNSEEN = TemplateState(
    holds=(Hold(Stage.SYNC, "SyncPending", "the template of this source has not been looked at yet"),)
)


def _problem_hold(error: Stalled | EnvironmentBuilding) -> Hold:
    reason = error.reason
    if isinstance(error, EnvironmentBuilding):
        return Hold(Stage.DESIRE, reason, error.message, after=error.retry_after)
    if isinstance(error, InvalidInput) and reason == "InvalidInput":
        manifest = any(is_manifest(problem.file) for problem in error.problems)
        reason = "ManifestInvalid" if manifest else "RenderFailed"
    return Hold(Stage.DESIRE, reason, error.message, mark=Mark.FAIL)
