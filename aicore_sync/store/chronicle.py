"""Events and publications in the database."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from aicore_sync.core.chronicle import Event, Publication
from aicore_sync.core.model import Mark

EVENTS_KEPT = 20_000
PER_TEMPLATE = 50
_EVENT = TypeAdapter(Event)
_PUBLICATION = TypeAdapter(Publication)


@dataclass(frozen=True)
class EventQuery:
    """Which events; empty fields ask for all. `after` and `before` are ids: after, oldest first; else newest first."""

    flow: str = ""
    environment: str = ""
    tenant: str = ""
    text: str = ""
    mark: Mark | None = None
    after: int | None = None
    before: int | None = None
    limit: int = 100


def add_events(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Keep them; the oldest go."""
    for event in events:
        words = " ".join(
            (event.flow, event.environment, event.reason, event.subject, event.message, event.by)
        )
        body = _EVENT.dump_json(event).decode()
        place = (event.flow, event.environment, event.tenant, event.mark.value)
        db.execute(
            "INSERT INTO events (flow, environment, tenant, mark, words, body) VALUES (?, ?, ?, ?, ?, ?)",
            (*place, words.lower(), body),
        )
        db.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (EVENTS_KEPT,))


def find_events(db: sqlite3.Connection, query: EventQuery) -> tuple[Event, ...]:
    """What fits."""
    terms: list[tuple[str, object]] = [
        (f"{name} = ?", value)
        for name, value in (
            ("flow", query.flow),
            ("environment", query.environment),
            ("tenant", query.tenant),
            ("mark", query.mark.value if query.mark else ""),
        )
        if value
    ]
    terms += [("instr(words, ?)", word) for word in query.text.lower().split()[:8]]
    terms += [("id > ?", query.after)] if query.after is not None else []
    terms += [("id < ?", query.before)] if query.before is not None else []
    where = " AND ".join(term for term, _ in terms) or "1"
    order = "ASC" if query.after is not None else "DESC"
    rows = db.execute(
        f"SELECT id, body FROM events WHERE {where} ORDER BY id {order} LIMIT ?",  # noqa: S608  our own words
        (*(value for _, value in terms), query.limit),
    )
    return tuple(found for identity, body in rows if (found := _event(identity, body)))


def add_publication(db: sqlite3.Connection, entry: Publication) -> None:
    """Keep it with its document; the template's oldest go."""
    body = _PUBLICATION.dump_json(replace(entry, document=b"")).decode()
    row = (entry.tenant, entry.executable, entry.version, entry.live.isoformat() if entry.live else "")
    db.execute(
        "INSERT INTO publications (tenant, executable, version, live, body, document) VALUES (?, ?, ?, ?, ?, ?)",
        (*row, body, zlib.compress(entry.document)),
    )
    of = (entry.tenant, entry.executable)
    db.execute(
        "DELETE FROM publications WHERE tenant=? AND executable=? AND id <= (SELECT id FROM publications "
        "WHERE tenant=? AND executable=? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (*of, *of, PER_TEMPLATE),
    )


def proven(db: sqlite3.Connection, place: tuple[str, str, str], at: datetime) -> None:
    """AI Core runs this version of the template, as it was last published: `place` is tenant, executable, version."""
    db.execute(
        "UPDATE publications SET live=? WHERE live='' AND id=(SELECT max(id) FROM publications "
        "WHERE tenant=? AND executable=? AND version=?)",
        (at.isoformat(), *place),
    )


def find_publications(
    db: sqlite3.Connection, tenant: str, executable: str, limit: int
) -> tuple[Publication, ...]:
    """The newest first, without documents; of one template where it is named."""
    where, of = ("tenant=? AND executable=?", (tenant, executable)) if executable else ("1", ())
    rows = db.execute(
        f"SELECT id, live, body, x'' FROM publications WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608
        (*of, limit),
    )
    return tuple(found for row in rows if (found := _publication(row)))


def publication(db: sqlite3.Connection, identity: int) -> tuple[Publication, Publication | None] | None:
    """A publication with its document, and the one before it of the same template."""
    columns = "SELECT id, live, body, document FROM publications"
    row = db.execute(f"{columns} WHERE id=?", (identity,)).fetchone()
    found = _publication(row) if row else None
    if found is None:
        return None
    earlier = db.execute(
        f"{columns} WHERE tenant=? AND executable=? AND id<? ORDER BY id DESC LIMIT 1",
        (found.tenant, found.executable, identity),
    ).fetchone()
    return found, _publication(earlier) if earlier else None


def _event(identity: int, body: str) -> Event | None:
    """None for a body that an older or newer release wrote in another shape."""
    try:
        return replace(_EVENT.validate_json(body), id=identity)
    except ValidationError:
        return None


def _publication(row: tuple[int, str, str, bytes]) -> Publication | None:
    identity, live, body, document = row
    try:
        found = _PUBLICATION.validate_json(body)
    except ValidationError:
        return None
    at = datetime.fromisoformat(live) if live else None
    return replace(found, id=identity, live=at, document=zlib.decompress(document) if document else b"")
