"""What happened, for people: events, and what was published when. Pure; nothing is decided from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aicore_sync.core.model import Condition, FlowKey, Key, Mark, Stage, Status, TemplateKey, TenantKey

Happening = Literal["condition", "action"]


@dataclass(frozen=True)
class Event:
    """A condition that came up, or what a person did. `by` is that person, `id` counts up, 0 before it is kept.

    A template's event has a `tenant`, a flow's an `environment`; what concerns everything has neither.
    """

    at: datetime
    kind: Happening
    reason: str
    message: str
    mark: Mark = Mark.OK
    stage: Stage | None = None
    flow: str = ""
    environment: str = ""
    tenant: str = ""
    subject: str = ""
    by: str = ""
    id: int = 0


@dataclass(frozen=True)
class Publication:
    """A version of a template that went to the publish branch, or that it was taken away (`document` is empty).

    `source` is the source revision, `author` and `subject` those of its commit where it is one. `pushed` is when that
    was pushed, None where the change was no push or came while nobody looked; `noticed` when the change was first seen,
    `live` when AI Core was proven to run it, None before that.
    """

    tenant: str
    executable: str
    at: datetime
    version: str
    commit: str
    source: str = ""
    author: str = ""
    subject: str = ""
    pushed: datetime | None = None
    noticed: datetime | None = None
    live: datetime | None = None
    document: bytes = b""
    id: int = 0

    @property
    def until_live(self) -> timedelta | None:
        """From the push of the change, or the first sight of it, to its proof."""
        return self.live - (self.pushed or self.noticed or self.at) if self.live else None


def events_of(before: Status | None, after: Status) -> tuple[Event, ...]:
    """What is new in `after`. The first status of all tells only what is wrong: that all is well is no news."""
    known = {_identity(c) for c in before.conditions} if before else set()
    fresh = (c for c in after.conditions if _identity(c) not in known and (before or c.mark is Mark.FAIL))
    return tuple(_event(after, c) for c in fresh)


def removal_of(key: Key, at: datetime) -> tuple[Event, ...]:
    """The last word about a template, or a flow in an environment: nothing else had anything to take away."""
    flow, environment, tenant = place_of(key)
    words = "it is no longer in the source, and nothing of it is left to take away"
    told = Event(at, "condition", "Removed", words, flow=flow, environment=environment, tenant=tenant)
    return (told,) if flow and (environment or tenant) else ()


def _identity(condition: Condition) -> tuple[str, ...]:
    """Waits that go on say the same thing with another number of seconds; actions differ by their words."""
    words = condition.message if condition.reason == "Applying" else ""
    return (condition.stage, condition.mark, condition.reason, condition.subject, words)


def _event(status: Status, condition: Condition) -> Event:
    flow, environment, tenant = place_of(status.key)
    assert status.updated
    return Event(
        status.updated,
        "condition",
        condition.reason,
        condition.message,
        condition.mark,
        condition.stage,
        flow,
        environment,
        tenant,
        condition.subject,
    )


def place_of(key: Key) -> tuple[str, str, str]:
    """Flow, environment and tenant; "" where the key has none."""
    match key:
        case TemplateKey():
            return key.executable, "", key.tenant
        case TenantKey():
            return "", "", key.tenant
        case FlowKey():
            return key.flow, key.environment, ""
