"""A scenario as people think of it: flow, template, configuration, schedule, execution, artifact. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aicore_sync.core.answers import (
    ArtifactAnswer,
    ConfigurationAnswer,
    ExecutionAnswer,
    Node,
    ScheduleAnswer,
)
from aicore_sync.core.template import PublishedTemplate


@dataclass(frozen=True)
class Leaves:
    """All that the trees of a tenant's scenarios are made of.

    `templates` are (tenant, facts); `tenants` maps environments to tenants. Runs are newest first.
    """

    templates: tuple[tuple[str, PublishedTemplate], ...]
    configurations: tuple[ConfigurationAnswer, ...]
    schedules: tuple[ScheduleAnswer, ...]
    executions: tuple[ExecutionAnswer, ...]
    artifacts: tuple[ArtifactAnswer, ...]
    tenants: Mapping[str, str]


RUNS = 5  # shown of each configuration


def scenario_tree(scenario: str, leaves: Leaves) -> Node:
    """The tree of one scenario."""
    templates = [(tenant, facts) for tenant, facts in leaves.templates if facts.scenario == scenario]
    flows = sorted({facts.flow or facts.executable for _, facts in templates})
    children = tuple(_flow(flow, templates, leaves) for flow in flows)
    return Node(kind="scenario", name=scenario, id=scenario, state="", children=children)


def _flow(flow: str, templates: list[tuple[str, PublishedTemplate]], leaves: Leaves) -> Node:
    own = [(tenant, facts) for tenant, facts in templates if (facts.flow or facts.executable) == flow]
    made = tuple(_template(tenant, facts, leaves) for tenant, facts in own)
    return Node(kind="flow", name=flow, id=flow, state="", children=made)


def _template(tenant: str, facts: PublishedTemplate, leaves: Leaves) -> Node:
    configurations = [
        c
        for c in leaves.configurations
        if c.executable == facts.executable and leaves.tenants.get(c.environment) == tenant
    ]
    children = tuple(_configuration(c, leaves) for c in configurations)
    where = f"{facts.executable}@{tenant}"
    return Node(kind="template", name=where, id=facts.executable, state=facts.version, children=children)


def _configuration(found: ConfigurationAnswer, leaves: Leaves) -> Node:
    name = f"{found.name}/{found.environment}"
    children = (*_schedules(found, leaves), *_executions(found, leaves))
    return Node(kind="configuration", name=name, id=found.id, state="", children=children)


def _schedules(found: ConfigurationAnswer, leaves: Leaves) -> Iterator[Node]:
    for schedule in leaves.schedules:
        if schedule.configuration == found.id:
            words = f"{schedule.name} ({schedule.cron})"
            yield Node(kind="schedule", name=words, id=schedule.id, state=schedule.status)


def _executions(found: ConfigurationAnswer, leaves: Leaves) -> Iterator[Node]:
    here = (found.id, found.environment)
    runs = [e for e in leaves.executions if (e.configuration_id, e.environment) == here]
    for run in runs[:RUNS]:
        outputs = tuple(_artifact(a) for a in leaves.artifacts if a.execution == run.id)
        begun = f"{run.created:%Y-%m-%d %H:%M:%S}" if run.created else ""
        yield Node(kind="execution", name=begun, id=run.id, state=run.status, children=outputs)


def _artifact(found: ArtifactAnswer) -> Node:
    return Node(kind="artifact", name=found.name, id=found.id, state=found.kind)
