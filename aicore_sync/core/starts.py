"""Starts that are announced: one small file each on the state branch, written before the start is sent.

    starts/<environment>/<flow>/<configuration>.json

A run is ours by its metric tag, which can only be written once AI Core has named the run. When the answer got lost, or
the process died before the tag was written, this file says what was sent: that run is known again, and tagged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aicore_sync.core.model import FlowKey
from aicore_sync.core.world import Configuration, Execution

STARTS = "starts/"
SKEW = timedelta(seconds=30)  # between our clock and AI Core's
KEPT = timedelta(days=7)  # longer than any run waits for its tag


@dataclass(frozen=True)
class Start:
    """A start of `configuration` (its id) was about to be sent `at` this time; its run gets `tags`.

    `known` are young runs of it that were there before.
    """

    configuration: str
    at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    path: str = ""

    def encoded(self) -> bytes:
        """The file's content."""
        content = {"configuration": self.configuration, "at": self.at.isoformat()}
        return (
            json.dumps(content | {"tags": dict(self.tags), "known": list(self.known)}, indent=2) + "\n"
        ).encode()


def start_path(key: FlowKey, name: str) -> str:
    """Where the newest start of a configuration is announced; `name` is the configuration's full name."""
    parts = name.split(".")
    return f"{STARTS}{key.environment}/{key.flow}/{parts[2] if len(parts) > 3 else name}.json"


def starts_of(files: Mapping[str, bytes], key: FlowKey) -> tuple[Start, ...]:
    """The announced starts of a flow in an environment. What cannot be read announces nothing."""
    prefix = f"{STARTS}{key.environment}/{key.flow}/"
    found = (_start(path, data) for path, data in sorted(files.items()) if path.startswith(prefix))
    return tuple(start for start in found if start)


def stale_starts(files: Mapping[str, bytes], now: datetime) -> set[str]:
    """Announcements that nothing asks for any more: whoever stopped before they were spent left them behind."""
    found = (_start(path, data) for path, data in files.items() if path.startswith(STARTS))
    return {start.path for start in found if start and now - start.at > KEPT}


def _start(path: str, data: bytes) -> Start | None:
    try:
        held = json.loads(data)
        at = datetime.fromisoformat(held["at"])
        if at.tzinfo is None:
            return None
        tags = {str(name): str(value) for name, value in held["tags"].items()}
        known = tuple(str(item) for item in held.get("known", []))
        return Start(str(held["configuration"]), at, tags, known, path)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def lost_runs(
    starts: Iterable[Start], runs: Iterable[Execution], owners: Mapping[str, str], within: timedelta
) -> dict[str, Start]:
    """Runs that we started and whose tag is missing: execution → its start.

    `owners` maps executions to what their tag names, "" where there is none; `within` is how late a start may arrive.
    It must be the only new one: where somebody else started one as well, nobody can tell which is ours.
    """
    listed = [e for e in runs if not e.schedule]
    found = {}
    for start in starts:
        new = [e for e in listed if e.configuration == start.configuration and e.id not in start.known]
        near = [e for e in new if e.created_at and -SKEW <= e.created_at - start.at <= within + SKEW]
        if len(near) == 1 and owners.get(near[0].id) == "":
            found[near[0].id] = start
    return found


def starts_in(
    environment: str,
    executions: Iterable[Execution],
    configurations: Iterable[Configuration],
    since: datetime,
) -> dict[FlowKey, datetime]:
    """Flows that runs of our configurations were started of since then, by no schedule."""
    flows = {c.id: c.name.split(".")[1] for c in configurations if c.name.count(".") == 3}
    young = (e for e in executions if not e.schedule and e.created_at and e.created_at >= since)
    found: dict[FlowKey, datetime] = {}
    for e in young:
        if e.configuration in flows and e.created_at:
            key = FlowKey(flows[e.configuration], environment)
            found[key] = max(e.created_at, found.get(key, since))
    return found
