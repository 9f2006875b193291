"""The kinds of answers by the names under which they are printed, with their JSON Schema and the page about them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from aicore_sync.core.answers import (
    ActAnswer,
    Answer,
    ArtifactAnswer,
    ComparedAnswer,
    ConfigurationAnswer,
    ExecutionAnswer,
    FlowAnswer,
    Node,
    ScheduleAnswer,
    SourceAnswer,
    TenantAnswer,
    TickAnswer,
    TraceAnswer,
    VersionAnswer,
)
from aicore_sync.core.plans import CheckAnswer, DifferenceAnswer, GarbageAnswer, PlanAnswer
from aicore_sync.core.statuses import EventAnswer, LineStatus, StatusAnswer

KINDS: dict[str, type[Answer]] = {
    "flows": FlowAnswer,
    "configurations": ConfigurationAnswer,
    "schedules": ScheduleAnswer,
    "executions": ExecutionAnswer,
    "artifacts": ArtifactAnswer,
    "sources": SourceAnswer,
    "tenants": TenantAnswer,
    "ticks": TickAnswer,
    "versions": VersionAnswer,
    "scenarios": Node,
    "trace": TraceAnswer,
    "compare": ComparedAnswer,
    "status": StatusAnswer,
    "events": EventAnswer,
    "statuses": LineStatus,
    "act": ActAnswer,
    "plan": PlanAnswer,
    "differences": DifferenceAnswer,
    "gc": GarbageAnswer,
    "lines": CheckAnswer,
}
ONE = frozenset(
    {"trace", "compare", "status", "act", "plan", "gc"}
)  # these are printed as they are, all others as a list under their name

LIMITED = frozenset(
    {"configurations", "schedules", "executions", "artifacts", "ticks", "versions"}
)  # of these a question may ask for so many at most

KIND_OF = {model: kind for kind, model in KINDS.items()}


def answer_schema() -> dict[str, Any]:
    """The JSON Schema of every kind, under `$defs` by its model's name, and by kind under `properties`."""
    chosen: list[tuple[type[BaseModel], Literal["serialization"]]] = [
        (m, "serialization") for m in KINDS.values()
    ]
    found, shared = models_json_schema(chosen)
    kinds = {kind: found[model, "serialization"] for kind, model in KINDS.items()}
    lists = {k: ref if k in ONE else {"type": "array", "items": ref} for k, ref in kinds.items()}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "What aicore-sync prints"}
    return {**head, "type": "object", "properties": lists, **shared}


def answer_tables() -> str:
    """The fields of every kind for the page about output."""
    parts = []
    for kind, model in KINDS.items():
        rows = [f"| `{field.alias}` | {field.description or ''} |" for field in model.model_fields.values()]
        parts.append(
            f"## {kind}\n{model.__doc__}\n\n| Field | Meaning |\n|---|---|\n" + "\n".join(rows) + "\n\n"
        )
    return "".join(parts)
