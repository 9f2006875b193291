"""Will runs start there? What templates need against what a tenant and a resource group have. Pure.

A fact that could not be read is None: it fails nothing. Sources of the rules: AI Core's pages on service plans,
secrets, resource groups, and on executions that stay UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from aicore_sync.core.application import trouble
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.template import Needs
from aicore_sync.core.world import ApplicationStatus

AGAIN = 60.0  # seconds until something that is missing is looked for again
FREE_PLAN = "starter"  # the only resource plan of the free plan


@dataclass(frozen=True)
class GroupState:
    """A resource group as the tenant lists it; `status` "" means that it is not listed."""

    status: str
    message: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of a tenant and one of its resource groups. `secrets` are those that pods there may name."""

    group: GroupState | None = None
    stores: frozenset[str] | None = None
    secrets: frozenset[str] | None = None
    registries: frozenset[str] | None = None
    plan: str | None = None
    instance_types: frozenset[str] | None = None


@dataclass(frozen=True)
class Look:
    """One thing that was looked at. `state` is ok, missing or unknown; a missing one has a reason and its cure."""

    what: str
    state: Literal["ok", "missing", "unknown"]
    reason: str = ""
    message: str = ""


def looks(needs: Needs, facts: Facts, tenant: str, group: str) -> Iterator[Look]:
    """Everything that the needs ask for, in a fixed order."""
    for name in sorted(needs.stores):
        cure = f"declare it under environments[].objectStores, or register it under resource group {group}"
        words = f"resource group {group} has no object store secret {name}: runs would stay UNKNOWN; {cure}"
        yield _look(f"object store secret {name}", name, facts.stores, ("ObjectStoreMissing", words))
    for name in sorted(needs.registries):
        cure = "declare it under tenants[].registrySecrets, or register it for the tenant"
        words = f"tenant {tenant} has no docker registry secret {name}: runs would stay UNKNOWN; {cure}"
        yield _look(f"registry secret {name}", name, facts.registries, ("RegistrySecretMissing", words))
    for name in sorted(needs.secrets):
        cure = "declare it under environments[].secrets, create it there or for the whole tenant, or correct the name"
        words = f"resource group {group} has no secret {name}: steps could not start; {cure}"
        yield _look(f"secret {name}", name, facts.secrets, ("SecretMissing", words))
    yield from _hardware(needs, facts, tenant)


def _look(what: str, name: str, known: frozenset[str] | None, otherwise: tuple[str, str]) -> Look:
    if known is None:
        return Look(what, "unknown", message="the service key may not list it")
    return Look(what, "ok") if name in known else Look(what, "missing", *otherwise)


def _hardware(needs: Needs, facts: Facts, tenant: str) -> Iterator[Look]:
    """free: only `starter`. standard: resource plans. extended: also instance types, those that the tenant lists."""
    plan = facts.plan
    for name in sorted(needs.plans):
        what = f"resource plan {name}"
        if plan == "free" and name != FREE_PLAN:
            words = f"tenant {tenant} is on the free plan, which has only {FREE_PLAN}; use it, or another service plan"
            yield Look(what, "missing", "HardwareMissing", f"{what}: {words}")
        else:
            yield Look(what, "ok" if plan else "unknown")
    for name in sorted(needs.instance_types):
        what, listed = f"instance type {name}", facts.instance_types
        if plan in ("free", "standard"):
            words = f"the {plan} plan of tenant {tenant} has none; use resourcePlan, or the extended plan"
            yield Look(what, "missing", "HardwareMissing", f"{what}: {words}")
        elif listed and name not in listed:
            words = f"tenant {tenant} does not list it; it has {', '.join(sorted(listed))}"
            yield Look(what, "missing", "HardwareMissing", f"{what}: {words}")
        else:
            yield Look(what, "ok" if listed else "unknown")


def group_look(facts: Facts, tenant: str, group: str) -> Look:
    """The resource group itself."""
    what, found = f"resource group {group}", facts.group
    if found is None:
        return Look(what, "unknown", message="the service key may not list resource groups")
    if not found.status:
        cure = "set environments[].createGroup, create it yourself, or correct environments[].resourceGroup"
        return Look(what, "missing", "ResourceGroupMissing", f"tenant {tenant} has no {what}; {cure}")
    if found.status.upper() in ("PROVISIONED", ""):
        return Look(what, "ok")
    said = f": {found.message}" if found.message else ""
    words = f"{what} of tenant {tenant} is {found.status}{said}; it can be used when it is PROVISIONED"
    return Look(what, "missing", "ResourceGroupNotReady", words)


def repository_look(status: ApplicationStatus | None, tenant: str, expected: bool) -> Look:
    """Whether AI Core can read the tenant's repository, as far as its application tells.

    `expected`: files of ours are there, and AI Core has had its time, so that its silence means something too.
    """
    what, found = "repository", trouble(status)
    if status is None or (found and not expected):
        return Look(what, "unknown")
    if found is None or not found.unreadable:
        return Look(what, "ok")
    words = f"AI Core cannot read the repository of tenant {tenant}: {found.words}"
    return Look(what, "missing", "RepositoryUnreadable", words)


def holds(found: Iterable[Look], stage: Stage = Stage.EXECUTE) -> tuple[Hold, ...]:
    """A hold for everything that is missing; without another stage, on starting runs."""
    return tuple(
        Hold(stage, look.reason, look.message, look.what, after=AGAIN, mark=Mark.FAIL)
        for look in found
        if look.state == "missing"
    )
