"""Runs side by side: one row per fact, one column per run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aicore_sync.core.answers import ComparedAnswer, ExecutionAnswer, LineAnswer


@dataclass(frozen=True)
class Run:
    """A run with what it was given and what it measured (the last value of each metric)."""

    execution: ExecutionAnswer
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """From its creation to its end."""
        begun, ended = self.execution.created, self.execution.completed
        return (ended - begun).total_seconds() if begun and ended else None


def compared(runs: Sequence[Run]) -> ComparedAnswer:
    """Runs in the order in which they were named: facts, then parameters, inputs and metrics by name."""
    facts = (
        ("flow", [run.execution.flow for run in runs]),
        ("configuration", [run.execution.configuration for run in runs]),
        ("environment", [run.execution.environment for run in runs]),
        ("status", [run.execution.status for run in runs]),
        ("seconds", [_number(run.seconds) for run in runs]),
    )
    lines = [_line("", name, values) for name, values in facts]
    for group in ("parameters", "inputs", "metrics"):
        maps: list[Mapping[str, str | float]] = [getattr(run, group) for run in runs]
        for name in sorted({name for found in maps for name in found}):
            lines.append(_line(group.removesuffix("s"), name, [_number(m.get(name)) for m in maps]))
    return ComparedAnswer(executions=tuple(run.execution for run in runs), lines=tuple(lines))


def _line(group: str, name: str, values: Sequence[str]) -> LineAnswer:
    return LineAnswer(group=group, name=name, values=tuple(values), differs=len(set(values)) > 1)


def _number(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6g}"
