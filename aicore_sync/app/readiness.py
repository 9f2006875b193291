"""Is everything there that the configuration and the flows rely on? One line per thing, each failure with its cure."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aicore_sync.app.build import App
from aicore_sync.config import secret_references
from aicore_sync.controller.estate import Environment, Tenant
from aicore_sync.core.catalog import Target
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.preflight import Facts, group_look
from aicore_sync.core.template import Needs, read_published, secret_needs
from aicore_sync.core.world import Quota
from aicore_sync.git import Clone

State = Literal["ok", "missing", "unknown"]
COUNTED = "workflowTemplates"  # the quota that new flows count against


@dataclass(frozen=True)
class Line:
    """What was looked at, where, whether it is there, and why not. `reason` names a failure for machines."""

    what: str
    place: str
    state: State
    message: str = ""
    reason: str = ""


async def readiness(app: App) -> tuple[Line, ...]:
    """All lines: secrets of the configuration, sources, repositories, then tenant by tenant."""
    await app.read_sources()
    lines = [*_secrets(app), *_sources(app)]
    for branch in app.estate.branches.values():
        lines.append(await _tried("repository", branch.name, _readable(branch.clone)))
    for tenant in app.estate.tenants.values():
        lines += await _tenant(app, tenant)
    return tuple(lines)


def _secrets(app: App) -> Iterator[Line]:
    for key, reference in secret_references(app.settings):
        try:
            reference.read()
        except SyncError as error:
            yield Line("secret of the configuration", key, "missing", error.message, error.reason)
        else:
            yield Line("secret of the configuration", key, "ok")


def _sources(app: App) -> Iterator[Line]:
    """A directory tells what hides a part of it; a remote fails with its own words."""
    errors = app.desire.sources.errors()
    unread = app.desire.sources.unread()
    for source in app.desire.sources.origins:
        error = errors.get(source.name)
        hiding = app.desire.sources.hiding(source.name) or "a part of it cannot be read"
        words = error.message if error else hiding
        if source.name in unread:
            yield Line("source", source.name, "missing", words, error.reason if error else "SourceIncomplete")
        else:
            yield Line("source", source.name, "ok")


async def _tried(what: str, place: str, work: Awaitable[str]) -> Line:
    """A line about something that fails with its own words. The work answers what is worth a remark."""
    try:
        return Line(what, place, "ok", await work)
    except SyncError as error:
        return Line(what, place, "missing", error.message, error.reason)


async def _readable(clone: Clone) -> str:
    head = await clone.fetch()
    return "" if head else "the branch does not exist yet; the first publish creates it"


async def _tenant(app: App, tenant: Tenant) -> list[Line]:
    credential = await _tried("credential", tenant.name, _token(app, tenant))
    if credential.state != "ok":
        return [credential]
    lines = [credential, await _tried("application", tenant.name, _application(app, tenant))]
    lines.append(await _tried("object store", tenant.name, _store(tenant)))
    lines += await _quotas(app, tenant)
    for place in app.estate.environments_of(tenant.name):
        lines += await _environment(app, place)
    return lines


async def _token(app: App, tenant: Tenant) -> str:
    await tenant.client.zones()
    problem = await app.reconcile.gates.preflight.wrong_tenant(tenant)
    if problem:
        raise Stalled(problem, reason="WrongTenant")
    return ""


async def _application(app: App, tenant: Tenant) -> str:
    found = await app.reader.lists.registration(tenant)
    if found.elsewhere or found.shared:
        reason = "ApplicationElsewhere" if found.elsewhere else "ApplicationShared"
        raise Stalled(found.elsewhere or found.shared, reason=reason)
    look = await app.reconcile.gates.preflight.repository(tenant, waited=True)
    if look.reason:
        raise Stalled(look.message, reason=look.reason)
    parts = (("repository", found.repository), ("application", found.application))
    absent = " and ".join(name for name, there in parts if not there)
    return f"the first publish registers the {absent}" if absent else ""


async def _store(tenant: Tenant) -> str:
    if tenant.store:
        await tenant.store.check()
    return ""


async def _quotas(app: App, tenant: Tenant) -> list[Line]:
    try:
        found = await tenant.client.quotas()
        ours = await app.reader.lists.owned(tenant)
    except SyncError as error:
        return [Line("quota", tenant.name, "unknown", error.message, error.reason)]
    wanted = {key.executable for key in app.desire.catalog.targets if key.tenant == tenant.name}
    new = len(wanted - ours.keys())
    return [_quota(quota, tenant.name, new if quota.name == COUNTED else 0) for quota in found]


def _quota(quota: Quota, tenant: str, wanted: int) -> Line:
    words = f"{quota.used} of {quota.limit} in use"
    words += f", {wanted} more wanted" if wanted else ""
    if quota.used + wanted <= quota.limit:
        return Line(f"quota of {quota.name}", tenant, "ok", words)
    words += "; delete what is not needed or ask SAP for a higher quota"
    return Line(f"quota of {quota.name}", tenant, "missing", words, "QuotaExceeded")


async def _environment(app: App, place: Environment) -> list[Line]:
    where = f"{place.tenant}/{place.name}"
    try:
        group = group_look(
            Facts(await app.reader.lists.group_state(place)), place.tenant, place.resource_group
        )
        found = [group]
        if group.state != "missing":
            needs = await _needs(app, place)
            found += await app.reconcile.gates.preflight.looks(place, needs)
    except SyncError as error:
        return [Line(f"resource group {place.resource_group}", where, "unknown", error.message, error.reason)]
    return [Line(look.what, where, look.state, look.message, look.reason) for look in found]


async def _needs(app: App, place: Environment) -> Needs:
    """What manifests name for this environment, and what the templates need that are published for it."""
    tenant = app.estate.tenants[place.tenant]
    needs = Needs()
    for key, target in app.desire.catalog.flows.items():
        if key.environment == place.name:
            needs |= _named(target, app.desire.sources.file(target.source.file), tenant)
    for facts in (await app.reader.lists.owned(tenant)).values():
        if place.name in facts.environments:
            needs |= facts.needs
    return needs


def _named(target: Target, file: Path, tenant: Tenant) -> Needs:
    """A hand-written template says it itself; a flow's comes from its manifest, without rendering."""
    manifest = target.manifest
    if manifest.template:
        try:
            found = read_published(file.read_bytes())
        except OSError:
            return Needs()
        return found.needs if found else Needs()
    secrets = manifest.secrets if manifest.secrets is not None else (tenant.store_secret,)
    return secret_needs(secrets) | Needs(
        registries=frozenset(manifest.image_pull_secrets),
        plans=frozenset(manifest.resource_plan.values()),
        instance_types=frozenset(manifest.instance_type.values()),
    )
