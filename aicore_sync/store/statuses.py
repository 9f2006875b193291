"""Statuses and their changes in the database."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from aicore_sync.core import pins
from aicore_sync.core.chronicle import Publication, events_of, removal_of
from aicore_sync.core.model import FlowKey, Key, Mark, Stage, Status, TemplateKey, TenantKey
from aicore_sync.store import chronicle
from aicore_sync.store.chronicle import add_events, proven

LAST_SAMENESS = "SELECT sameness FROM history WHERE kind=? AND name=? AND place=? ORDER BY id DESC LIMIT 1"
DROP_OLD = """
DELETE FROM history WHERE kind=? AND name=? AND place=? AND id <= (
    SELECT id FROM history WHERE kind=? AND name=? AND place=? ORDER BY id DESC LIMIT 1 OFFSET ?
)
"""
_STATUS = TypeAdapter(Status)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(Z|[+-]\d\d:?\d\d)?|\b\d+(\.\d+)? ?(ms|s|min|m|h|d|seconds?|minutes?)\b"
)


@dataclass(frozen=True)
class Keep:
    """How much history stays: changes per key, and changes altogether (keys that are gone included)."""

    per_key: int = 200
    total: int = 50_000


def _row(key: Key) -> tuple[str, str, str]:
    if isinstance(key, TenantKey):
        return "tenant", "", key.tenant
    if isinstance(key, TemplateKey):
        return "template", key.executable, key.tenant
    return "flow", key.flow, key.environment


def _key(kind: str, name: str, place: str) -> Key:
    if kind == "tenant":
        return TenantKey(place)
    if kind == "template":
        return TemplateKey(tenant=place, executable=name)
    return FlowKey(flow=name, environment=place)


def _sameness(status: Status) -> str:
    """Equal for two statuses that differ in times only, also in times that a sentence mentions."""
    conditions = sorted(
        (c.stage, c.mark, c.reason, c.subject, _TIME.sub("#", c.message)) for c in status.conditions
    )
    facts = sorted((name, _TIME.sub("#", fact)) for name, fact in status.facts.items())
    return repr((status.health.value, [tuple(map(str, c)) for c in conditions], facts))


def put(db: sqlite3.Connection, status: Status, keep: Keep) -> None:
    """Remember `status`; where more than times has changed it also enters the history and makes events."""
    row, body, sameness = _row(status.key), _STATUS.dump_json(status).decode(), _sameness(status)
    before = newest(db, status.key)
    db.execute("INSERT OR REPLACE INTO status VALUES (?, ?, ?, ?)", (*row, body))
    if status.updated and _synced(status) and isinstance(status.key, TemplateKey):
        proven(db, (*status.key, status.facts.get("version", "")), status.updated)
    if db.execute(LAST_SAMENESS, row).fetchone() == (sameness,):
        return
    add_events(db, events_of(before, status) if status.updated else ())
    db.execute(
        "INSERT INTO history (kind, name, place, sameness, body) VALUES (?, ?, ?, ?, ?)",
        (*row, sameness, body),
    )
    db.execute(DROP_OLD, (*row, *row, keep.per_key))
    db.execute("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?", (keep.total,))


def add_publication(db: sqlite3.Connection, entry: Publication) -> None:
    """Keep it, with when its change was first seen; its proof may have come before it."""
    key = TemplateKey(entry.tenant, entry.executable)
    now = newest(db, key)
    proof = now.updated if now and _synced(now) and now.facts.get("version") == entry.version else None
    noticed = entry.noticed or _noticed(db, key, entry.at)
    chronicle.add_publication(db, replace(entry, noticed=noticed, live=entry.live or proof))


def _noticed(db: sqlite3.Connection, key: TemplateKey, at: datetime) -> datetime:
    """When what was published at `at` was first seen: after the last proof, publication and removal."""
    last = chronicle.find_publications(db, key.tenant, key.executable, 1)
    for body in _bodies(db, key, 20):
        earlier = _read(key, body)
        if earlier is None or earlier.updated is None or _synced(earlier):
            break
        if last and earlier.updated <= last[0].at:
            break
        at = min(at, earlier.updated)
    return at


def _synced(status: Status) -> bool:
    """What is published is proven to run; after a rollback too, though the source holds something else."""
    sync, publish = status.condition(Stage.SYNC), status.condition(Stage.PUBLISH)
    if not sync or not publish or sync.mark is not Mark.OK:
        return False
    return publish.mark is Mark.OK or publish.reason == pins.REASON


def newest(db: sqlite3.Connection, key: Key) -> Status | None:
    """The newest status of a key."""
    found = db.execute("SELECT body FROM status WHERE kind=? AND name=? AND place=?", _row(key)).fetchone()
    return _read(key, found[0]) if found else None


def everything(db: sqlite3.Connection) -> tuple[Status, ...]:
    """The newest status of every key, templates first, by name."""
    rows = db.execute("SELECT kind, name, place, body FROM status ORDER BY kind DESC, name, place")
    read = (_read(_key(*row[:3]), row[3]) for row in rows)
    return tuple(status for status in read if status)


def changes(db: sqlite3.Connection, key: Key, limit: int) -> tuple[Status, ...]:
    """At most `limit` changes of a key, newest first."""
    read = (_read(key, body) for body in _bodies(db, key, limit))
    return tuple(status for status in read if status)


def _bodies(db: sqlite3.Connection, key: Key, limit: int) -> tuple[str, ...]:
    rows = db.execute(
        "SELECT body FROM history WHERE kind=? AND name=? AND place=? ORDER BY id DESC LIMIT ?",
        (*_row(key), limit),
    )
    return tuple(body for (body,) in rows)


def forget(db: sqlite3.Connection, key: Key, removed: datetime | None = None) -> None:
    """Forget the status of a key; in its history an empty entry parts it from one that comes back.

    `removed` is when what it stood for had been taken away, None where it is only not ours to tell any more.
    """
    row = _row(key)
    if db.execute("DELETE FROM status WHERE kind=? AND name=? AND place=?", row).rowcount:
        db.execute("INSERT INTO history (kind, name, place, sameness, body) VALUES (?, ?, ?, '', '')", row)
        add_events(db, removal_of(key, removed) if removed else ())


def _read(key: Key, body: str) -> Status | None:
    """None for an empty body, and for one that an older or newer release wrote in another shape."""
    try:
        return replace(_STATUS.validate_json(body), key=key)
    except ValidationError:
        return None
