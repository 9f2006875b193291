"""When a flow or a part of it counts as gone, and the brake on removing many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aicore_sync.controller.estate import Limits
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.source import Scan
from aicore_sync.core.catalog import Catalog
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.parts import Inhabitants, Part

HOUR = timedelta(hours=1)


@dataclass
class Presence:
    """When parts were seen or missed by complete scans: gone means missed twice, apart."""

    first_complete: datetime | None = None
    last_complete: datetime | None = None
    missing_since: dict[Part, datetime] = field(default_factory=dict)
    known: set[Part] = field(default_factory=set)

    def saw(self, parts: frozenset[Part], now: datetime) -> None:
        """A complete scan found exactly these."""
        self.first_complete = self.first_complete or now
        self.last_complete = now
        for part in self.known - parts:
            self.missing_since.setdefault(part, now)
        for part in parts:
            self.missing_since.pop(part, None)
        self.known |= parts

    def missing_for(self, part: Part) -> timedelta:
        """How long complete scans have missed it; what no scan has seen is missed since the first."""
        since = self.missing_since.get(part, self.first_complete)
        return self.last_complete - since if since and self.last_complete else timedelta(0)

    def forget(self, flow: str, place: str) -> None:
        """Nothing of a place is left to be removed: it no longer counts."""
        for part in [p for p in self.missing_since if (p.flow, p.place) == (flow, place)]:
            del self.missing_since[part]
            self.known.discard(part)


def unread_words(found: Catalog, scan: Scan, errors: Mapping[str, SyncError]) -> str:
    """What keeps a source from telling all that it has: the end of a sentence."""
    if found.broken:
        return f": {'; '.join(map(str, next(iter(found.broken.values())).problems))}"
    if scan.hiding:
        more = f" (and {len(scan.hiding) - 1} more)" if len(scan.hiding) > 1 else ""
        return f": {scan.hiding[0]}{more}"
    return f": {next(iter(errors.values())).message}" if errors else ""


@dataclass
class Removals:
    """What was removed in the last hour counts; what a confirmation named stays allowed while it is carried out.

    The fingerprint names what is still to be removed, so that every process that looks comes to the same one.
    """

    limits: Limits
    memory: Memory = field(default_factory=Memory)

    def done(self, part: Part, now: datetime) -> None:
        """A removal was done."""
        self.memory.removed[part] = now

    def brake(self, asked: Part, flows: Inhabitants, confirmed: frozenset[str], now: datetime) -> Hold | None:
        """Many removals at once, or all, wait for a confirmation that names exactly them."""
        recent = frozenset(part for part, at in self.memory.removed.items() if now - at < HOUR)
        vanished = flows.vanished(recent, asked)
        wanted = flows.labels(vanished)
        own = flows.labels(frozenset({asked}))
        allowed_at = self.memory.removals_allowed
        if all(label in allowed_at and now - allowed_at[label] < HOUR for label in own):
            return None
        losing = {*wanted.values(), *(part.flow for part in recent)}
        total = len({part.flow for part in flows.here | flows.elsewhere} | losing)
        allowed = max(self.limits.removal_floor, int(total * self.limits.removal_share))
        if len(losing) <= allowed and flows.survivors(vanished):
            return None
        fingerprint = hashlib.sha256("\n".join(sorted(wanted)).encode()).hexdigest()[:12]
        if fingerprint in confirmed:
            allowed_at |= dict.fromkeys({*wanted, *wanted.values()}, now)
            return None
        names = ", ".join(sorted(wanted)[:5]) + ("…" if len(wanted) > 5 else "")
        partly = " or would lose schedules or deployments" if wanted.keys() - {*wanted.values()} else ""
        message = (
            f"{len(losing)} of {total} flows would be removed{partly} within an hour (now {names}); "
            f"confirm with: aicore-sync apply --expect {fingerprint}"
        )
        return Hold(Stage.PUBLISH, "NeedsConfirmation", message, mark=Mark.FAIL, fingerprint=fingerprint)
