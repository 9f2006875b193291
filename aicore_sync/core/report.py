"""From wanted, seen, planned and done to what people read: conditions, one sentence, one word, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aicore_sync.core import model
from aicore_sync.core.actions import Action, Plan, Publish, Retract, Withdraw
from aicore_sync.core.desired import SeenFlow, SeenTemplate, WantFlow, WantTemplate
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.model import Condition, Health, Hold, Mark, ObjectRow, Stage, Status
from aicore_sync.core.objects import objects
from aicore_sync.core.plan import proven_live
from aicore_sync.core.resources import KIND_WORDS, SeenTenant, WantTenant
from aicore_sync.core.wording import describe

TEMPLATE_STAGES = {Stage.PUBLISH: "Published", Stage.SYNC: "Synced"}
FLOW_STAGES = {Stage.CONFIGURE: "Configured", Stage.SCHEDULE: "Scheduled", Stage.EXECUTE: "Healthy"}

# As wanted, but nothing will run by itself: the row's sentence says so.
RESTING = (
    "Suspended",
    "Expired",
    "Stopped",
    "SecretUnverified",
    "SecretLeft",
    "AsFound",
    "ForeignSchedule",
    "Orphaned",
)


@dataclass(frozen=True)
class Outcome:
    """What became of one action: `error` is None when it was done."""

    action: Action
    error: SyncError | None = None


def verdict(plan: Plan, done: Sequence[Outcome]) -> model.Verdict:
    """What the loop does next with the key. Errors first, then news, then the shortest wait."""
    errors = [o.error for o in done if o.error]
    transient = [e for e in errors if isinstance(e, Transient)]
    if transient:
        return model.Retry(
            transient[0].reason, max((e.retry_after or 0.0 for e in transient), default=0.0) or None
        )
    if errors:
        return model.Stalled(errors[0].reason)
    if any(not isinstance(o.action, Publish | Retract | Withdraw) for o in done):
        return model.Wait("Applied", 0.0)
    waits = [h for h in plan.holds if h.after is not None]
    if waits:
        first = min(waits, key=lambda h: h.after or 0.0)
        return model.Wait(first.reason, first.after)
    if any(h.mark is Mark.FAIL for h in plan.holds):
        return model.Stalled(next(h.reason for h in plan.holds if h.mark is Mark.FAIL))
    if plan.holds or done:
        return model.Wait(plan.holds[0].reason if plan.holds else "PublishPending", None)
    return model.Done()


def report_template(
    want: WantTemplate, seen: SeenTemplate, plan: Plan, done: Sequence[Outcome], now: datetime
) -> Status:
    """Status of a template: publish and sync."""
    conditions = _conditions(TEMPLATE_STAGES, plan.holds, done)
    file = seen.published
    if not want.gone and not proven_live(seen) and not any(c.stage is Stage.SYNC for c in _bad(conditions)):
        word, mark = (want.blocked[0].reason, Mark.OFF) if want.blocked else ("SyncPending", Mark.WAIT)
        conditions = _replace_ok(conditions, Condition(Stage.SYNC, mark, word, "waits for the commit"))
    facts = {"scenario": want.template.facts.scenario if want.template else ""}
    if file and file.facts:
        facts |= {"version": file.facts.version, "commit": file.commit, "file": file.file}
        facts |= {"source": file.facts.source_revision, "scenario": file.facts.scenario}
    health, message = _judge(conditions)
    return Status(want.key, health, message, conditions, facts, updated=now)


def report_flow(want: WantFlow, seen: SeenFlow, plan: Plan, done: Sequence[Outcome], now: datetime) -> Status:
    """Status of a flow in an environment: configure, schedule and execute."""
    stages = FLOW_STAGES if want.targeted else {}
    conditions = _conditions(stages, plan.holds, done)
    if not want.targeted and not conditions:
        message = "rendered and checked only: no environment targets it"
        return Status(want.key, Health.NOT_TARGETED, message, updated=now)
    conditions = _nothing_to_do(conditions, want, seen)
    health, message = _judge(conditions)
    facts = home(want)
    if seen.live:
        facts |= {"version": seen.live.version, "source": seen.live.source_revision}
    return Status(want.key, health, message, conditions, facts, objects(want, seen), updated=now)


def report_tenant(
    want: WantTenant, seen: SeenTenant, plan: Plan, done: Sequence[Outcome], now: datetime
) -> Status:
    """Status of what is declared for a tenant itself."""
    conditions = _conditions({Stage.CONFIGURE: "Configured"}, plan.holds, done)
    health, message = _judge(conditions, "configuration")
    facts = {"tenant": want.key.tenant}
    return Status(want.key, health, message, conditions, facts, _resources(want, seen), updated=now)


def _resources(want: WantTenant, seen: SeenTenant) -> tuple[ObjectRow, ...]:
    groups = seen.groups or {}
    rows = [
        ObjectRow("resource group", g.id, "", groups[g.id].status if g.id in groups else "absent")
        for g in want.groups
    ]
    for secret in want.secrets:
        there = secret.id.kind == "repository" or secret.id in seen.secrets
        kind, detail = KIND_WORDS[secret.id.kind], ", ".join(secret.visible.values())
        rows.append(ObjectRow(kind, secret.id.name, secret.id.group, "kept" if there else "absent", detail))
    return tuple(rows)


def home(want: WantFlow) -> dict[str, str]:
    """Where a flow belongs; `joined` finds its template by it."""
    return {"scenario": want.scenario, "template": want.executable, "tenant": want.tenant}


def row(template: Status | None, flow: Status) -> Status:
    """The line of a flow in an environment with the stages of its template in front."""
    if template is None or flow.health is Health.NOT_TARGETED:
        return flow
    conditions = tuple(dict.fromkeys(template.conditions + flow.conditions))  # one mistake, said once
    if template.facts.get("version") != flow.facts.get("version") and not _bad(template.conditions):
        words = f"version {template.facts.get('version')} is live, its objects follow"
        conditions += (Condition(Stage.CONFIGURE, Mark.WAIT, "ConfigurationPending", words),)
    health, message = _judge(conditions)
    facts: Mapping[str, str] = {**flow.facts, **template.facts}
    return Status(flow.key, health, message, conditions, facts, flow.objects, flow.updated)


def joined(statuses: Iterable[Status]) -> tuple[Status, ...]:
    """One status per flow and environment with its template in front, then the templates without a flow and tenants."""
    known = {status.key: status for status in statuses}
    made, used = [], set()
    for status in known.values():
        if isinstance(status.key, model.FlowKey):
            key = model.TemplateKey(status.facts.get("tenant", ""), status.facts.get("template", ""))
            made.append(row(known.get(key), status))
            used.add(key)
    rest = (s for key, s in known.items() if not isinstance(key, model.FlowKey) and key not in used)
    return (*made, *rest)


def failed(before: Status, error: SyncError, now: datetime) -> Status:
    """Status of a pass that ended before its plan: what was known stays, the error speaks."""
    key = before.key
    stage = Stage.PUBLISH if isinstance(key, model.TemplateKey) else Stage.CONFIGURE
    mark = Mark.WAIT if isinstance(error, Transient) else Mark.FAIL
    old = tuple(c for c in before.conditions if c.stage is not stage)
    conditions = (Condition(stage, mark, error.reason, error.message), *old)
    health = Health.PROGRESSING if mark is Mark.WAIT else Health.ATTENTION
    return Status(key, health, error.message, conditions, before.facts, before.objects, now)


def _conditions(
    stages: Mapping[Stage, str], holds: Iterable[Hold], done: Sequence[Outcome]
) -> tuple[Condition, ...]:
    found = [Condition(h.stage, h.mark, h.reason, h.message, h.subject, h.fingerprint) for h in holds]
    for outcome in done:
        found.append(_of_action(outcome))
    spoken = {c.stage for c in found}
    found += [Condition(stage, Mark.OK, reason) for stage, reason in stages.items() if stage not in spoken]
    order = list(Stage)
    return tuple(sorted(found, key=lambda c: order.index(c.stage)))


def _of_action(outcome: Outcome) -> Condition:
    stage, error = outcome.action.stage, outcome.error
    if error is None:
        return Condition(stage, Mark.WAIT, "Applying", describe(outcome.action))
    mark = Mark.WAIT if isinstance(error, Transient) else Mark.FAIL
    return Condition(stage, mark, error.reason, f"{describe(outcome.action)}: {error.message}")


def _replace_ok(conditions: tuple[Condition, ...], other: Condition) -> tuple[Condition, ...]:
    return tuple(other if c.stage is other.stage and c.mark is Mark.OK else c for c in conditions)


def _bad(conditions: Iterable[Condition]) -> list[Condition]:
    return [c for c in conditions if c.mark in (Mark.FAIL, Mark.WAIT)]


def _nothing_to_do(
    conditions: tuple[Condition, ...], want: WantFlow, seen: SeenFlow
) -> tuple[Condition, ...]:
    """A stage that the manifest does not use says so instead of claiming success."""
    unused = {}
    if not seen.executions and not seen.deployments:
        unused[Stage.EXECUTE] = "NoRuns"
    if not any(c.schedule for c in want.configurations):
        unused[Stage.SCHEDULE] = "NoSchedule"
    if not want.configurations:
        unused[Stage.CONFIGURE] = "NoConfiguration"
    return tuple(
        Condition(c.stage, Mark.OFF, unused[c.stage]) if c.stage in unused and c.mark is Mark.OK else c
        for c in conditions
    )


def _judge(conditions: Iterable[Condition], by: str = "manifest") -> tuple[Health, str]:
    """The one word and the one sentence: the first failure blocks, then the first wait."""
    listed = list(conditions)
    for mark, health in ((Mark.FAIL, Health.ATTENTION), (Mark.WAIT, Health.PROGRESSING)):
        first = next((c for c in listed if c.mark is mark), None)
        if first:
            return health, _sentence(first)
    suspended = next((c for c in listed if c.reason in ("FlowSuspended", "Frozen")), None)
    if suspended:
        return Health.SUSPENDED, _sentence(suspended)
    rolled_back = next((c for c in listed if c.reason == "RolledBack"), None)
    if rolled_back:
        return Health.HEALTHY, _sentence(rolled_back)
    resting = [_sentence(c) for c in listed if c.mark is Mark.OFF and c.reason in RESTING]
    return Health.HEALTHY, "; ".join([f"everything is as the {by} says", *resting])


def _sentence(condition: Condition) -> str:
    subject = f"{condition.subject}: " if condition.subject else ""
    return f"{condition.reason}: {subject}{condition.message}"
