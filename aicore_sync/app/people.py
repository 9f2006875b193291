"""Who is told of what: people by routes and outboxes, a collector by traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

from aicore_sync import __version__
from aicore_sync.config import SecretRef, Settings
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.errors import InvalidInput, Problem, SyncError
from aicore_sync.core.model import FlowKey, Key, TenantKey
from aicore_sync.notify import (
    AppriseSender,
    LogNotifier,
    Notices,
    Outbox,
    OutboxOptions,
    Route,
    Rule,
    unusable,
)
from aicore_sync.telemetry import Metrics, NoTraces, Tally, TraceOptions, Traces, open_traces


def people(settings: Settings, metrics: Metrics) -> tuple[Notices, tuple[Outbox, ...]]:
    """The log as a route, and an outbox for each address. Raises InvalidInput for an address nobody can use."""
    problems = list(_problems(settings))
    if problems:
        raise InvalidInput(problems)
    routes, outboxes = [Route(Rule(), LogNotifier())], []
    for one in settings.notifications:
        options = OutboxOptions(one.group, link=lambda key: link(settings, key), sent=metrics.note)
        rule = Rule(one.flows, one.environments, one.severity == "info", one.after.failures, one.after.within)
        for address in one.to:
            outbox = Outbox(one.name, AppriseSender(address.read), options)
            routes.append(Route(rule, outbox))
            outboxes.append(outbox)
    places: dict[str, list[str]] = {}
    for name, tenant in settings.tenants_by_environment().items():
        places.setdefault(tenant, []).append(name)
    return Notices(routes, places), tuple(outboxes)


def tracing(settings: Settings) -> Traces:
    """Where rollouts go as traces. Raises Stalled when the extra for it is missing."""
    wanted = settings.tracing
    if wanted.endpoint is None:
        return NoTraces()
    headers = {name: value.read() for name, value in wanted.headers.items()}
    return open_traces(TraceOptions(wanted.endpoint, settings.owner, __version__, headers))


def link(settings: Settings, key: Key) -> str:
    """Where people read about a flow; "" without `http.publicUrl`. A template is found by its name."""
    base = settings.http.public_url
    if base is None:
        return ""
    if isinstance(key, FlowKey):
        return f"{base.rstrip('/')}/flows/{quote(key.flow)}/{quote(key.environment or '-')}"
    if isinstance(key, TenantKey):
        return f"{base.rstrip('/')}/tenants/{quote(key.tenant)}"
    return f"{base.rstrip('/')}/?q={quote(key.executable)}"


def tally(estate: Estate, snapshots: Snapshots) -> Tally:
    """Executions and quotas as last listed, of the environments and tenants that there are."""
    executions: Counter[tuple[str, str]] = Counter()
    for environment, listed in snapshots.newest("executions"):
        if environment in estate.environments:
            executions.update((environment, run.status) for run in listed.all)
    left: dict[tuple[str, str], int] = {}
    for tenant, quotas in snapshots.newest("quotas"):
        if tenant in estate.tenants:
            left.update({(tenant, quota.name): quota.limit - quota.used for quota in quotas})
    return Tally(executions, left)


def _problems(settings: Settings) -> Iterator[Problem]:
    for at, one in enumerate(settings.notifications):
        for number, address in enumerate(one.to):
            found = _unusable(address)
            if found:
                key = f"notifications[{at}].to[{number}]"
                cure = "see docs/notifications.md for the forms"
                yield Problem("configuration", 0, key, found, "an address of apprise", cure)


def _unusable(address: SecretRef) -> str:
    try:
        return unusable(address.read())
    except SyncError:
        return ""  # a secret that is not there yet is told where it is needed, and by `config check`
