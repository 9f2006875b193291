"""What was taken away of flows that stay: nothing in git's templates or AI Core tells of it, and brakes count it.

    removed/<environment>/<flow>.json

One for the newest removal of a flow in an environment; after an hour it counts no more, and the next clears it away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from aicore_sync.core.model import FlowKey
from aicore_sync.core.parts import Part

REMOVED = "removed/"
COUNTS_FOR = timedelta(hours=1)


def noted_removal(
    files: Mapping[str, bytes], key: FlowKey, names: Iterable[str], now: datetime
) -> dict[str, bytes | None]:
    """The files to write when `names` (`schedule main`) of a flow were taken away; None removes one."""
    note = {"at": now.isoformat(), "names": sorted(names)}
    old = {path: None for path, data in files.items() if path.startswith(REMOVED) and not _recent(data, now)}
    return {**old, f"{REMOVED}{key.environment}/{key.flow}.json": json.dumps(note).encode() + b"\n"}


def removed_of(files: Mapping[str, bytes], now: datetime) -> dict[Part, datetime]:
    """What was taken away within the last hour, and when. What cannot be read tells nothing."""
    found: dict[Part, datetime] = {}
    for path, data in files.items():
        place, _, flow = path.removeprefix(REMOVED).removesuffix(".json").partition("/")
        note = _recent(data, now) if path.startswith(REMOVED) else None
        if note and flow:
            found |= {Part(flow, place, name): note[0] for name in note[1]}
    return found


def _recent(data: bytes, now: datetime) -> tuple[datetime, tuple[str, ...]] | None:
    try:
        held = json.loads(data)
        at, names = datetime.fromisoformat(held["at"]), tuple(map(str, held["names"]))
        return (at, names) if now - at < COUNTS_FOR else None
    except (ValueError, TypeError, KeyError):
        return None
