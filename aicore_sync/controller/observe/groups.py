"""Shared reads of resource groups: one request per list and round, whatever the number of flows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, Self, TypeVar

from aicore_sync.aicore import ArtifactFilter, ConfigurationFilter, Forbidden, Group, NotFound
from aicore_sync.controller.estate import Environment, Estate
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.errors import Stalled
from aicore_sync.core.plan.flows import LABEL
from aicore_sync.core.preflight import AGAIN, GroupState
from aicore_sync.core.world import Artifact, Configuration, Deployment, Execution, Schedule

HOUR = 3600.0


class Named(Protocol):
    """What has an id."""

    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Listed(Generic[N]):
    """A list, and ways into it: many keys look at it, so each way is made once. `name` says whose an item is."""

    all: tuple[N, ...]
    name: Callable[[N], str]
    foreign: tuple[N, ...] = ()  # what is not ours, where it is of interest

    @cached_property
    def by_id(self) -> Mapping[str, N]:
        return {item.id: item for item in self.all}

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[N, ...]]:
        found: dict[str, list[N]] = {}
        for item in self.all:
            found.setdefault(self.name(item), []).append(item)
        return {name: tuple(items) for name, items in found.items()}

    def of(self, name: str) -> tuple[N, ...]:
        """The items of one name, in the order of the list."""
        return self._by_name.get(name, ())


@dataclass(frozen=True)
class Growing(Generic[N]):
    """How to list and count what only grows; `name` is "" for what is not ours."""

    list: Callable[[], Awaitable[tuple[N, ...]]]
    count: Callable[[], Awaitable[int]]
    name: Callable[[N], str]


class GroupLists:
    """What resource groups hold, at most as old as asked for; writers look again before they write."""

    def __init__(self, estate: Estate, snapshots: Snapshots) -> None:
        self._estate = estate
        self._snapshots = snapshots
        self.age = estate.timings.list_age
        self._grown: dict[tuple[str, str], tuple[int, Listed[Any]]] = {}  # counted, and those that are ours

    def within(self, age: float) -> Self:
        """The same lists, for who is content with such that are `age` seconds old."""
        other = copy(self)
        other.age = age
        return other

    async def artifacts(self, place: Environment) -> Listed[Artifact]:
        """Our artifacts, by flow."""
        where = ArtifactFilter(labels={LABEL + "owner": self._estate.owner})

        def growing(group: Group) -> Growing[Artifact]:
            verbs = group.artifacts
            return Growing(lambda: verbs.list(where), lambda: verbs.count(where), _flow_of_artifact)

        return await self._growing("artifacts", place, growing)

    async def configurations(self, place: Environment) -> Listed[Configuration]:
        """Our configurations, by flow."""
        where = ConfigurationFilter(search=f"{self._estate.owner}.")

        def growing(group: Group) -> Growing[Configuration]:
            verbs = group.configurations
            name = lambda c: self._flow_of(c.name)  # noqa: E731  as short as its two neighbours
            return Growing(lambda: verbs.list(where), lambda: verbs.count(where), name)

        return await self._growing("configurations", place, growing)

    async def schedules(self, place: Environment) -> Listed[Schedule]:
        """Our schedules, by flow; those of others beside them."""

        async def ask(group: Group) -> Listed[Schedule]:
            listed = await group.schedules.list()
            foreign = tuple(s for s in listed if not self._flow_of(s.name))
            ours = tuple(s for s in listed if self._flow_of(s.name))
            return Listed(ours, lambda s: self._flow_of(s.name), foreign)

        return await self._list("schedules", place, ask)

    async def executions(self, place: Environment) -> Listed[Execution]:
        """All executions by executable, ours and foreign; those marked for deletion too: they prove a run."""

        async def ask(group: Group) -> Listed[Execution]:
            return Listed(await group.executions.list(), lambda e: e.executable)

        return await self._list("executions", place, ask)

    async def deployments(self, place: Environment) -> Listed[Deployment]:
        """All deployments by executable, ours and foreign."""

        async def ask(group: Group) -> Listed[Deployment]:
            return Listed(await group.deployments.list(), lambda d: d.executable)

        return await self._list("deployments", place, ask)

    def _flow_of(self, name: str) -> str:
        """The flow in a name `<owner>.<flow>.…`; "" for names of others."""
        owner, _, rest = name.partition(".")
        return rest.partition(".")[0] if owner == self._estate.owner else ""

    async def _growing(
        self, kind: str, place: Environment, growing: Callable[[Group], Growing[N]]
    ) -> Listed[N]:
        """Nothing of this kind ever changes or goes: as long as AI Core counts as many, the last list is the list."""

        async def ask(group: Group) -> Listed[N]:
            verbs = growing(group)
            known = self._grown.get((kind, place.name))
            if known and await verbs.count() == known[0]:
                return known[1]
            found = await verbs.list()
            ours = Listed(tuple(item for item in found if verbs.name(item)), verbs.name)
            self._grown[kind, place.name] = len(found), ours
            return ours

        return await self._list(kind, place, ask)

    async def _list(
        self, kind: str, place: Environment, ask: Callable[[Group], Awaitable[Listed[N]]]
    ) -> Listed[N]:
        group = self._estate.tenants[place.tenant].client.group(place.resource_group)

        async def fetch() -> Listed[N]:
            try:
                return await ask(group)
            except (Forbidden, NotFound):
                state = await self.group_state(place)
                if state and not state.status:
                    # The tenant's list proves that there is no such group, so there is nothing in it.
                    return Listed((), lambda item: "")
                raise

        return await self._snapshots.get((kind, place.name), fetch, self.age)

    async def group_state(self, place: Environment) -> GroupState | None:
        """The resource group as its tenant lists it; None when that cannot be read."""
        client = self._estate.tenants[place.tenant].client

        async def fetch() -> Mapping[str, GroupState] | None:
            try:
                found = await client.resource_groups.list()
            except Stalled:
                return None
            return {g.id: GroupState(g.status or "PROVISIONED", g.message) for g in found}

        for age in (HOUR, min(AGAIN, self._estate.timings.interval)):
            known = await self._snapshots.get(("groups", place.tenant), fetch, age)
            state = known.get(place.resource_group, GroupState("")) if known is not None else None
            if state and state.status == "PROVISIONED":
                break
        return state


def _flow_of_artifact(artifact: Artifact) -> str:
    return artifact.labels.get(LABEL + "key", "").partition(".")[0]
