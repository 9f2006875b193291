"""What `get` shows: objects of AI Core and git, read now, one list per kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.once import Advance, Planned, plan_once
from aicore_sync.app.runs import Found, listed
from aicore_sync.controller.estate import Environment, Tenant
from aicore_sync.core.answers import (
    ArtifactAnswer,
    ConfigurationAnswer,
    ExecutionAnswer,
    QuotaAnswer,
    ScheduleAnswer,
    SourceAnswer,
    TenantAnswer,
    TickAnswer,
    Where,
)
from aicore_sync.core.cron import next_ticks
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import Health, Status
from aicore_sync.core.report import joined
from aicore_sync.core.world import Artifact, Configuration, Schedule


async def statuses(app: App, advance: Advance) -> tuple[Status, ...]:
    """How every flow is, found out by a look at everything; nothing is written."""
    return _statuses(await plan_once(app, advance))


def _statuses(planned: Planned) -> tuple[Status, ...]:
    at = now()
    found = [look.status(at) for look in planned.looks.values()]
    for key, plan in planned.plans.items():
        if key not in planned.looks:
            message = "; ".join(f"{hold.reason}: {hold.message}" for hold in plan.holds)
            found.append(Status(key, Health.ATTENTION, message, updated=at))
    return joined(found)


def places(app: App, environment: str) -> tuple[Environment, ...]:
    """The environments that are meant. Raises Stalled for one that the configuration does not name."""
    return (app.estate.environment(environment),) if environment else tuple(app.estate.environments.values())


def named(full_name: str) -> tuple[str, str]:
    """Flow and manifest name in `<owner>.<flow>.<name>[.<hash>]`; empty where it has another form."""
    parts = full_name.split(".")
    return (parts[1], parts[2]) if len(parts) >= 3 else ("", "")


async def configurations(app: App, where: Where) -> tuple[ConfigurationAnswer, ...]:
    """Our configurations, newest first within each flow."""
    found = []
    for place in places(app, where.environment):
        there = (await app.reader.lists.configurations(place)).all
        found += [_configuration(c, place) for c in sorted(there, key=_age, reverse=True)]
    return tuple(
        sorted((c for c in found if where.flow in ("", c.flow)), key=lambda c: (c.flow, c.environment))
    )


def _configuration(found: Configuration, place: Environment) -> ConfigurationAnswer:
    flow, name = named(found.name)
    return ConfigurationAnswer(
        id=found.id,
        flow=flow,
        name=name,
        environment=place.name,
        full_name=found.name,
        scenario=found.scenario,
        executable=found.executable,
        parameters=dict(found.parameters),
        inputs=dict(found.inputs),
        created=found.created_at,
    )


async def schedules(app: App, where: Where) -> tuple[ScheduleAnswer, ...]:
    """Our schedules by flow and name."""
    found = []
    for place in places(app, where.environment):
        found += [_schedule(s, place, now()) for s in (await app.reader.lists.schedules(place)).all]
    chosen = (s for s in found if where.flow in ("", s.flow))
    return tuple(sorted(chosen, key=lambda s: (s.flow, s.name, s.environment)))


def _schedule(found: Schedule, place: Environment, at: datetime) -> ScheduleAnswer:
    flow, name = named(found.name)
    return ScheduleAnswer(
        id=found.id,
        flow=flow,
        name=name,
        environment=place.name,
        status=found.status,
        cron=found.cron,
        start=found.start,
        end=found.end,
        configuration=found.configuration,
        next=next(_ticks(found, at, 1), None),
    )


def _ticks(schedule: Schedule, at: datetime, count: int) -> Iterator[datetime]:
    if schedule.status != "ACTIVE":
        return
    try:
        coming = next_ticks(schedule.cron, max(at, schedule.start or at), count)
    except ValueError:  # AI Core has taken what we would not
        return
    yield from (tick for tick in coming if schedule.end is None or tick <= schedule.end)


async def ticks(app: App, where: Where) -> tuple[TickAnswer, ...]:
    """The next runs of all active schedules together, soonest first."""
    found: list[TickAnswer] = []
    for place in places(app, where.environment):
        for schedule in (await app.reader.lists.schedules(place)).all:
            flow, name = named(schedule.name)
            if where.flow in ("", flow):
                found += [
                    TickAnswer(at=tick, flow=flow, name=name, environment=place.name, cron=schedule.cron)
                    for tick in _ticks(schedule, now(), where.limit)
                ]
    return tuple(sorted(found, key=lambda t: (t.at, t.flow, t.name, t.environment))[: where.limit])


async def executions(app: App, where: Where) -> tuple[ExecutionAnswer, ...]:
    """The newest runs of our configurations, newest first."""
    return tuple(execution_answer(f) for f in await listed(app, where.flow, where.environment, where.limit))


def execution_answer(found: Found) -> ExecutionAnswer:
    """A run as data."""
    flow, name = named(found.name)
    run = found.execution
    return ExecutionAnswer(
        id=run.id,
        flow=flow,
        configuration=name,
        configuration_id=run.configuration,
        environment=found.place.name,
        status=run.status,
        message=run.message,
        by=found.whose,
        created=run.created_at,
        completed=run.completed_at,
        outputs=tuple(sorted(output.name for output in run.outputs)),
    )


async def artifacts(app: App, where: Where) -> tuple[ArtifactAnswer, ...]:
    """Artifacts that manifests declare, and what the newest runs made."""
    found = []
    for place in places(app, where.environment):
        for artifact in (await app.reader.lists.artifacts(place)).all:
            flow = next((t for k, t in artifact.labels.items() if k.endswith("aicore-sync.key")), "").split(
                "."
            )[0]
            if where.flow in ("", flow):
                found.append(_artifact(artifact, place))
    for run in await listed(app, where.flow, where.environment, where.limit):
        found += [_artifact(output, run.place, run.execution.id) for output in run.execution.outputs]
    return tuple({(a.environment, a.id): a for a in found}.values())


def _artifact(found: Artifact, place: Environment, execution: str | None = None) -> ArtifactAnswer:
    return ArtifactAnswer(
        id=found.id,
        name=found.name,
        kind=found.kind,
        url=found.url,
        environment=place.name,
        scenario=found.scenario,
        execution=execution or found.execution,
        created=found.created_at,
    )


async def sources(app: App) -> tuple[SourceAnswer, ...]:
    """Every source of the configuration, read now."""
    await app.know_sources()
    catalog, read = app.desire.catalog, app.desire.sources
    errors, unread = read.errors(), read.unread()
    views = {poll.fetched.name: poll.fetched.view() for poll in app.polls}
    found = []
    for item in app.settings.sources:
        view, error = views.get(item.name), errors.get(item.name)
        flows = {key.flow: t.source for key, t in catalog.flows.items() if t.source.origin == item.name}
        broken = [b for b in catalog.broken.values() if read.origin_of(b.file) == item.name]
        wrong = [source for source in flows.values() if source.problems]
        found.append(
            SourceAnswer(
                name=item.name,
                kind="git" if item.git else "directory",
                place=item.git.url if item.git else str(item.directory),
                revision=view.revision if view else "",
                flows=len(flows),
                broken=len(broken) + len(wrong),
                complete=item.name not in unread,
                problem=error.message if error else read.hiding(item.name),
            )
        )
    return tuple(found)


async def tenants(app: App) -> tuple[TenantAnswer, ...]:
    """Every tenant of the configuration; one that cannot be read says why and hides no other."""
    return tuple(await asyncio.gather(*(_tenant(app, tenant) for tenant in app.estate.tenants.values())))


async def _tenant(app: App, tenant: Tenant) -> TenantAnswer:
    remote = tenant.branch.clone.remote
    answer = TenantAnswer(
        name=tenant.name,
        application=tenant.application,
        repository=remote.url,
        branch=remote.branch,
        path=tenant.path,
        environments=tuple(e.name for e in app.estate.environments_of(tenant.name)),
        sync="",
        revision="",
        quotas=(),
        problem="",
    )
    try:
        status = await app.reader.lists.application(tenant)
        found = await tenant.client.quotas()
    except SyncError as error:
        return answer.model_copy(update={"problem": error.message})
    quotas = tuple(QuotaAnswer(name=q.name, used=q.used, limit=q.limit) for q in found)
    synced = {"sync": status.sync, "revision": status.revision} if status else {}
    return answer.model_copy(update={"quotas": quotas, **synced})


def _age(item: Configuration) -> float:
    return item.created_at.timestamp() if item.created_at else 0.0
