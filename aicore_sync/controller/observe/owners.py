"""Whose executions are: the metric tag that a start of ours leaves. A tag that was read never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from aicore_sync.aicore import Group
from aicore_sync.controller.estate import Environment, Estate
from aicore_sync.controller.executions import OWNER_TAG
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.errors import SyncError
from aicore_sync.core.plan.origin import age_order

AT_ONCE = 50  # executions looked up per resource group and round: five requests
AGAIN = 10  # of them those that bore no tag the last time: one request
_FIRST_WAIT = timedelta(hours=1)  # until a missing tag is looked for again; it doubles each time
_AFTER_FAILURE = timedelta(minutes=5)

log = structlog.get_logger()


@dataclass(frozen=True)
class Missed:
    """A tag was looked for and there was none: when, and how long to wait until the next look."""

    at: datetime
    wait: timedelta = _FIRST_WAIT


def choose(newest_first: Sequence[str], missed: Mapping[str, Missed], now: datetime) -> tuple[str, ...]:
    """Whose tags to look up in this round, of executions without a known owner.

    Those that nobody has looked at come first, whatever their age; then those that are due longest.
    """
    fresh = [i for i in newest_first if i not in missed][:AT_ONCE]
    due = {i: now - missed[i].at - missed[i].wait for i in newest_first if i in missed}
    again = sorted((i for i in due if due[i] >= timedelta()), key=lambda i: due[i], reverse=True)
    return (*fresh, *again[: min(AGAIN, AT_ONCE - len(fresh))])


class Owners:
    """Reads tags of executions of our configurations that no schedule fired, a few per round."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots) -> None:
        self._estate = estate
        self._memory = memory
        self._snapshots = snapshots
        self._known: dict[
            str, dict[str, str]
        ] = {}  # environment -> execution -> owner, "" where there is no tag
        self._missed: dict[str, dict[str, Missed]] = {}
        self._failed: dict[str, datetime] = {}

    async def read(self, place: Environment, lists: Lists) -> Mapping[str, str]:
        """Execution → owner for all that have been looked at."""
        return await self._snapshots.get(("owners", place.name), lambda: self._fetch(place, lists), lists.age)

    async def _fetch(self, place: Environment, lists: Lists) -> Mapping[str, str]:
        now, known = self._estate.clock(), self._known.get(place.name, {})
        ours = (await lists.configurations(place)).by_id
        listed = (await lists.executions(place)).all
        runs = [e for e in listed if e.configuration in ours and not e.schedule]
        known = self._known[place.name] = {e.id: known[e.id] for e in runs if e.id in known}
        started = self._memory.started.keys() - self._memory.untagged
        known |= {e.id: self._estate.owner for e in runs if e.id in started}
        newest_first = sorted(runs, key=age_order, reverse=True)
        before = self._missed.get(place.name, {})
        missed = self._missed[place.name] = {i: before[i] for i in known if i in before and not known[i]}
        asked = choose([e.id for e in newest_first if not known.get(e.id)], missed, now)
        failed = self._failed.get(place.name)
        if not asked or (failed and now - failed < _AFTER_FAILURE):
            return dict(known)
        try:
            found = await self._group(place).metrics.get(asked)
        except SyncError as error:
            log.warning("owners_unreadable", environment=place.name, reason=error.reason)
            self._failed[place.name] = now
            return dict(known)
        tagged = {m.execution: m.tags.get(OWNER_TAG, "") for m in found}
        for identity in asked:
            known[identity] = tagged.get(identity, "")
            if not known[identity]:
                last = missed.get(identity)
                missed[identity] = Missed(now, last.wait * 2) if last else Missed(now)
        return dict(known)

    def _group(self, place: Environment) -> Group:
        return self._estate.tenants[place.tenant].client.group(place.resource_group)
