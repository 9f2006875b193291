"""Whose an execution is: only ours are ever stopped or deleted, the others are counted and shown."""

from __future__ import annotations

from typing import Literal

from aicore_sync.core.desired import SeenFlow, WantFlow
from aicore_sync.core.world import Execution

Origin = Literal["ours", "foreign", "unknown"]


def origin(execution: Execution, want: WantFlow, seen: SeenFlow) -> Origin:
    """Ours: fired by our schedule, or of our configuration with our metric tag. Unknown: the tag was not read yet."""
    if execution.schedule:
        ours = any(s.id == execution.schedule for s in seen.schedules)
        return "ours" if ours else "foreign"
    if not any(c.id == execution.configuration for c in seen.configurations):
        return "foreign"
    if execution.id not in seen.owners:
        return "unknown"
    return "ours" if seen.owners[execution.id] == want.owner else "foreign"


def ended(execution: Execution) -> bool:
    """True when it has an end and is not marked for deletion: what retention may look at."""
    return execution.status in {"COMPLETED", "DEAD", "STOPPED"} and execution.target_status != "DELETED"


def age_order(execution: Execution) -> tuple[float, str]:
    """Oldest first; equal times by id."""
    return (execution.created_at.timestamp() if execution.created_at else 0.0, execution.id)


def of_configuration(name: str, want: WantFlow, seen: SeenFlow) -> tuple[Execution, ...]:
    """Runs of every version of the configuration with this manifest name, oldest first."""
    prefix = f"{want.owner}.{want.key.flow}.{name}."
    ids = {c.id for c in seen.configurations if c.name.startswith(prefix)}
    return tuple(sorted((e for e in seen.executions if e.configuration in ids), key=age_order))
