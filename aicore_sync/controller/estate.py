"""What the configuration names, as live objects: owner, branches, tenants, environments, timings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

from aicore_sync.aicore import AICore, GitCredentials
from aicore_sync.controller.declared import Declared
from aicore_sync.controller.reviews import Reviews
from aicore_sync.core.desired import RunPolicy
from aicore_sync.core.errors import Stalled
from aicore_sync.core.freeze import Window
from aicore_sync.core.model import FlowKey, Key
from aicore_sync.core.world import Application
from aicore_sync.datastore import DataStore
from aicore_sync.git import Clone, Committer, OwnerLock, StateBranch
from aicore_sync.render import InstanceType


@dataclass(frozen=True)
class Home:
    """A repository, named by the first branch that is published there: its branches share state branch and lock."""

    name: str
    state: StateBranch
    lock: OwnerLock


@dataclass(frozen=True)
class Branch:
    """The publish branch of one repository and what writes to it."""

    name: str
    clone: Clone
    committer: Committer
    home: Home
    reviews: Reviews | None = None  # None: templates are pushed

    @property
    def state(self) -> StateBranch:
        """Where decisions and the lock are kept."""
        return self.home.state

    @property
    def lock(self) -> OwnerLock:
        """What whoever writes here must hold."""
        return self.home.lock


@dataclass(frozen=True)
class Tenant:
    """One AI Core service instance. `path` is the application's directory in the branch; `format` of our files."""

    name: str
    client: AICore
    branch: Branch
    application: str
    path: str
    format: Literal["yaml", "json"]
    store: DataStore | None
    store_root: str
    store_endpoint: str
    store_secret: str
    wanted_application: Application
    git_login: Callable[[], GitCredentials]
    declared: Declared = field(default_factory=Declared)
    instance_types: tuple[InstanceType, ...] = ()


@dataclass(frozen=True)
class Environment:
    """A resource group of a tenant under a name."""

    name: str
    tenant: str
    resource_group: str
    retire: bool = False  # everything of ours goes


@dataclass(frozen=True)
class Timings:
    """Seconds. See the configuration page for what each means."""

    interval: float = 180.0
    jitter: float = 0.05
    gone_after: float = 60.0
    list_age: float = 10.0  # what lists may be old for a pass that has something to do
    round_age: float = 90.0  # and for one that had nothing to do the last time; less than the interval
    head_age: float = 2.0
    push_retry: float = 30.0
    pass_timeout: float = 300.0
    polls: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # between looks at an application that syncs
    sync_timeout: float = 600.0
    lock_margin: float = 60.0  # left on the lock before a write: at least a request's timeout


@dataclass(frozen=True)
class Limits:
    """Brakes on what many flows do at once; shares are of all known flows."""

    removal_share: float = 0.30
    removal_floor: int = 3
    start_share: float = 0.20
    start_floor: int = 5


@dataclass(frozen=True)
class Estate:
    """Everything a pass may look at or write to."""

    owner: str
    tenants: Mapping[str, Tenant]
    environments: Mapping[str, Environment]
    branches: Mapping[str, Branch]
    policy: RunPolicy
    timings: Timings
    limits: Limits
    clock: Callable[[], datetime]
    freezes: tuple[Window, ...] = ()
    override_freeze: bool = False  # a person said so for this one process
    log_archive: Path | None = None  # where logs of executions go before these are deleted
    log_drafts: Path = Path("logs")  # where they are put together on their way to an object store

    def tenant_of(self, environment: str) -> Tenant:
        """The tenant of an environment; Stalled when the configuration does not name it."""
        return self.tenants[self.environment(environment).tenant]

    def environment(self, name: str) -> Environment:
        """An environment by name; Stalled when the configuration does not name it."""
        try:
            return self.environments[name]
        except KeyError:
            known = ", ".join(sorted(self.environments)) or "none"
            raise Stalled(
                f"environment {name} is not in the configuration (it names {known})", reason="Orphaned"
            ) from None

    def environments_of(self, tenant: str) -> tuple[Environment, ...]:
        """All environments of a tenant."""
        return self._places.get(tenant, ())

    @cached_property
    def _places(self) -> Mapping[str, tuple[Environment, ...]]:
        found: dict[str, list[Environment]] = {}
        for place in self.environments.values():
            found.setdefault(place.tenant, []).append(place)
        return {tenant: tuple(places) for tenant, places in found.items()}

    def lane(self, key: Key) -> str:
        """The tenant that a key's pass talks to; "" for flows that no environment targets."""
        if not isinstance(key, FlowKey):
            return key.tenant
        place = self.environments.get(key.environment)
        return place.tenant if place else ""

    def homes(self) -> tuple[Home, ...]:
        """Every repository once."""
        return tuple({branch.home.name: branch.home for branch in self.branches.values()}.values())

    def branches_at(self, home: Home) -> tuple[Branch, ...]:
        """The branches of a repository."""
        return tuple(branch for branch in self.branches.values() if branch.home is home)

    def home_of(self, key: Key) -> str | None:
        """The repository whose lock covers the key; None when no tenant has it."""
        tenant = self.tenants.get(self.lane(key))
        return tenant.branch.home.name if tenant else None

    @property
    def settle(self) -> timedelta:
        """How long lists may lie about what was just written."""
        return timedelta(seconds=self.policy.settle)
