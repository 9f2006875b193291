"""What the controller knows between passes and may forget at any time: losing it costs a wait, never a duplicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aicore_sync.core.desired import WantFlow, WantTemplate
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import Done, FlowKey, Hold, Key, Stalled, TemplateKey, Verdict, Wait
from aicore_sync.core.parts import Part
from aicore_sync.core.template import PublishedTemplate


@dataclass(frozen=True)
class TemplateState:
    """How far a template is: `live` are the facts that AI Core is proven to run, `holds` why the wanted one is not.

    `source_digest` names the sources that it speaks of; about newer ones it says nothing. `stays`: no other template is
    on its way to take the place of the live one.
    """

    live: PublishedTemplate | None = None
    holds: tuple[Hold, ...] = ()
    source_digest: str = ""
    stays: bool = False


@dataclass(frozen=True)
class PushFailure:
    """The committer could not publish this template, so many `times` in a row."""

    template_digest: str
    error: SyncError
    at: datetime
    times: int = 1


@dataclass
class Memory:
    """One per process. Written by passes and committers on the event loop, so it needs no lock."""

    templates: dict[TemplateKey, TemplateState] = field(default_factory=dict)
    settled: dict[Key, WantTemplate | WantFlow] = field(default_factory=dict)  # what has nothing left to do
    submitted: dict[TemplateKey, str] = field(
        default_factory=dict
    )  # template digest last handed to the committer, "" for a removal
    push_failures: dict[TemplateKey, PushFailure] = field(default_factory=dict)
    pushed_at: dict[str, datetime] = field(default_factory=dict)  # tenant -> last commit of ours
    refreshed_at: dict[str, datetime] = field(
        default_factory=dict
    )  # tenant -> last refresh that we asked for
    unsynced_since: dict[TemplateKey, datetime] = field(default_factory=dict)  # published, not proven live
    writes: dict[tuple[str, str], datetime] = field(
        default_factory=dict
    )  # (environment, name or id) -> last write
    settled_at: dict[str, datetime] = field(
        default_factory=dict
    )  # repository -> end of the wait after a take-over
    confirmed: set[str] = field(default_factory=set)  # fingerprints, to this process alone
    starts_wanted: set[FlowKey] = field(default_factory=set)  # until their next pass says otherwise
    starts_allowed: set[FlowKey] = field(
        default_factory=set
    )  # named by a confirmation, until they have started
    starts_made: dict[FlowKey, datetime] = field(default_factory=dict)
    started: dict[str, datetime] = field(default_factory=dict)  # executions that we started ourselves
    untagged: set[str] = field(default_factory=set)  # those of them whose tag could not be written
    spent: set[str] = field(default_factory=set)  # announced starts of which nothing is open
    patches: dict[tuple[str, str], tuple[tuple[str | datetime, datetime], ...]] = field(
        default_factory=dict
    )  # (schedule id, field) -> what it was set to, and when
    removed: dict[Part, datetime] = field(default_factory=dict)  # because the source no longer has it
    removals_allowed: dict[str, datetime] = field(default_factory=dict)  # what a confirmation named
    reserved: dict[TemplateKey, str] = field(default_factory=dict)  # new templates that have a place, by kind
    live_files: dict[TemplateKey, bytes] = field(default_factory=dict)  # what AI Core was last proven to run

    def rests(self, want: WantTemplate | WantFlow, verdict: Verdict) -> None:
        """Whether a pass left something to do soon."""
        if isinstance(verdict, Done | Stalled | Wait) and getattr(verdict, "after", None) is None:
            self.settled[want.key] = want
        else:
            self.settled.pop(want.key, None)

    def wrote(self, environment: str, name: str, now: datetime) -> None:
        """Remember a write whose effect lists may not show yet."""
        self.writes[environment, name] = now

    def patched(self, schedule: str, changes: Iterable[tuple[str, str | datetime]], now: datetime) -> None:
        """Remember that fields of a schedule were set; after a restart the count begins anew."""
        for name, value in changes:
            self.patches[schedule, name] = (*self.patches.get((schedule, name), ()), (value, now))[-20:]

    def paused(self, schedule: str, now: datetime, settle: timedelta) -> bool:
        """Whether we paused a schedule so recently that lists may still show it ACTIVE."""
        value, at = self.patches.get((schedule, "status"), (("", now),))[-1]
        return value == "INACTIVE" and now - at < settle

    def recent_writes(self, environment: str) -> Mapping[str, datetime]:
        """Names and ids written in an environment, with the time."""
        return {name: at for (where, name), at in self.writes.items() if where == environment}

    def starting(self, now: datetime, round_: timedelta) -> frozenset[FlowKey]:
        """Flows that want a start, or made one within the round that ends now."""
        return frozenset(
            self.starts_wanted | {key for key, at in self.starts_made.items() if now - at <= round_}
        )

    def braked(self) -> Memory:
        """What brakes count, for who goes on under another configuration; the rest is looked at anew."""
        return Memory(
            starts_allowed=self.starts_allowed,
            starts_made=self.starts_made,
            patches=self.patches,
            removed=self.removed,
            removals_allowed=self.removals_allowed,
        )

    def leave(self, gone: Callable[[Key], bool]) -> None:
        """Forget what was known of keys that another process works on now. Writes stay: they may not show yet."""
        self.templates = {key: state for key, state in self.templates.items() if not gone(key)}
        self.settled = {key: want for key, want in self.settled.items() if not gone(key)}
        self.unsynced_since = {key: at for key, at in self.unsynced_since.items() if not gone(key)}
        self.live_files = {key: data for key, data in self.live_files.items() if not gone(key)}
        self.reserved = {key: kind for key, kind in self.reserved.items() if not gone(key)}
        self.starts_wanted = {key for key in self.starts_wanted if not gone(key)}
        self.starts_allowed = {key for key in self.starts_allowed if not gone(key)}

    def forget_old(self, now: datetime, age: timedelta) -> None:
        """Drop what no decision needs any more."""
        self.writes = {name: at for name, at in self.writes.items() if now - at <= age}
        self.started = {name: at for name, at in self.started.items() if now - at <= age}
        self.untagged &= self.started.keys()
        self.starts_made = {key: at for key, at in self.starts_made.items() if now - at <= age}
        self.removed = {part: at for part, at in self.removed.items() if now - at <= age}
        self.removals_allowed = {name: at for name, at in self.removals_allowed.items() if now - at <= age}
        self.patches = {place: done for place, done in self.patches.items() if now - done[-1][1] <= age}
