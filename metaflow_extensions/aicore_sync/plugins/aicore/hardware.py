"""Which machine a step needs: the smallest resource plan or instance type that holds what it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .model import INSTANCE_TYPE, RESOURCE_PLAN, Machine

# CPUs, GB, GPUs as SAP's documentation lists them for AWS ("Choose a Resource Plan").
PLANS = tuple(
    Machine(RESOURCE_PLAN, *facts)
    for facts in (
        ("starter", 1, 3, 0),
        ("basic", 3, 11, 0),
        ("basic.8x", 31, 116, 0),
        ("infer.s", 3, 10, 1),
        ("infer.m", 7, 26, 1),
        ("train.l", 7, 55, 1),
        ("infer.l", 15, 58, 1),
    )
)


@dataclass(frozen=True)
class Need:
    """What @resources and @kubernetes say; 0 where they say nothing. Memory in MB."""

    cpu: float = 0.0
    memory: float = 0.0
    gpu: int = 0

    def either(self, other: Need) -> Need:
        """The larger of both, as Metaflow combines the two decorators."""
        return Need(max(self.cpu, other.cpu), max(self.memory, other.memory), max(self.gpu, other.gpu))

    def __str__(self) -> str:
        parts = [f"{self.cpu:g} CPU" if self.cpu else "", f"{self.memory:g} MB" if self.memory else ""]
        return ", ".join(filter(None, [*parts, f"{self.gpu} GPU" if self.gpu else ""]))


def smallest(need: Need, machines: Sequence[Machine]) -> Machine | None:
    """The smallest machine that holds `need`: first by GPUs, then CPUs, then memory. None when none does."""
    fitting = [
        m for m in machines if m.cpu >= need.cpu and m.memory * 1024 >= need.memory and m.gpu >= need.gpu
    ]
    return min(fitting, key=lambda m: (m.gpu, m.cpu, m.memory, m.name), default=None)


def largest(machines: Sequence[Machine]) -> str:
    """The machines in words, for the person whose step fits none."""
    return "; ".join(f"{m.name}: {m.cpu:g} CPU, {m.memory:g} GB, {m.gpu} GPU" for m in machines)


def instance_types(answer: Mapping[str, Any]) -> tuple[Machine, ...]:
    """The machines in an answer of GET /admin/resources/instanceTypes (or in the map inside it).

    Raises ValueError when a number cannot be read.
    """
    types = answer.get("instanceTypes", answer)
    facts = [(name, *(_number(t.get(k)) for k in ("cpu", "memory", "gpu"))) for name, t in types.items()]
    return tuple(Machine(INSTANCE_TYPE, n, cpu, memory, int(gpu)) for n, cpu, memory, gpu in facts)


def _number(value: Any) -> float:
    """`8`, "8", "32Gi" or "32 GB" as a number; nothing is 0."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)", str(value or 0))
    if found is None:
        raise ValueError(f"{value!r} is not a number")
    return float(found[1])
