"""Statuses as `get flows` shows them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aicore_sync.core.answers import FlowAnswer, Where
from aicore_sync.core.model import FlowKey, Health, Mark, Status
from aicore_sync.core.problems import unknown


def flow_answers(
    found: Iterable[Status], where: Where, environments: Collection[str]
) -> tuple[FlowAnswer, ...]:
    """Flows in environments, by name. Raises Stalled (NotFound) for a flow or an environment that there is not."""
    flows = [_flow(status) for status in found if isinstance(status.key, FlowKey)]
    if where.environment and where.environment not in environments:
        raise unknown("environment", where.environment, environments)
    names = {flow.name for flow in flows}
    if where.flow and where.flow not in names:
        raise unknown("flow", where.flow, names)
    chosen = (flow for flow in flows if _fits(where, flow.name, flow.environment))
    return tuple(sorted(chosen, key=lambda f: (f.name, f.environment)))


def _flow(status: Status) -> FlowAnswer:
    assert isinstance(status.key, FlowKey)
    blocking = [
        c.reason for mark in (Mark.FAIL, Mark.WAIT, Mark.OFF) for c in status.conditions if c.mark is mark
    ]
    healthy = status.health in (Health.HEALTHY, Health.NOT_TARGETED)
    return FlowAnswer(
        name=status.key.flow,
        environment=status.key.environment,
        tenant=status.facts.get("tenant", ""),
        health=status.health.value,
        message=status.message,
        reason="" if healthy or not blocking else blocking[0],
        version=status.facts.get("version", ""),
        commit=status.facts.get("commit", ""),
        source=status.facts.get("source", ""),
    )


def _fits(where: Where, flow: str, environment: str) -> bool:
    return where.flow in ("", flow) and where.environment in ("", environment)
