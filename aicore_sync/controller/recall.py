"""What brakes counted before this process began: our commits tell, and the notes on the state branch."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Container, Iterable, Iterator
from datetime import datetime, timedelta

import structlog

from aicore_sync.controller.estate import Estate, Tenant
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.removals import HOUR
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.parts import Part
from aicore_sync.core.removed import removed_of
from aicore_sync.git import Revision, paths_of

FILE_NAME = re.compile(r"wt-(.+)\.(?:yaml|json)")
COMMITS = 100  # of the newest; more of them in an hour are no brake's matter
AGAIN = timedelta(minutes=1)  # until a branch that could not be read is asked once more

log = structlog.get_logger()


class Recall:
    """Looks once, when the first brake is asked, repository by repository; what this process does itself it knows."""

    def __init__(self, estate: Estate, memory: Memory) -> None:
        self._estate = estate
        self._memory = memory
        self._asking = asyncio.Lock()
        self._told: set[str] = set()  # tenants
        self._unread: dict[str, tuple[SyncError, datetime]] = {}  # tenant -> why not, and when

    async def removals(self, asked: str, here: Container[Part]) -> None:
        """What we removed within the last hour and that is not `here` again: templates, and parts of flows that stay.

        Raises SyncError when the branch of the tenant `asked` cannot be read; one of another tenant counts nothing.
        """
        async with self._asking:
            due = [tenant for tenant in self._estate.tenants.values() if self._due(tenant.name)]
            await asyncio.gather(*(self._read(tenant, here) for tenant in due))
        if asked in self._unread:
            raise self._unread[asked][0].with_traceback(None)

    def _due(self, tenant: str) -> bool:
        if tenant in self._told:
            return False
        return tenant not in self._unread or self._estate.clock() - self._unread[tenant][1] >= AGAIN

    async def _read(self, tenant: Tenant, here: Container[Part]) -> None:
        try:
            await self._removals(tenant, here)
        except SyncError as error:
            if tenant.name not in self._unread:
                log.warning("removals_not_read", tenant=tenant.name, reason=error.reason, error=error.message)
            self._unread[tenant.name] = error, self._estate.clock()
            return
        self._unread.pop(tenant.name, None)
        self._told.add(tenant.name)

    async def _removals(self, tenant: Tenant, here: Container[Part]) -> None:
        since = self._estate.clock() - HOUR
        for revision in await tenant.branch.clone.revisions(tenant.path, COMMITS):
            owners = revision.trailers.get("Aicore-Sync-Owner", ())
            if revision.at >= since and self._estate.owner in owners:
                for executable in removed_by(revision, tenant.path):
                    if Part(executable, str(TemplateKey(tenant.name, executable))) not in here:
                        self._memory.removed.setdefault(Part(executable), revision.at)
        files = (await tenant.branch.home.state.read()).files
        places = {place.name for place in self._estate.environments_of(tenant.name)}
        for part, at in removed_of(files, self._estate.clock()).items():
            if part.place in places and part not in here:
                self._memory.removed.setdefault(part, at)


def removed_by(revision: Revision, directory: str) -> Iterator[str]:
    """Executables whose template a commit of ours took away; one in another notation is still there."""
    written, removed = (frozenset(_executables(paths, directory)) for paths in paths_of(revision.message))
    yield from sorted(removed - written)


def _executables(paths: Iterable[str], directory: str) -> Iterator[str]:
    for path in paths:
        folder, _, name = path.rpartition("/")
        match = FILE_NAME.fullmatch(name)
        if match and folder == directory.strip("/"):
            yield match[1]
