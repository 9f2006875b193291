"""Statuses as data: what `status` prints for machines, /api/v1/status answers, and replicas tell each other. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import Field, TypeAdapter

from aicore_sync.core.answers import Answer
from aicore_sync.core.chronicle import Event
from aicore_sync.core.model import (
    Condition,
    FlowKey,
    Health,
    Key,
    Mark,
    ObjectRow,
    Stage,
    Status,
    TemplateKey,
    TenantKey,
)


class ConditionAnswer(Answer):
    """What holds for one stage, or for one object in it."""

    stage: Stage = Field(description="desire, publish, sync, configure, schedule or execute")
    mark: Mark = Field(
        description="ok; wait: goes on by itself; fail: a person must act; off: suspended or expired"
    )
    reason: str = Field(description="One PascalCase word for machines, such as PushRejected")
    message: str = Field(description="One sentence for people")
    subject: str = Field(description="The object that it speaks of, empty for the whole stage")
    fingerprint: str = Field("", description="What a confirmation has to name; empty where none would help")


class ObjectAnswer(Answer):
    """An object in AI Core that belongs to the item."""

    kind: str = Field(description="configuration, schedule, execution, deployment, artifact, …")
    name: str = Field(description="Its name in AI Core")
    id: str = Field(description="Its id in AI Core")
    state: str = Field(
        description="AI Core's word; of a configuration current or retained, of an artifact its kind"
    )
    detail: str = Field(description="Cron, address, message or outputs, whatever the kind has")
    at: datetime | None = Field(description="When it was made")
    until: datetime | None = Field(None, description="When a schedule ends; `at` is when it begins")


class ItemAnswer(Answer):
    """One key: a flow in an environment (stages configure to execute) or a template in a tenant (publish, sync)."""

    kind: str = Field(description="flow, template or tenant")
    name: str = Field(description="The executable id")
    environment: str | None = Field(description="Set for flows; empty for a flow without an environment")
    tenant: str | None = Field(description="Set for templates")
    health: Health = Field(description="Healthy, Progressing, NeedsAttention, Suspended or NotTargeted")
    message: str = Field(description="The one sentence that says what blocks")
    conditions: tuple[ConditionAnswer, ...] = Field(description="What holds, by stage and object")
    facts: dict[str, str] = Field(
        description="Short named values such as commit, version, scenario, template"
    )
    objects: tuple[ObjectAnswer, ...] = Field(description="What it has in AI Core")
    updated: datetime | None = Field(description="When the pass began that found this")


class LineStatus(Answer):
    """A flow in an environment together with its template, as a command leaves it."""

    key: str = Field(description="FLOW/ENVIRONMENT, or EXECUTABLE@TENANT for a template without a flow")
    health: Health = Field(description="Healthy, Progressing, NeedsAttention, Suspended or NotTargeted")
    message: str = Field(description="The one sentence that says what blocks, or that all is well")
    conditions: tuple[ConditionAnswer, ...] = Field(description="By stage")
    facts: dict[str, str] = Field(
        description="Short named values such as commit, version, scenario, template"
    )


def line_status(status: Status) -> LineStatus:
    """A status as one line."""
    return LineStatus(
        key=str(status.key),
        health=status.health,
        message=status.message,
        conditions=tuple(map(condition_answer, status.conditions)),
        facts=dict(status.facts),
    )


class StatusAnswer(Answer):
    """Everything that the status page shows."""

    summary: dict[str, int] = Field(description="Rows of the status page by health; zeros included")
    info: dict[str, str] = Field(description="What the service says of itself, such as owner and version")
    items: tuple[ItemAnswer, ...] = Field(description="In order of kind, name and place")


def status_answer(
    statuses: Iterable[Status], summary: Mapping[Health, int], info: Mapping[str, str]
) -> StatusAnswer:
    """The whole answer. Equal statuses give equal answers, whatever their order."""
    return StatusAnswer.model_validate_json(status_json(statuses, summary, info))


def status_json(statuses: Iterable[Status], summary: Mapping[Health, int], info: Mapping[str, str]) -> bytes:
    """A StatusAnswer as it goes over the wire, without making one: there may be ten thousands of statuses."""
    items = sorted(map(_item, statuses), key=lambda i: (i.kind, i.name, i.environment or "", i.tenant or ""))
    head = {"summary": {health.value: number for health, number in summary.items()}, "info": dict(info)}
    opened = json.dumps(head, ensure_ascii=False).removesuffix("}").encode()
    # One by one: other threads get their turn in between.
    return b'%b, "items": [%b]}' % (opened, b",".join(map(_ITEMS.dump_json, items)))


def statuses_in(answer: StatusAnswer) -> tuple[Status, ...]:
    """The statuses of an answer: what `status_answer` was made of."""
    return tuple(map(_status, answer.items))


def _status(item: ItemAnswer) -> Status:
    return Status(
        key=_key(item),
        health=item.health,
        message=item.message,
        conditions=tuple(
            Condition(c.stage, c.mark, c.reason, c.message, c.subject, c.fingerprint) for c in item.conditions
        ),
        facts=item.facts,
        objects=tuple(
            ObjectRow(o.kind, o.name, o.id, o.state, o.detail, o.at, o.until) for o in item.objects
        ),
        updated=item.updated,
    )


def _key(item: ItemAnswer) -> Key:
    match item.kind:
        case "flow":
            return FlowKey(item.name, item.environment or "")
        case "tenant":
            return TenantKey(item.tenant or "")
    return TemplateKey(item.tenant or "", item.name)


@dataclass(frozen=True)
class _Item:
    """An ItemAnswer, of the parts that a status has already."""

    kind: str
    name: str
    environment: str | None
    tenant: str | None
    health: Health
    message: str
    conditions: tuple[Condition, ...]
    facts: Mapping[str, str]
    objects: tuple[ObjectRow, ...]
    updated: datetime | None


_ITEMS = TypeAdapter(_Item)


def _item(status: Status) -> _Item:
    kind, name, environment, tenant = _named(status.key)
    told = (status.health, status.message, status.conditions, status.facts, status.objects, status.updated)
    return _Item(kind, name, environment, tenant, *told)


def _named(key: Key) -> tuple[str, str, str | None, str | None]:
    """Kind, name, environment and tenant."""
    match key:
        case TemplateKey():
            return "template", key.executable, None, key.tenant
        case FlowKey():
            return "flow", key.flow, key.environment, None
        case TenantKey():
            return "tenant", "", None, key.tenant


def condition_answer(of: Condition) -> ConditionAnswer:
    """A condition as the API tells it."""
    return ConditionAnswer(
        stage=of.stage,
        mark=of.mark,
        reason=of.reason,
        message=of.message,
        subject=of.subject,
        fingerprint=of.fingerprint,
    )


def object_answer(of: ObjectRow) -> ObjectAnswer:
    """An object as the API tells it."""
    return ObjectAnswer(
        kind=of.kind, name=of.name, id=of.id, state=of.state, detail=of.detail, at=of.at, until=of.until
    )


class EventAnswer(Answer):
    """A condition that came up, or what a person did."""

    id: int = Field(description="Counts up; ask for what came `after` it")
    at: datetime = Field(description="When")
    kind: str = Field(description="condition or action")
    mark: Mark = Field(description="How it is since: ok, wait, fail or off")
    stage: Stage | None = Field(description="Stage of the condition; null for an action")
    reason: str = Field(description="PascalCase word, such as SyncFailed or SuspendedByHand")
    message: str = Field(description="One sentence for people")
    flow: str = Field(description="Executable id; empty where it is about no flow")
    environment: str = Field(description="Empty where it is about no environment")
    tenant: str = Field(description="Empty where it is about no tenant")
    subject: str = Field(description="The object that it speaks of, empty for the whole")
    by: str = Field(description="Who did it, empty for the controller itself")


def event_answer(event: Event) -> EventAnswer:
    """An event as data."""
    return EventAnswer(**vars(event))


def event_in(answer: EventAnswer) -> Event:
    """What `event_answer` was made of."""
    return Event(**vars(answer))
