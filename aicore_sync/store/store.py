"""The store: one connection, one call at a time, each in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import structlog

from aicore_sync.core.chronicle import Event, Publication
from aicore_sync.core.model import Key, Status
from aicore_sync.store import chronicle, statuses
from aicore_sync.store.chronicle import EventQuery
from aicore_sync.store.database import is_corrupt, move_aside, open_database
from aicore_sync.store.statuses import Keep

log = structlog.get_logger()
T = TypeVar("T")


class Store:
    """The newest status of each key and its earlier changes. `path` None keeps all in memory.

    Opens at the first call; safe for use by many tasks of one loop. Never raises for what the disk does.
    """

    def __init__(self, path: Path | None = None, keep: Keep | None = None) -> None:
        self._path = path
        self._keep = keep or Keep()
        self._db: sqlite3.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def put(self, key: Key, status: Status) -> None:
        """Remembers `status`; adds to the history only when more than times has changed."""
        await self._run(lambda db: statuses.put(db, replace(status, key=key), self._keep), None)

    async def get(self, key: Key) -> Status | None:
        """The newest status of `key`."""
        return await self._run(lambda db: statuses.newest(db, key), None)

    async def all(self) -> tuple[Status, ...]:
        """The newest status of every key, templates first, by name."""
        return await self._run(statuses.everything, ())

    async def delete(self, key: Key, removed: datetime | None = None) -> None:
        """Forgets the status of a key that is gone. Its history stays until newer changes push it out.

        `removed` is when what it stood for had been taken away; that is an event.
        """
        await self._run(lambda db: statuses.forget(db, key, removed), None)

    async def history(self, key: Key, limit: int = 50) -> tuple[Status, ...]:
        """At most `limit` changes of `key`, newest first; `updated` says since when each held."""
        return await self._run(lambda db: statuses.changes(db, key, limit), ())

    async def record(self, entry: Event | Publication) -> None:
        """Adds what happened. Changes of statuses record themselves."""
        if isinstance(entry, Event):
            await self._run(lambda db: chronicle.add_events(db, [entry]), None)
        else:
            await self._run(lambda db: statuses.add_publication(db, entry), None)

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        """The events that fit."""
        return await self._run(lambda db: chronicle.find_events(db, query), ())

    async def publications(
        self, tenant: str = "", executable: str = "", limit: int = 10
    ) -> tuple[Publication, ...]:
        """What was published last, without the documents; of one template where it is named."""
        return await self._run(lambda db: chronicle.find_publications(db, tenant, executable, limit), ())

    async def publication(self, identity: int) -> tuple[Publication, Publication | None] | None:
        """A publication with its document, and the one before it of the same template."""
        return await self._run(lambda db: chronicle.publication(db, identity), None)

    async def close(self) -> None:
        """Releases the file; a later call opens it again."""
        async with self._one_at_a_time:
            db, self._db = self._db, None
            if db is not None:
                await asyncio.to_thread(db.close)

    async def _run(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._in_thread, work, otherwise)

    def _in_thread(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            if self._db is None:
                self._db = open_database(self._path)
            with self._db:
                return work(self._db)
        except sqlite3.Error as error:
            log.warning("history_unavailable", file=str(self._path or ":memory:"), error=str(error))
            if is_corrupt(error):
                self._reopen()
            return otherwise

    def _reopen(self) -> None:
        """The file broke while it was open: the next call starts with an empty one."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._path is not None:
            move_aside(self._path)
