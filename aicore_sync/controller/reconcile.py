"""The whole product in one breath: desire, observe, plan, apply, report; for all kinds of key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from aicore_sync.controller.apply import Applier
from aicore_sync.controller.desire import Desire
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.gates import Gates
from aicore_sync.controller.loop import Pass
from aicore_sync.controller.memory import Memory, TemplateState
from aicore_sync.controller.observe import Reader
from aicore_sync.core.actions import (
    CreateConfiguration,
    DeleteDeployment,
    DeleteSchedule,
    PatchSchedule,
    Plan,
    Retract,
    StartDeployment,
    StartExecution,
    StopDeployment,
)
from aicore_sync.core.catalog import NOWHERE
from aicore_sync.core.desired import SeenFlow, SeenTemplate, WantFlow, WantTemplate
from aicore_sync.core.model import FlowKey, Gone, Hold, Key, Mark, Stage, Status, TemplateKey, TenantKey
from aicore_sync.core.parts import Part
from aicore_sync.core.plan import plan_flow, plan_template, plan_tenant, proven_live
from aicore_sync.core.plan.adoption import as_found
from aicore_sync.core.plan.deployments import our_deployments
from aicore_sync.core.plan.templates import stays
from aicore_sync.core.plan.vanished import vanished
from aicore_sync.core.report import Outcome, home, report_flow, report_template, report_tenant, verdict
from aicore_sync.core.resources import SeenTenant, WantTenant

Wake = Callable[[TemplateKey], None]
TAKES_AWAY = (DeleteSchedule, StopDeployment, DeleteDeployment)


@dataclass(frozen=True)
class TemplateLook:
    """A template as a pass finds it."""

    want: WantTemplate
    seen: SeenTemplate
    plan: Plan

    def status(self, now: datetime) -> Status:
        """What a pass that does nothing would report."""
        return report_template(self.want, self.seen, self.plan, (), now)


@dataclass(frozen=True)
class FlowLook:
    """A flow in an environment as a pass finds it."""

    want: WantFlow
    seen: SeenFlow
    plan: Plan

    def status(self, now: datetime) -> Status:
        """What a pass that does nothing would report."""
        return report_flow(self.want, self.seen, self.plan, (), now)


@dataclass(frozen=True)
class TenantLook:
    """What is declared for a tenant, as a pass finds it."""

    want: WantTenant
    seen: SeenTenant
    plan: Plan

    def status(self, now: datetime) -> Status:
        """What a pass that does nothing would report."""
        return report_tenant(self.want, self.seen, self.plan, (), now)


Look = TemplateLook | FlowLook | TenantLook


class Reconcile:
    """Runs passes.

    `wake` is called with a template whose state changed: flows that use it look again.
    `recheck` is called with a template whose sleeping schedules woke: it may forget that they slept.
    `provided` is called with a tenant that got groups or secrets: its flows may go on.
    """

    def __init__(
        self, estate: Estate, memory: Memory, desire: Desire, reader: Reader, applier: Applier
    ) -> None:
        self._estate = estate
        self._memory = memory
        self._desire = desire
        self._reader = reader
        self._applier = applier
        self.gates = Gates(estate, memory, desire, reader)
        self._facts: dict[Key, Mapping[str, str]] = {}
        self.wake: Wake = lambda key: None
        self.recheck: Wake = lambda key: None
        self.provided: Callable[[TenantKey], None] = lambda key: None

    def facts(self, key: Key) -> Mapping[str, str]:
        """Where a key belongs, as its last pass desired it: a status keeps it when AI Core cannot be asked."""
        return self._facts.get(key, {})

    async def sync_once(self, key: Key, now: datetime) -> Pass:
        """One pass. Raises SyncError when it cannot even plan."""
        if isinstance(key, TemplateKey):
            return await self._template(key, now)
        if isinstance(key, TenantKey):
            return await self._tenant(key, now)
        return await self._flow(key, now)

    async def look(self, key: Key, now: datetime) -> Look:
        """What a pass would see and do, without doing it."""
        if isinstance(key, TemplateKey):
            want = await self.gates.template(await self._desire.template(key), now)
            seen = await self._reader.template(want)
            self._note_template(want, seen)
            return TemplateLook(want, seen, plan_template(want, seen, now))
        if isinstance(key, TenantKey):
            return await self._look_at_tenant(key)
        flow = await self.gates.flow(await self._desire.flow(key), now)
        here = await self._seen_flow(flow)
        flow = await self._held_back(flow, here)
        plan = plan_flow(flow, here, now)
        self._note_starts(flow, here, plan)
        return FlowLook(flow, here, plan)

    async def _template(self, key: TemplateKey, now: datetime) -> Pass:
        want = await self.gates.template(await self._desire.template(key), now)
        seen = await self._reader.template(want)
        plan = plan_template(want, seen, now)
        self._note_template(want, seen)
        done = await self._applier.apply(key, plan)
        if want.gone and any(isinstance(o.action, Retract) and not o.error for o in done):
            self._desire.removed(Part(key.executable))
        status = report_template(want, seen, plan, done, now)
        if want.gone and seen.published is None and not plan.actions:
            self._memory.templates.pop(key, None)
            self._desire.forget(key.executable, str(key))
            return self._ended(want, Pass(status, Gone()))
        return self._ended(want, Pass(status, verdict(plan, done)))

    async def _look_at_tenant(self, key: TenantKey) -> TenantLook:
        tenant = self._estate.tenants[key.tenant]
        blocked = await self.gates.tenant(tenant)
        want = await asyncio.to_thread(tenant.declared.want, key, self._estate.owner, blocked)
        want = replace(want, notes=await self.gates.notes(tenant))
        seen = await self._reader.resources(want)
        return TenantLook(want, seen, plan_tenant(want, seen))

    async def _tenant(self, key: TenantKey, now: datetime) -> Pass:
        found = await self._look_at_tenant(key)
        done = await self._applier.apply(key, found.plan)
        if any(not o.error for o in done):
            self.provided(key)
        status = report_tenant(found.want, found.seen, found.plan, done, now)
        idle = not found.want.declares and not found.plan.holds and not done
        return Pass(status, Gone() if idle else verdict(found.plan, done))

    def _ended(self, want: WantTemplate | WantFlow, result: Pass) -> Pass:
        self._memory.rests(want, result.verdict)
        return result

    def _note_template(self, want: WantTemplate, seen: SeenTemplate) -> None:
        """What flows need to know; they are woken when it changed."""
        before = self._memory.templates.get(want.key)
        state = template_state(want, seen, before)
        self._memory.templates[want.key] = state
        if seen.published and proven_live(seen) and seen.published.data:
            self._memory.live_files[want.key] = seen.published.data
        if seen.published and seen.published.ours and not proven_live(seen):
            self._memory.unsynced_since.setdefault(want.key, self._estate.clock())
        else:
            self._memory.unsynced_since.pop(want.key, None)
        if state != before:
            self.wake(want.key)

    async def _flow(self, key: FlowKey, now: datetime) -> Pass:
        wanted = await self._desire.flow(key)
        self._facts[key] = home(wanted)
        gated = await self.gates.flow(wanted, now)
        seen = await self._seen_flow(gated)
        want = await self._held_back(gated, seen)
        plan = plan_flow(want, seen, now)
        self._note_starts(want, seen, plan)
        done = await self._applier.apply(key, plan)
        await self._note_removals(want, seen, done)
        if any(isinstance(o.action, PatchSchedule) and o.action.name in seen.paused for o in done):
            self.recheck(TemplateKey(want.tenant, want.executable))
        status = report_flow(want, seen, plan, done, now)
        rendered = key.environment == NOWHERE and key in self._desire.catalog.flows
        left = seen.schedules or our_deployments(seen)
        if not want.targeted and not left and not plan.holds and not rendered:
            self._facts.pop(key, None)
            self._desire.forget(*key)
            return self._ended(gated, Pass(status, Gone()))
        return self._ended(gated, Pass(status, verdict(plan, done)))

    async def _held_back(self, want: WantFlow, seen: SeenFlow) -> WantFlow:
        """With why what vanished from the manifest of a flow that is still there is not taken away now."""
        names = vanished(want, seen) if want.targeted and not want.removal else ()
        for name in sorted(names):
            hold = await self._desire.removal(Part(*want.key, name))
            if hold:
                return replace(want, removal=hold)
        return want

    async def _note_removals(self, want: WantFlow, seen: SeenFlow, done: Iterable[Outcome]) -> None:
        """What was taken away because the source no longer has it counts for the brake.

        For who comes after this process it is noted; of a whole flow the commit that removes its template tells.
        """
        taken = any(isinstance(o.action, TAKES_AWAY) and not o.error for o in done)
        names = vanished(want, seen) if taken else frozenset()
        for name in names:
            self._desire.removed(Part(*want.key, name))
        if names and want.key.flow in self._desire.catalog.names():
            await self._applier.note_removal(want.key, names)

    async def _seen_flow(self, want: WantFlow) -> SeenFlow:
        if want.key.environment == NOWHERE:
            return SeenFlow()
        return await self._reader.flow(want, self._desire.flow_count())

    def _note_starts(self, want: WantFlow, seen: SeenFlow, plan: Plan) -> None:
        """Who wants a start in this round, so that many at once are noticed before the first."""
        if wants_start(want, seen, plan):
            self._memory.starts_wanted.add(want.key)
        else:
            self._memory.starts_wanted.discard(want.key)
            self._memory.starts_allowed.discard(want.key)


def wants_start(want: WantFlow, seen: SeenFlow, plan: Plan) -> bool:
    """Whether a run is about to start: now, after a hold that time ends, or once the coming template is live."""
    runs = {c.name for c in want.configurations if c.run == "onChange"}
    if runs and want.template_holds and want.coming_run:
        return want.coming_run != seen.live.run_digest if seen.live else not seen.configurations
    runs |= {c.name for c in want.configurations if c.deployment}
    if not runs:
        return False
    held = (h for h in plan.holds if h.stage is Stage.EXECUTE and h.reason == "RunHeld")
    if any(h.mark is Mark.WAIT or h.fingerprint for h in held):
        return True
    created = {a.name.split(".")[2] for a in plan.actions if isinstance(a, CreateConfiguration)}
    return bool(created & runs) or any(isinstance(a, StartExecution | StartDeployment) for a in plan.actions)


def template_state(want: WantTemplate, seen: SeenTemplate, before: TemplateState | None) -> TemplateState:
    """Which facts are proven live, and why the wanted template is not among them."""
    file = seen.published
    source = want.source.digest() if want.source else ""
    live = before.live if before else None
    proven = proven_live(seen)
    if proven and file:
        live = file.facts
    if file is None and seen.executable is None:
        live = None
    if want.template is None:
        # Not renderable: runtime objects stay with what is published, once it is proven.
        return TemplateState(live, () if proven else _not_live(want, seen), source, stays(want, seen))
    digest = want.template.facts.template_digest
    current = proven and file is not None and file.facts is not None and file.facts.template_digest == digest
    current = current or (proven and file is not None and not file.ours and as_found(want, file))
    return TemplateState(live, () if current else _not_live(want, seen), source, stays(want, seen))


def _not_live(want: WantTemplate, seen: SeenTemplate) -> tuple[Hold, ...]:
    if seen.refusal and want.template and seen.refusal.template_digest == want.template.facts.template_digest:
        return (
            Hold(Stage.SYNC, "SyncFailed", f"AI Core refused it: {seen.refusal.message}", mark=Mark.FAIL),
        )
    if want.holds and seen.published is None:
        return want.holds
    if want.template and seen.published and seen.published.facts:
        if seen.published.facts.template_digest != want.template.facts.template_digest:
            return _blocked(want) or (
                Hold(Stage.PUBLISH, "PublishPending", "the new version is not published yet"),
            )
        return (Hold(Stage.SYNC, "SyncPending", "published, but not proven live yet"),)
    return _blocked(want) or (Hold(Stage.PUBLISH, "PublishPending", "the template is not published yet"),)


def _blocked(want: WantTemplate) -> tuple[Hold, ...]:
    """Without the time that is left: a state that changes every second would wake its flows every second."""
    return tuple(replace(hold, after=None) for hold in want.blocked)
