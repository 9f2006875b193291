"""Which keys a source wants, and what stands behind each: one look-up per pass instead of a search.

A catalog that may have missed a flow says that it is not `complete`, so that nothing looks gone because of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from aicore_sync.core.discover import FoundTemplate
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.inventory import Broken, FlowSource, Inventory
from aicore_sync.core.manifest import Manifest, for_environment
from aicore_sync.core.model import FlowKey, TemplateKey, TenantKey

NOWHERE = ""  # the environment of a flow that no environment targets


@dataclass(frozen=True)
class Target:
    """One template to make: a source as it is in the environments of one tenant that share the executable id."""

    key: TemplateKey
    source: FlowSource
    manifest: Manifest
    environments: tuple[str, ...]

    @property
    def flow(self) -> str:
        """The flow's name."""
        return self.source.manifest.executable.id


@dataclass(frozen=True)
class Catalog:
    """All keys of the sources. `broken` are files of flows that cannot be read, by flow where it is known.

    `denied` are flows by name and executable id that want more than their source may: what they lose by that is kept.
    """

    targets: Mapping[TemplateKey, Target] = field(default_factory=dict)
    flows: Mapping[FlowKey, Target] = field(default_factory=dict)
    broken: Mapping[str, Broken] = field(default_factory=dict)
    denied: Mapping[str, FlowSource] = field(default_factory=dict)
    complete: bool = False

    def names(self) -> frozenset[str]:
        """All flows that are there, readable or not."""
        return self._names

    def renderings(self) -> frozenset[tuple[Literal["native", "plugin"], str]]:
        """The rendering environments that flows need: dialect and name."""
        flows = [t for t in self.flows.values() if not isinstance(t.source.found, FoundTemplate)]
        return frozenset((t.manifest.dialect, t.manifest.render_environment) for t in flows)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(key.flow for key in self.flows) | frozenset(self.broken)

    def users(self, key: TemplateKey | TenantKey) -> tuple[FlowKey, ...]:
        """The flows that run a template, or anything in a tenant."""
        return self._users.get(key, ())

    @cached_property
    def _users(self) -> Mapping[TemplateKey | TenantKey, tuple[FlowKey, ...]]:
        users: dict[TemplateKey | TenantKey, list[FlowKey]] = {}
        for flow, target in self.flows.items():
            for key in (target.key, TenantKey(target.key.tenant)):
                users.setdefault(key, []).append(flow)
        return {key: tuple(flows) for key, flows in users.items()}


def catalog(inventory: Inventory, tenants: Mapping[str, str], *, complete_scan: bool) -> Catalog:
    """The keys of an inventory; `tenants` maps the configured environments to their tenants."""
    targets: dict[TemplateKey, Target] = {}
    flows: dict[FlowKey, Target] = {}
    for source in inventory.sources:
        flow = source.manifest.executable.id
        for environment in _known(source.manifest.environments, tenants):
            own = _target(source, environment, tenants[environment])
            flows[FlowKey(flow, environment)] = own
            first = targets.setdefault(own.key, own)
            if first is not own and first.source is source:
                targets[own.key] = replace(first, environments=(*first.environments, environment))
        if not _known(source.manifest.environments, tenants):
            key = TemplateKey(NOWHERE, flow)
            flows[FlowKey(flow, NOWHERE)] = Target(key, source, source.manifest, ())
    broken = {b.executable or b.file: b for b in inventory.broken}
    return Catalog(targets, flows, broken, _denied(inventory), complete_scan and not broken)


def _denied(inventory: Inventory) -> dict[str, FlowSource]:
    found = {}
    for source in inventory.sources:
        for environment in source.denied:
            with suppress(InvalidInput):
                found[for_environment(source.manifest, environment).executable.id] = source
            found[source.manifest.executable.id] = source
    return found


def _known(environments: Iterable[str], tenants: Mapping[str, str]) -> list[str]:
    return [name for name in environments if name in tenants]


def _target(source: FlowSource, environment: str, tenant: str) -> Target:
    try:
        manifest = for_environment(source.manifest, environment)
    except InvalidInput:  # the source's own problems say so; keep the base form so that its key stays known
        manifest = source.manifest
    return Target(TemplateKey(tenant, manifest.executable.id), source, manifest, (environment,))
