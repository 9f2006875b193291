"""The objects of a flow in AI Core, as rows for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aicore_sync.core.desired import SeenFlow, WantFlow
from aicore_sync.core.model import ObjectRow
from aicore_sync.core.plan.flows import current_configurations
from aicore_sync.core.plan.origin import origin
from aicore_sync.core.world import Configuration, Deployment, Execution

NEWEST = (
    20  # runs, and configurations that nothing uses: AI Core deletes none, and a row for each would never end
)


def objects(want: WantFlow, seen: SeenFlow) -> tuple[ObjectRow, ...]:
    """Schedules, artifacts, deployments, configurations in use, and the newest executions and configurations."""
    rows = [ObjectRow("schedule", s.name, s.id, s.status, s.cron, s.start, s.end) for s in seen.schedules]
    rows += [
        ObjectRow(
            "schedule", f.schedule.name, f.schedule.id, f.schedule.status, f"foreign; {f.schedule.cron}"
        )
        for f in seen.foreign
    ]
    current = {c.id for c in current_configurations(want, seen).values()}
    rows += [
        ObjectRow(
            "configuration", c.name, c.id, "current" if c.id in current else "retained", "", c.created_at
        )
        for c in _shown(seen, current)
    ]
    rows += [ObjectRow("artifact", a.name, a.id, a.kind, a.url, a.created_at) for a in seen.artifacts]
    names = {c.id: c.name for c in seen.configurations}
    rows += [_deployment(d, names) for d in seen.deployments if d.target_status != "DELETED"]
    live = (e for e in seen.executions if e.target_status != "DELETED")
    newest = sorted(live, key=_created, reverse=True)[:NEWEST]
    return tuple(rows + [_run(e, names, origin(e, want, seen)) for e in newest])


def _shown(seen: SeenFlow, current: set[str]) -> Sequence[Configuration]:
    """Those that are current or in use, the newest of each name in the manifest, and the newest of all."""
    if len(seen.configurations) <= NEWEST:
        return seen.configurations
    newest = sorted(seen.configurations, key=_created, reverse=True)
    of_name = {c.name.rpartition(".")[0]: c.id for c in reversed(newest)}
    used = {s.configuration for s in seen.schedules} | {d.configuration for d in seen.deployments}
    kept = current | used | set(of_name.values()) | {c.id for c in newest[:NEWEST]}
    return [c for c in seen.configurations if c.id in kept]


def _created(item: Configuration | Execution) -> float:
    return item.created_at.timestamp() if item.created_at else 0.0


def _deployment(deployment: Deployment, names: Mapping[str, str]) -> ObjectRow:
    name = names.get(deployment.configuration, deployment.configuration)
    detail = deployment.message or deployment.url
    if deployment.configuration not in names:
        detail = f"foreign; {detail}" if detail else "foreign"
    return ObjectRow("deployment", name, deployment.id, deployment.status, detail, deployment.created_at)


def _run(execution: Execution, names: Mapping[str, str], whose: str) -> ObjectRow:
    outputs = ", ".join(sorted(a.name for a in execution.outputs))
    name = names.get(execution.configuration, execution.configuration)
    detail = outputs or execution.message
    if whose == "foreign":
        detail = f"foreign; {detail}" if detail else "foreign"
    return ObjectRow("execution", name, execution.id, execution.status, detail, execution.created_at)
