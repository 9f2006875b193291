"""What deciding about a flow in an environment needs to see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from aicore_sync.controller.estate import Environment, Estate
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.causes import Causes
from aicore_sync.controller.observe.foreign import Foreign
from aicore_sync.controller.observe.groups import Listed
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.observe.owners import Owners
from aicore_sync.controller.observe.templates import paused
from aicore_sync.core.adoption import adopting, adopting_path
from aicore_sync.core.asks import asks_of
from aicore_sync.core.decisions import confirmations
from aicore_sync.core.deployed import deployed_of
from aicore_sync.core.desired import SeenFlow, StartBudget, Upstream, WantFlow
from aicore_sync.core.model import FlowKey, TemplateKey
from aicore_sync.core.plan.runs import budget_fingerprint
from aicore_sync.core.starts import Start, lost_runs, starts_in, starts_of
from aicore_sync.core.world import Deployment, Execution
from aicore_sync.git import StateSnapshot


@dataclass(frozen=True)
class Looks:
    """What is looked at beyond lists, and kept: tags of executions, and why they are DEAD or stuck."""

    owners: Owners
    causes: Causes
    foreign: Foreign
    recalled: set[str] = field(default_factory=set)  # environments whose young runs have been counted


class FlowReader:
    """Reads one resource group, reduced to what belongs to the flow."""

    def __init__(self, estate: Estate, memory: Memory, lists: Lists, looks: Looks) -> None:
        self._estate = estate
        self._memory = memory
        self._lists = lists
        self._looks = looks

    async def read(self, want: WantFlow, flows: int) -> SeenFlow:
        """Everything that deciding about a flow in an environment needs; `flows` is how many there are in all."""
        place = self._estate.environment(want.key.environment)
        tenant = self._estate.tenants[place.tenant]
        flow, lists = want.key.flow, self._lists
        state = self._memory.templates.get(TemplateKey(place.tenant, want.executable))
        executions = await lists.executions(place)
        await self._recall_starts(place, executions)
        branch = await lists.state(tenant.branch.home)
        owners = await self._looks.owners.read(place, lists)
        lost = self._lost(want, executions.of(want.executable), owners, branch)
        seen = SeenFlow(
            live=state.live if state else None,
            artifacts=(await lists.artifacts(place)).of(flow),
            configurations=(await lists.configurations(place)).of(flow),
            schedules=(await lists.schedules(place)).of(flow),
            executions=executions.of(want.executable),
            deployments=await self._deployments(want, place),
            upstream=_upstream(want, executions),
            settled_at=self._memory.settled_at.get(tenant.branch.home.name),
            recent=self._memory.recent_writes(place.name),
            patched=self._memory.patches,
            paused=paused(branch.files.get(f"paused/{place.tenant}/{want.executable}.json")) or frozenset(),
            budget=self._budget(want.key, flows, branch),
            asks=asks_of(branch.files, want.key),
            deployed=deployed_of(branch.files, want.key),
            foreign=await self._looks.foreign.read(place, want.executable, lists),
            adopting=adopting(branch.files.get(adopting_path(place.tenant, want.executable, place.name))),
            owners={**owners, **dict.fromkeys(lost, self._estate.owner)},
            untagged=lost,
        )
        return replace(seen, causes=await self._looks.causes.read(want, seen, place))

    def _lost(
        self,
        want: WantFlow,
        runs: Sequence[Execution],
        owners: Mapping[str, str],
        state: StateSnapshot,
    ) -> Mapping[str, Start]:
        """Runs that we announced and that bear no tag."""
        open_ = [s for s in starts_of(state.files, want.key) if s.path not in self._memory.spent]
        return lost_runs(open_, runs, owners, self._estate.settle)

    async def _deployments(self, want: WantFlow, place: Environment) -> tuple[Deployment, ...]:
        """Those of the flow's executable, and those of its configurations whatever they run."""
        ours = {c.id for c in (await self._lists.configurations(place)).of(want.key.flow)}
        listed = (await self._lists.deployments(place)).all
        return tuple(d for d in listed if d.executable == want.executable or d.configuration in ours)

    async def _recall_starts(self, place: Environment, executions: Listed[Execution]) -> None:
        """At the first look: what an earlier process started in this round counts for its brake."""
        if place.name in self._looks.recalled:
            return
        configurations = (await self._lists.configurations(place)).all
        since = self._estate.clock() - timedelta(seconds=self._estate.timings.interval)
        for key, at in starts_in(place.name, executions.all, configurations, since).items():
            self._memory.starts_made.setdefault(key, at)
        self._looks.recalled.add(place.name)

    def _budget(self, key: FlowKey, flows: int, state: StateSnapshot) -> StartBudget:
        """A confirmation names flows together; each of them stays allowed until it has started."""
        limits, now, memory = self._estate.limits, self._estate.clock(), self._memory
        limit = max(limits.start_floor, math.ceil(flows * limits.start_share))
        wanting = memory.starting(now, timedelta(seconds=self._estate.timings.interval))
        if budget_fingerprint(wanting | {key}) in self._memory.confirmed | confirmations(state.files, now):
            memory.starts_allowed |= wanting | {key}
        return StartBudget(wanting, limit, allowed=key in memory.starts_allowed)


def _upstream(want: WantFlow, executions: Listed[Execution]) -> dict[tuple[str, str], str]:
    """The newest COMPLETED output for every upstream reference that has one."""
    refs = {ref for c in want.configurations for _, ref in c.inputs if isinstance(ref, Upstream)}
    found: dict[tuple[str, str], str] = {}
    for ref in refs:
        # AI Core lists the newest first; of two that ended in the same second that order decides.
        runs = reversed(executions.of(want.producers.get(ref.flow, ref.flow)))
        for execution in sorted(filter(_completed, runs), key=_end):
            for artifact in execution.outputs:
                if artifact.name == ref.output or artifact.url.endswith(f"/{ref.output}"):
                    found[ref.flow, ref.output] = artifact.id
    return found


def _completed(execution: Execution) -> bool:
    return execution.status == "COMPLETED" and execution.target_status != "DELETED"


def _end(execution: Execution) -> datetime:
    return execution.completed_at or execution.created_at or datetime.min.replace(tzinfo=UTC)
