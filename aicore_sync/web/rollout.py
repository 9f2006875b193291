"""How far each version of a flow came, and when: from the push of a change to what runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aicore_sync.core.chronicle import Publication
from aicore_sync.core.difference import Change, joined
from aicore_sync.core.model import Health, Mark, Stage, Status

FLOW_STAGES = (
    ("Configured", Stage.CONFIGURE),
    ("Scheduled", Stage.SCHEDULE),
    ("Executed", Stage.EXECUTE),
)


@dataclass(frozen=True)
class Reached:
    """When a version reached a stage; `after` is in seconds since the one before. None: not yet, or not known."""

    name: str
    at: datetime | None
    after: float | None = None


@dataclass(frozen=True)
class Rollout:
    """One version on its way. `changes` is None where no version before it is known."""

    publication: Publication
    stages: tuple[Reached, ...]
    changes: tuple[Change, ...] | None = ()


def rollout(
    publication: Publication,
    history: Sequence[Status],
    changes: Sequence[Change] | None = (),
    until: datetime | None = None,
) -> Rollout:
    """The way of one version; `history` are the flow's statuses in one environment, in any order.

    `until` is when the next one was published: the same version may come again later.
    """
    times = [("Pushed", publication.pushed), ("Seen", publication.noticed)]
    times += [("Published", publication.at), ("Live", publication.live)]
    same = [(s.updated, s) for s in history if s.updated and s.facts.get("version") == publication.version]
    ours = [(at, s) for at, s in same if publication.at <= at and (until is None or at < until)]
    for last_stage, (name, _) in enumerate(FLOW_STAGES):
        times.append((name, min((at for at, s in ours if _there(s, last_stage)), default=None)))
    times.append(("Healthy", min((at for at, s in ours if s.health is Health.HEALTHY), default=None)))
    stages: list[Reached] = []
    last: datetime | None = None
    for name, at in times:
        after = max(0.0, (at - last).total_seconds()) if at and last else None
        stages.append(Reached(name, at if last is None or after is not None else None, after))
        last = max(filter(None, (at, last)), default=None)  # two may be seen in the other order
    return Rollout(publication, tuple(stages), None if changes is None else joined(changes))


def side_by_side(rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
    """Without the push where none has one: a directory is not pushed to."""
    if any(one.stages[0].at for one in rollouts):
        return tuple(rollouts)
    return tuple(replace(one, stages=one.stages[1:]) for one in rollouts)


def _there(status: Status, last: int) -> bool:
    """A stage is reached together with all before it: until then it may only have nothing to do yet."""
    found = [status.condition(stage) for _, stage in FLOW_STAGES[: last + 1]]
    return all(condition and condition.mark in (Mark.OK, Mark.OFF) for condition in found)
