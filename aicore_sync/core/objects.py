"""The objects of a flow in AI Core, as rows for people."""

from __future__ import annotations

from aicore_sync.core.desired import SeenFlow, WantFlow
from aicore_sync.core.model import ObjectRow
from aicore_sync.core.plan.origin import origin
from aicore_sync.core.world import Deployment, Execution


def objects(want: WantFlow, seen: SeenFlow) -> tuple[ObjectRow, ...]:
    """Schedules, configurations, artifacts, deployments, and the newest executions."""
    rows = [ObjectRow("schedule", s.name, s.id, s.status, s.cron, s.start, s.end) for s in seen.schedules]
    rows += [
        ObjectRow(
            "schedule", f.schedule.name, f.schedule.id, f.schedule.status, f"foreign; {f.schedule.cron}"
        )
        for f in seen.foreign
    ]
    rows += [
        ObjectRow("configuration", c.name, c.id, "retained", "", c.created_at) for c in seen.configurations
    ]
    rows += [ObjectRow("artifact", a.name, a.id, a.kind, a.url, a.created_at) for a in seen.artifacts]
    rows += [_deployment(d, seen) for d in seen.deployments if d.target_status != "DELETED"]
    live = (e for e in seen.executions if e.target_status != "DELETED")
    newest = sorted(live, key=_created, reverse=True)[:20]
    return tuple(rows + [_run(e, want, seen) for e in newest])


def _created(execution: Execution) -> float:
    return execution.created_at.timestamp() if execution.created_at else 0.0


def _deployment(deployment: Deployment, seen: SeenFlow) -> ObjectRow:
    names = {c.id: c.name for c in seen.configurations}
    name = names.get(deployment.configuration, deployment.configuration)
    detail = deployment.message or deployment.url
    if deployment.configuration not in names:
        detail = f"foreign; {detail}" if detail else "foreign"
    return ObjectRow("deployment", name, deployment.id, deployment.status, detail, deployment.created_at)


def _run(execution: Execution, want: WantFlow, seen: SeenFlow) -> ObjectRow:
    names = {c.id: c.name for c in seen.configurations}
    outputs = ", ".join(sorted(a.name for a in execution.outputs))
    name = names.get(execution.configuration, execution.configuration)
    detail = outputs or execution.message
    if origin(execution, want, seen) == "foreign":
        detail = f"foreign; {detail}" if detail else "foreign"
    return ObjectRow("execution", name, execution.id, execution.status, detail, execution.created_at)
