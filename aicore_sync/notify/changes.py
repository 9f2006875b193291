"""Which change of a status deserves a note on a route; pure, one step per new status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from aicore_sync.core.model import STAGES, FlowKey, Health, Key, Mark, Stage, Status, TenantKey


class NoteKind(StrEnum):
    """Why people are told."""

    ATTENTION = "attention"  # somebody must act
    RECOVERED = "recovered"  # nobody needs to act any more
    CHANGED = "changed"  # no news for those who only want to hear of trouble


@dataclass(frozen=True)
class Note:
    """One message to people: what it is about, the reason on the condition, and the sentence of the status."""

    key: Key
    kind: NoteKind
    title: str
    text: str
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Rule:
    """What a route wants to hear. `flows` and `environments` are globs.

    Attention is told once `failures` passes within `within` seconds have found it. `info` adds every other change of
    a settled state: suspended, resumed, a new version live.
    """

    flows: tuple[str, ...] = ("*",)
    environments: tuple[str, ...] = ("*",)
    info: bool = False
    failures: int = 1
    within: float = 600.0

    def concerns(self, key: Key, environments: Sequence[str]) -> bool:
        """Whether the route hears of `key`; `environments` are those of its tenant where it is no flow."""
        if isinstance(key, TenantKey):
            return "*" in self.flows and any(
                _fits(place, self.environments) for place in environments or ("",)
            )
        name = key.flow if isinstance(key, FlowKey) else key.executable
        places = (key.environment,) if isinstance(key, FlowKey) else tuple(environments)
        return _fits(name, self.flows) and any(_fits(place, self.environments) for place in places or ("",))


@dataclass(frozen=True)
class Known:
    """What the readers of a route know of a key.

    `settled` is the last status that was no work in progress, `told` that they were told of trouble, and `failures`
    when passes found trouble since the last healthy one.
    """

    settled: Status | None = None
    told: bool = False
    failures: tuple[datetime, ...] = ()


def known_before(rule: Rule, status: Status) -> Known:
    """What was known when an earlier process stopped: nothing is told twice after a restart.

    Where trouble is told after several failures nobody knows whether it was; it is counted anew: rather twice than
    never.
    """
    return Known(_settled(None, status), told=status.health is Health.ATTENTION and rule.failures < 2)


def step(rule: Rule, known: Known, after: Status) -> tuple[Known, Note | None]:
    """What is known after a new status, and the note that it deserves."""
    settled = _settled(known.settled, after)
    if after.health is Health.ATTENTION:
        failures = _recent(rule, known.failures, after.updated)
        if known.told or len(failures) < rule.failures:
            return replace(known, settled=settled, failures=failures), None
        note = _note(after, NoteKind.ATTENTION, f"{after.key} needs attention")
        return Known(settled, told=True), note
    if after.health is Health.PROGRESSING:
        return known, None
    if known.told and after.health is Health.HEALTHY:
        return Known(settled), _note(after, NoteKind.RECOVERED, f"{after.key} is healthy again")
    told = known.told and after.health is not Health.HEALTHY
    return Known(settled, told), _news(known.settled, after) if rule.info else None


def _news(before: Status | None, after: Status) -> Note | None:
    if before is None:
        return None  # the first look at a key is no change
    version = after.facts.get("version", "")
    if before.health is not after.health:
        return _note(after, NoteKind.CHANGED, f"{after.key} is {after.health.value} now")
    if version and version != before.facts.get("version") and after.health is Health.HEALTHY:
        return _note(after, NoteKind.CHANGED, f"{after.key}: version {version} is live")
    return None


def _settled(before: Status | None, after: Status) -> Status | None:
    """Work in progress does not end a state that people were told of."""
    return before if after.health is Health.PROGRESSING else after


def _recent(rule: Rule, failures: Sequence[datetime], at: datetime | None) -> tuple[datetime, ...]:
    if at is None:
        return tuple(failures)
    kept = [one for one in (*failures, at) if at - one <= timedelta(seconds=rule.within)]
    return tuple(kept[-rule.failures :])


def _note(status: Status, kind: NoteKind, title: str) -> Note:
    failed = (c for c in map(status.condition, (Stage.DESIRE, *STAGES)) if c and c.mark is Mark.FAIL)
    first = next(failed, None)
    return Note(status.key, kind, title, status.message, first.reason if first else "", status.updated)


def _fits(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
