"""Writes down what was published: the committers' answers become entries of the history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime

import structlog

from aicore_sync.controller.estate import Estate
from aicore_sync.controller.observe import Reader
from aicore_sync.core.chronicle import Publication
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import TemplateKey
from aicore_sync.git import Authorship, Published
from aicore_sync.store import Store

log = structlog.get_logger()


async def _nobody(_source: str, _until: datetime) -> Authorship | None:
    return None


class Chronicle:
    """Takes the committers' answers beside whoever acts on them, and reads each file once more for its content.

    `made` says who made a source revision, `pushed` when it was pushed, once somebody knows.
    """

    def __init__(self, store: Store, estate: Estate, reader: Reader, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._estate = estate
        self._reader = reader
        self._clock = clock
        self.made: Callable[[str, datetime], Awaitable[Authorship | None]] = _nobody
        self.pushed: Callable[[TemplateKey, str], datetime | None] = lambda key, source: None
        self._waiting: asyncio.Queue[tuple[TemplateKey, str, datetime]] = asyncio.Queue()

    def answered(self, key: Hashable, result: Published | SyncError) -> None:
        """What the committer calls for every change; only commits are written down."""
        if isinstance(key, TemplateKey) and isinstance(result, Published) and result.changed:
            self._waiting.put_nowait((key, result.commit or "", self._clock()))

    async def run(self) -> None:
        """Write down, until cancelled."""
        while True:
            entry = await self._waiting.get()
            try:
                await self._record(*entry)
            except SyncError as error:
                log.warning("publication_not_recorded", key=str(entry[0]), reason=error.reason)

    async def _record(self, key: TemplateKey, commit: str, at: datetime) -> None:
        file = await self._reader.lists.published(self._estate.tenants[key.tenant], key.executable)
        facts = file.facts if file and file.ours else None
        made = await self.made(facts.source_revision, at) if facts and facts.source_revision else None
        await self._store.record(
            Publication(
                tenant=key.tenant,
                executable=key.executable,
                at=at,
                version=facts.version if facts else "",
                commit=commit,
                source=facts.source_revision if facts else "",
                author=made.author if made else "",
                subject=made.subject if made else "",
                pushed=self.pushed(key, facts.source_revision) if facts else None,
                document=file.data if file and facts else b"",
            )
        )
