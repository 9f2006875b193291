"""How the parts of the interpreter speak to each other: a call of a template and its outcome."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.workflow.model import NodePhase

Json = dict[str, Any]


class TemplateError(Exception):
    """The template asks for something that cannot be done; the node ends as Error with this message."""


@dataclass(frozen=True)
class Artifact:
    """Where an artifact lies: a collected local file or folder, or an address (see `RunRequest.inputs`)."""

    path: Path | None = None
    address: str = ""


@dataclass(frozen=True)
class Call:
    """Run `template` as the node called `node`."""

    node: str
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a node ended. `items` is set for a fan-out only, in the order of its items."""

    phase: NodePhase
    message: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    exit_code: int | None = None
    result: str | None = None
    items: tuple[Outcome, ...] | None = None

    @property
    def bad(self) -> bool:
        return self.phase in ("Failed", "Error")


@dataclass(frozen=True)
class Frame:
    """A DAG or steps template on its way: its substituted body and what its children may refer to.

    `gate` bounds how many of its children run at once.
    """

    node: str
    template: Json
    artifacts: Mapping[str, Artifact]
    execute: Callable[[Call], Awaitable[Outcome]]
    skipped: Callable[[str, NodePhase, str], None]
    gate: AbstractAsyncContextManager[Any] = field(default_factory=nullcontext)


def text(value: Any) -> str:
    """A parameter value as Argo keeps it: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def children_scope(prefix: str, results: Mapping[str, Outcome]) -> tuple[dict[str, str], dict[str, Artifact]]:
    """Tags and artifacts that finished children offer: `tasks.NAME.outputs.parameters.KEY` and so on."""
    scope: dict[str, str] = {}
    artifacts: dict[str, Artifact] = {}
    for name, outcome in results.items():
        base = f"{prefix}.{name}"
        scope[f"{base}.status"] = outcome.phase
        if outcome.items is not None:
            scope.update(_aggregated(f"{base}.outputs", outcome.items))
            continue
        if outcome.exit_code is not None:
            scope[f"{base}.exitCode"] = str(outcome.exit_code)
        if outcome.result is not None:
            scope[f"{base}.outputs.result"] = outcome.result
        scope |= {f"{base}.outputs.parameters.{key}": value for key, value in outcome.parameters.items()}
        artifacts |= {f"{base}.outputs.artifacts.{key}": item for key, item in outcome.artifacts.items()}
    return scope, artifacts


def _aggregated(base: str, items: tuple[Outcome, ...]) -> dict[str, str]:
    """A fan-out's outputs: JSON lists in the order of the items, keys sorted as Go's encoder does."""
    ran = [item for item in items if item.phase not in ("Skipped", "Omitted")]
    keys = sorted({key for item in ran for key in item.parameters})
    scope = {
        f"{base}.parameters.{k}": text([i.parameters[k] for i in ran if k in i.parameters]) for k in keys
    }
    scope[f"{base}.parameters"] = text([dict(sorted(item.parameters.items())) for item in ran])
    if any(item.result is not None for item in ran):
        scope[f"{base}.result"] = text([item.result for item in ran if item.result is not None])
    return scope
