"""What AI Core still keeps up for a flow though its manifest names it no more."""

from __future__ import annotations

from aicore_sync.core.desired import SeenFlow, WantFlow
from aicore_sync.core.plan.deployments import our_deployments


def vanished(want: WantFlow, seen: SeenFlow) -> frozenset[str]:
    """`schedule NAME` and `deployment NAME`, all of them where the flow is not wanted; none while that is not known."""
    if want.keep_schedules:
        return frozenset()
    there = {f"schedule {s.name.rpartition('.')[2]}" for s in seen.schedules}
    there |= {f"deployment {name}" for name in our_deployments(seen)}
    wanted = {f"schedule {c.name}" for c in want.configurations if c.schedule}
    wanted |= {f"deployment {c.name}" for c in want.configurations if c.deployment}
    return frozenset(there - wanted)
