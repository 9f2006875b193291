"""Looks into executions that are DEAD or stuck, and deployments that are DEAD, once each, and keeps the sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import structlog

from aicore_sync.aicore import Group, NotFound
from aicore_sync.controller.archive import log_start
from aicore_sync.controller.estate import Environment, Estate
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.desired import SeenFlow, WantFlow
from aicore_sync.core.errors import InvalidInput, SyncError
from aicore_sync.core.explain import Evidence, explain
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.plan.deployments import our_deployments
from aicore_sync.core.plan.origin import age_order
from aicore_sync.core.plan.runs import is_stuck
from aicore_sync.core.template import binding_problems, parse_document
from aicore_sync.core.template.needs import needs
from aicore_sync.core.world import Deployment, Execution

KEPT = 2000
PER_FLOW = 5  # at most so many are looked into for one flow
_STUCK_AGAIN = timedelta(minutes=10)
_AFTER_FAILURE = timedelta(minutes=1)
_SECRETS_AGE = 300.0
_TAIL = 20

Troubled = Execution | Deployment

log = structlog.get_logger()


class Causes:
    """Sentences by execution or deployment. A DEAD one is looked into once, a stuck one again after a while."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots
        self._known: dict[tuple[str, str], str] = {}  # (execution, status) -> sentence
        self._again: dict[tuple[str, str], datetime] = {}

    async def read(self, want: WantFlow, seen: SeenFlow, place: Environment) -> Mapping[str, str]:
        """Id → sentence, for the newest run and deployment of each configuration where it is DEAD or stuck."""
        now, found = self._estate.clock(), {}
        troubled: list[Troubled] = [*_troubled(want, seen, now), *_dead_deployments(seen)]
        for one in troubled:
            key = (one.id, one.status)
            again = self._again.get(key)
            if key not in self._known or (again and now >= again):
                await self._look(one, want, seen, place)
            if self._known.get(key):
                found[one.id] = self._known[key]
        return found

    async def _look(self, one: Troubled, want: WantFlow, seen: SeenFlow, place: Environment) -> None:
        key, now = (one.id, one.status), self._estate.clock()
        while len(self._known) >= KEPT:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._again.pop(oldest, None)
        try:
            evidence = await self._evidence(one, want, seen, place)
        except SyncError as error:
            log.warning("unexplained", id=one.id, reason=error.reason)
            self._known.setdefault(key, "")
            self._again[key] = now + _AFTER_FAILURE
            return
        self._known[key] = explain(evidence)
        self._again.pop(key, None)
        if one.status != "DEAD":
            self._again[key] = now + _STUCK_AGAIN

    async def _evidence(self, one: Troubled, want: WantFlow, seen: SeenFlow, place: Environment) -> Evidence:
        group = self._estate.tenants[place.tenant].client.group(place.resource_group)
        if isinstance(one, Deployment):
            return Evidence(one, await group.deployments.details(one.id), await _served(group, one))
        return await self._of_run(one, want, seen, place)

    async def _of_run(
        self, execution: Execution, want: WantFlow, seen: SeenFlow, place: Environment
    ) -> Evidence:
        group = self._estate.tenants[place.tenant].client.group(place.resource_group)
        details = await group.executions.details(execution.id)
        if execution.status == "DEAD":
            return Evidence(execution, details, await _tail(group, execution))
        bound = next((c for c in seen.configurations if c.id == execution.configuration), None)
        problems = binding_problems(seen.live, bound.parameters, bound.inputs) if bound and seen.live else ()
        return Evidence(execution, details, (), await self._missing(want, place), tuple(problems))

    async def _missing(self, want: WantFlow, place: Environment) -> tuple[str, ...]:
        """Secrets that the live template needs and that do not exist, in words."""
        data = self._memory.live_files.get(TemplateKey(place.tenant, want.executable))
        if data is None:
            return ()
        try:
            wanted = needs(parse_document(data, "template"))
        except InvalidInput:
            return ()
        secrets = self._estate.tenants[place.tenant].client.secrets

        async def there() -> tuple[frozenset[str], frozenset[str]]:
            stores = await secrets.object_stores(place.resource_group)
            registries = await secrets.docker_registries()
            return frozenset(s.name for s in stores), frozenset(s.name for s in registries)

        stores, registries = await self._snapshots.get(("secrets", place.name), there, _SECRETS_AGE)
        missing = [f"object store secret {name}" for name in sorted({"default", *wanted.stores} - stores)]
        return (*missing, *(f"docker registry secret {n}" for n in sorted(wanted.registries - registries)))


async def _served(group: Group, deployment: Deployment) -> tuple[str, ...]:
    """The last lines, where AI Core keeps any."""
    try:
        lines = await group.serving_logs.tail(deployment.id, log_start(deployment), _TAIL)
    except NotFound:
        return ()
    return tuple(line.text for line in lines)


async def _tail(group: Group, execution: Execution) -> tuple[str, ...]:
    return tuple(line.text for line in await group.logs.tail(execution.id, log_start(execution), _TAIL))


def _dead_deployments(seen: SeenFlow) -> Iterable[Deployment]:
    """Of each configuration name the newest, where it is DEAD."""
    newest = (several[-1] for several in our_deployments(seen).values())
    return [deployment for deployment in newest if deployment.status == "DEAD"][:PER_FLOW]


def _troubled(want: WantFlow, seen: SeenFlow, now: datetime) -> Iterable[Execution]:
    """The newest run of each configuration name that is DEAD or stuck, the newest of all first."""
    names = {c.id: c.name.rpartition(".")[0] for c in seen.configurations}
    newest = {names[e.configuration]: e for e in sorted(_ours(seen, names), key=age_order)}
    troubled = [e for e in newest.values() if e.status == "DEAD" or is_stuck(e, want.policy.stuck_after, now)]
    return sorted(troubled, key=age_order, reverse=True)[:PER_FLOW]


def _ours(seen: SeenFlow, names: Mapping[str, str]) -> Iterable[Execution]:
    return (e for e in seen.executions if e.configuration in names and e.target_status != "DELETED")
