"""The published branch: what is there, what was there, and putting a batch of files there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping

import structlog

from aicore_sync.git.bare import Bare
from aicore_sync.git.failures import NoSuchRef
from aicore_sync.git.judging import Batch, Judged, Published, blobs, draft, judge
from aicore_sync.git.objects import Blob, Draft, folder
from aicore_sync.git.options import Remote
from aicore_sync.git.race import Race, healed, land
from aicore_sync.git.revisions import Revision

HISTORY_STEPS = (50, 500, 2000)  # commits; how far `previous_blob` looks back

log = structlog.get_logger()


class Clone:
    """One branch of one repository. All methods may be called side by side; they take turns.

    All raise `Transient` for what passes by itself and `Stalled` for what a person must mend.
    `now` is in seconds since 1970 and dates the commits; `patience` is for races, in seconds.
    """

    def __init__(
        self, remote: Remote, *, now: Callable[[], float], rng: random.Random, patience: float = 60.0
    ) -> None:
        self.remote = remote
        self._now = now
        self._rng = rng
        self._patience = patience
        self._bare = Bare(remote)
        self._lock = asyncio.Lock()
        self._proofs: dict[
            str, tuple[str, str]
        ] = {}  # path -> the commit last asked about, and the blob there

    @property
    def head(self) -> str | None:
        """The newest commit that this clone has seen."""
        return self._bare.head

    async def fetch(self) -> str | None:
        """The branch's head now, None while the branch does not exist (the first publish creates it)."""
        async with self._lock:
            return await healed(self._bare, self._bare.refresh)

    async def files(self, directory: str) -> Mapping[str, Blob]:
        """The files directly in `directory` at the last fetched head: name → blob, no links, no folders."""
        async with self._lock:
            return await healed(self._bare, lambda: self._files(folder(directory)))

    async def blob_id_at(self, commit: str, path: str) -> str | None:
        """The id of the file `path` in `commit`; None when either is not there.

        A commit that the remote does not give out counts as not there: it proves nothing.
        """
        async with self._lock:
            known = self._proofs.get(path)
            if known and known[0] == commit:
                return known[1]
            found = await healed(self._bare, lambda: self._blob_id_at(commit, path))
            if found:  # otherwise the commit may become readable later
                self._proofs[path] = (commit, found)
            return found

    async def previous_blob(self, path: str, not_ids: frozenset[str]) -> bytes | None:
        """The newest earlier content of `path` that is neither the present one nor one of `not_ids`.

        None when there is none in the newest 2000 commits of the branch.
        """
        async with self._lock:
            return await healed(self._bare, lambda: self._previous_blob(path, not_ids))

    async def revisions(self, path: str, limit: int) -> tuple[Revision, ...]:
        """The newest `limit` commits that changed `path`, newest first, among the newest 2000 of the branch."""
        async with self._lock:
            return await healed(self._bare, lambda: self._revisions(path, limit))

    async def contents(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents of files by their ids, as `revisions` names them."""
        async with self._lock:
            return await healed(self._bare, lambda: self._bare.contents(ids))

    async def publish(self, batch: Batch) -> Published:
        """Put the batch on the branch in one commit; without need for one, none is made.

        A change with a bad name, or whose place holds a file that is not ours, is left out and listed as
        refused (`Stalled`, reason BadName or Contested). Raises `Declined` when the remote refuses the
        commit, `Transient` when the race was lost too often, and what `guard` raises.
        """
        async with self._lock:
            return await healed(self._bare, lambda: self._publish(batch))

    def pushed(self, commit: str) -> bool:
        """Whether a commit is one of the last that this process made."""
        return commit in self._bare.pushed

    async def close(self) -> None:
        """Delete the clone from the disk."""
        async with self._lock:
            await self._bare.close()

    async def _files(self, directory: str) -> Mapping[str, Blob]:
        tree = await self._bare.tree(await self._bare.ready(), directory)
        ids = {path.rpartition("/")[2]: entry.id for path, entry in tree.items() if entry.regular}
        contents = await self._bare.contents(ids.values())
        return {name: Blob(identity, contents[identity]) for name, identity in ids.items()}

    async def _blob_id_at(self, commit: str, path: str) -> str | None:
        await self._bare.ready()
        if not await self._bare.fetch_commit(commit):
            return None
        # its whole directory: the neighbours are asked about next
        entry = (await self._bare.tree(commit, path.rpartition("/")[0])).get(path)
        return entry.id if entry and entry.regular else None

    async def _previous_blob(self, path: str, not_ids: frozenset[str]) -> bytes | None:
        if await self._bare.refresh() is None:
            return None
        for commits in HISTORY_STEPS:
            try:
                ids, complete = await self._bare.history(path, commits)
            except NoSuchRef:
                return None
            assert self._bare.head is not None
            here = await self._bare.entry(self._bare.head, path)
            refused = not_ids | ({here.id} if here else set())
            if found := next((identity for identity in ids if identity not in refused), None):
                return (await self._bare.contents([found]))[found]
            if complete:
                return None
        return None

    async def _revisions(self, path: str, limit: int) -> tuple[Revision, ...]:
        found: list[Revision] = []
        if await self._bare.refresh() is None:
            return ()
        for commits in HISTORY_STEPS:
            try:
                found, complete = await self._bare.revisions(path, commits)
            except NoSuchRef:
                return ()
            if complete or len(found) >= limit:
                break
        return tuple(found[:limit])

    async def _publish(self, batch: Batch) -> Published:
        judged = Judged({}, {}, ())

        async def build(head: str | None) -> Draft | None:
            nonlocal judged
            judged = await judge(self._bare, batch, head)
            return draft(self.remote, head, judged.writes, int(self._now())) if judged.writes else None

        landed = await land(self._bare, build, Race(self._rng, self._patience, batch.guard))
        if landed.changed:
            where = {"repository": self.remote.name, "branch": self.remote.branch}
            log.info("git_pushed", **where, commit=landed.commit, files=len(judged.writes))
        for refusal in judged.refused:
            log.warning("git_file_refused", file=refusal.change.name, reason=refusal.error.reason)
        return Published(landed.commit, landed.changed, blobs(judged, landed.commit), judged.refused)
