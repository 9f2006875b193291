"""What can be taken away: planned by the same rules as everything, done alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aicore_sync.app.build import App
from aicore_sync.app.locks import release_locks
from aicore_sync.app.once import Planned, take_locks
from aicore_sync.app.tasks import background
from aicore_sync.controller.apply import Applier
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import (
    Action,
    DeleteDeployment,
    DeleteExecutions,
    DeleteSchedule,
    Plan,
    Retract,
    StopDeployment,
)
from aicore_sync.core.model import Hold, Key
from aicore_sync.core.report import Outcome

TAKES_AWAY = (Retract, DeleteSchedule, DeleteExecutions, StopDeployment, DeleteDeployment)
KEEPS_BACK = frozenset({"SourceMissing", "StillScheduled", "StillRunning", "NeedsConfirmation"})


@dataclass(frozen=True)
class Garbage:
    """What can go now, what waits to go, and how much can never go."""

    actions: tuple[tuple[Key, Action], ...]
    waiting: tuple[tuple[Key, Hold], ...]
    retained: int


async def garbage(app: App, planned: Planned) -> Garbage:
    """What a plan takes away; artifacts and configurations can never be deleted, so they are only counted."""
    actions = [(k, a) for k, plan in planned.plans.items() for a in plan.actions if isinstance(a, TAKES_AWAY)]
    waiting = [(k, h) for k, plan in planned.plans.items() for h in plan.holds if h.reason in KEEPS_BACK]
    retained = 0
    for place in app.estate.environments.values():
        retained += len((await app.reader.lists.configurations(place)).all)
        retained += len((await app.reader.lists.artifacts(place)).all)
    return Garbage(tuple(actions), tuple(waiting), retained)


async def collect(app: App, found: Garbage) -> tuple[Outcome, ...]:
    """Take it away, under the lock. Raises Transient (LockHeld) while a service holds that: it does so by itself."""
    left_out = await take_locks(app)
    applier = Applier(app.estate, app.memory, Snapshots(time.monotonic))
    done: list[Outcome] = []
    try:
        for error in left_out.values():
            raise error
        branches = app.estate.branches.values()
        async with background(*(home.lock.keep() for home in app.estate.homes())):
            for key, action in found.actions:
                done += await applier.apply(key, Plan((action,)))
            for branch in branches:
                await branch.committer.drain()
    finally:
        await release_locks(app)
    return tuple(done)
