"""From statuses to spans: how long each stage of a rollout took; pure.

A rollout is the way of one version of a template, from its push (else the pass that first found it not live) to the
pass that found a flow healthy on it. Stages are timed by their conditions: begun when one stops being ok, over when it
is ok again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aicore_sync.core.model import FlowKey, Health, Key, Mark, Stage, Status, TemplateKey, TenantKey

Attributes = Mapping[str, str]
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True)
class Span:
    """A piece of a rollout. `rollout` names its trace; `stage` is None for the rollout of a flow as a whole."""

    rollout: str
    stage: Stage | None
    key: Key
    start: datetime
    end: datetime
    attributes: Attributes = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.stage.value if self.stage else "rollout"


@dataclass
class _Course:
    """How a key goes: the version that it was well with, and for each stage when it began and when it was over."""

    version: str
    stages: dict[Stage, tuple[datetime, datetime | None]] = field(default_factory=dict)

    def note(self, status: Status, at: datetime) -> None:
        for stage in Stage:
            condition = status.condition(stage)
            known = self.stages.get(stage)
            if condition and condition.mark in (Mark.WAIT, Mark.FAIL):
                self.stages[stage] = (known[0] if known else at, None)
            elif known and known[1] is None:
                self.stages[stage] = (known[0], at)


class Rollouts:
    """Remembers how each key goes. Feed it every new status, in order."""

    def __init__(self) -> None:
        self._courses: dict[Key, _Course] = {}
        self._published: dict[TemplateKey, datetime] = {}

    def spans(self, status: Status, pushed: datetime | None = None) -> tuple[Span, ...]:
        """The spans that end with this status; `pushed` is the push that a template's status has just proven live.

        A key that is well at its first status tells nothing.
        """
        at, version = status.updated, status.facts.get("version", "")
        if at is None:
            return ()
        course = self._courses.get(status.key)
        if course is None:
            course = self._courses[status.key] = _Course(version if status.health is Health.HEALTHY else "")
        course.note(status, at)
        if not version or status.health is not Health.HEALTHY:
            return ()
        found = () if version == course.version else tuple(self._ended(status, at, (course, pushed)))
        self._courses[status.key] = _Course(version)
        return found

    def forget(self, key: Key) -> None:
        """The key is gone."""
        self._courses.pop(key, None)
        if isinstance(key, TemplateKey):
            self._published.pop(key, None)

    def _ended(self, status: Status, at: datetime, way: tuple[_Course, datetime | None]) -> Iterator[Span]:
        (course, pushed), rollout, about = way, trace_name(status), _attributes(status)
        for stage, (start, end) in course.stages.items():
            yield Span(rollout, stage, status.key, start, end or at, about)
        start = min((begun for begun, _ in course.stages.values()), default=at)
        if isinstance(status.key, TemplateKey):
            if pushed and pushed < start:
                yield Span(rollout, Stage.DESIRE, status.key, pushed, start, about)
            self._published[status.key] = min(start, pushed or start)
            return
        template = TemplateKey(status.facts.get("tenant", ""), status.facts.get("template", ""))
        yield Span(rollout, None, status.key, min(start, self._published.get(template, start)), at, about)


def trace_name(status: Status) -> str:
    """What one trace is about: the source's commit, whatever it touched, else the version of the template."""
    source = status.facts.get("source", "")
    commit = source.rpartition("@")[2]
    if COMMIT.fullmatch(commit):
        return commit
    name = status.key.executable if isinstance(status.key, TemplateKey) else status.facts.get("template", "")
    return source or f"{name}@{status.facts.get('version', '')}"


def _attributes(status: Status) -> Attributes:
    names = ("version", "commit", "source", "scenario")
    found = {f"aicore_sync.{name}": status.facts[name] for name in names if status.facts.get(name)}
    if isinstance(status.key, FlowKey):
        return {
            "aicore_sync.flow": status.key.flow,
            "aicore_sync.environment": status.key.environment,
            **found,
        }
    if isinstance(status.key, TenantKey):
        return {"aicore_sync.tenant": status.key.tenant}
    return {"aicore_sync.flow": status.key.executable, "aicore_sync.tenant": status.key.tenant, **found}
