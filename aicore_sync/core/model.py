"""The words of the product as values: keys, stages, actions, holds, conditions, status, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class TemplateKey(NamedTuple):
    """A template in a tenant; its stages are publish and sync. `executable` is the executable id."""

    tenant: str
    executable: str

    def __str__(self) -> str:
        return f"{self.executable}@{self.tenant}"


class FlowKey(NamedTuple):
    """A flow in an environment; its stages are configure, schedule and execute. `flow` is the flow's executable id."""

    flow: str
    environment: str

    def __str__(self) -> str:
        return f"{self.flow}/{self.environment}"


class TenantKey(NamedTuple):
    """What the configuration declares for a tenant itself: resource groups and secrets; its stage is configure."""

    tenant: str

    def __str__(self) -> str:
        return f"@{self.tenant}"


Key = TemplateKey | FlowKey | TenantKey


class Stage(StrEnum):
    """What a plan walks through. DESIRE comes before the first stage: reading and rendering the source."""

    DESIRE = "desire"
    PUBLISH = "publish"
    SYNC = "sync"
    CONFIGURE = "configure"
    SCHEDULE = "schedule"
    EXECUTE = "execute"


STAGES = (Stage.PUBLISH, Stage.SYNC, Stage.CONFIGURE, Stage.SCHEDULE, Stage.EXECUTE)


class Mark(StrEnum):
    """How a condition looks at first sight."""

    OK = "ok"
    WAIT = "wait"  # will go on by itself
    FAIL = "fail"  # a person must act
    OFF = "off"  # suspended, expired, or nothing to do here


@dataclass(frozen=True)
class Condition:
    """One sentence about one stage. `reason` is PascalCase, `subject` the object it speaks of, "" for the whole.

    `fingerprint` names what a confirmation must name, when one would end the wait.
    """

    stage: Stage
    mark: Mark
    reason: str
    message: str = ""
    subject: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class Hold:
    """A plan value: this object waits. `after` is in seconds; None means until an input changes.

    `mark` is WAIT when time or another object will end it, FAIL when a person must, OFF when a person wanted it so.
    `fingerprint` names what a confirmation must name, when one would end the wait.
    """

    stage: Stage
    reason: str
    message: str
    subject: str = ""
    after: float | None = None
    mark: Mark = Mark.WAIT
    fingerprint: str = ""


@dataclass(frozen=True)
class ObjectRow:
    """An object of AI Core as people see it: `kind` is configuration, schedule, execution, deployment, artifact, …

    `at` is when it was made; of a schedule `at` and `until` are the time in which it fires.
    """

    kind: str
    name: str
    id: str
    state: str
    detail: str = ""
    at: datetime | None = None
    until: datetime | None = None


class Health(StrEnum):
    """The one word for a row."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    ATTENTION = "NeedsAttention"
    SUSPENDED = "Suspended"
    NOT_TARGETED = "NotTargeted"


@dataclass(frozen=True)
class Status:
    """What a pass found out about its key. `message` is the one sentence that says what blocks, or that all is well.

    `facts` are short named values for people: commit, version, scenario, template, source.
    """

    key: Key
    health: Health
    message: str
    conditions: tuple[Condition, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[ObjectRow, ...] = ()
    updated: datetime | None = None

    def condition(self, stage: Stage) -> Condition | None:
        """The condition of `stage` that matters most: failed before waiting before the rest."""
        of_stage = [c for c in self.conditions if c.stage is stage]
        order = (Mark.FAIL, Mark.WAIT, Mark.OFF, Mark.OK)
        return min(of_stage, key=lambda c: order.index(c.mark), default=None)


@dataclass(frozen=True)
class Done:
    """Nothing left to do; look again after the usual interval."""


@dataclass(frozen=True)
class Wait:
    """Look again after `after` seconds, None: at the usual interval."""

    reason: str
    after: float | None


@dataclass(frozen=True)
class Retry:
    """Something failed that time may heal: back off, or wait as long as the other side asked (seconds)."""

    reason: str
    after: float | None = None


@dataclass(frozen=True)
class Stalled:
    """A person must act: no time-driven retry but the usual interval."""

    reason: str


@dataclass(frozen=True)
class Gone:
    """Nothing is wanted and nothing of ours is left: the key is forgotten."""


Verdict = Done | Wait | Retry | Stalled | Gone
