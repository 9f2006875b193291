"""The file: opened late, checked, moved aside when it is damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

log = structlog.get_logger()

SCHEMA_VERSION = 2
TABLES = ("status", "history", "events", "publications")
SCHEMA = """
CREATE TABLE status (kind TEXT, name TEXT, place TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, name, place));
CREATE TABLE history (
    id INTEGER PRIMARY KEY, kind TEXT, name TEXT, place TEXT, sameness TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX history_key ON history (kind, name, place, id);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, flow TEXT, environment TEXT, tenant TEXT, mark TEXT, words TEXT, body TEXT
);
CREATE INDEX events_flow ON events (flow, id);
CREATE TABLE publications (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, executable TEXT, version TEXT, live TEXT, body TEXT,
    document BLOB
);
CREATE INDEX publications_template ON publications (tenant, executable, id);
"""


def open_database(path: Path | None) -> sqlite3.Connection:
    """The database at `path`, in memory for None or where the directory cannot be written."""
    if path is None:
        return _connect(":memory:")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(str(path))
    except (OSError, sqlite3.Error) as error:
        if not is_corrupt(error):
            log.warning("history_in_memory_only", file=str(path), error=str(error))
            return _connect(":memory:")
    move_aside(path)
    return _connect(str(path))


def _connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, check_same_thread=False, timeout=5.0)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check found damage")
        if db.execute("PRAGMA user_version").fetchone() != (SCHEMA_VERSION,):
            _create(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection) -> None:
    """An empty file, or one of another version: what it holds is not worth a migration."""
    db.executescript("".join(f"DROP TABLE IF EXISTS {table};" for table in TABLES) + SCHEMA)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def is_corrupt(error: Exception) -> bool:
    """Damage is a DatabaseError itself; a full disk, a lock or a missing right is its subclass OperationalError."""
    return type(error) is sqlite3.DatabaseError


def move_aside(path: Path) -> None:
    """Keep a damaged file under another name."""
    aside = next(
        p for n in range(1, 10_000) if not (p := path.with_name(f"{path.name}.corrupt-{n}")).exists()
    )
    log.warning("history_moved_aside", file=str(path), to=str(aside))
    path.replace(aside)
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
