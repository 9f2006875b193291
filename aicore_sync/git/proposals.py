"""The branch of a request: one commit on top of the published branch, with everything that waits for a review.

The branch is ours alone and is rewritten by compare and swap. What it holds is compared with the published branch, so
nothing has to be remembered: a file that differs and is ours is proposed, whichever process proposed it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from aicore_sync.core.errors import Stalled
from aicore_sync.git.bare import Bare
from aicore_sync.git.judging import Batch, Change, Judged, Refusal, draft, judge
from aicore_sync.git.objects import Blob, Draft, folder
from aicore_sync.git.options import Remote
from aicore_sync.git.race import Race, healed, land

PREFIX = "wt-"  # of our template files

log = structlog.get_logger()


def request_branch(owner: str, branch: str) -> str:
    """The branch that proposes changes of `branch`; not below the state branch, which git would not allow."""
    return f"aicore-sync-publish/{owner}/{branch}"


@dataclass(frozen=True)
class Ours:
    """`directories` of the applications that follow the branch, and which files in them are ours."""

    directories: tuple[str, ...]
    owns: Callable[[bytes], bool]


@dataclass(frozen=True)
class Proposed:
    """`commit` is the head of the request's branch, None when there is nothing to propose and so no branch.

    `files` are all proposed paths: content, None for a removal. `changed`: the branch was written.
    """

    commit: str | None
    changed: bool
    files: Mapping[str, bytes | None]
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Standing:
    """The request's branch as it is: its head, its files by directory and name, and the ids of what they replace.

    Without a branch `head` is None and there are no files. `replaces` is None when the remote does not give that out.
    """

    head: str | None = None
    files: Mapping[str, Mapping[str, Blob]] = field(default_factory=dict)
    replaces: Mapping[str, Mapping[str, str]] | None = None


class Proposals:
    """The request's branch of one published branch. Methods may be called side by side; raises as `Clone` does."""

    def __init__(
        self, remote: Remote, owner: str, ours: Ours, *, now: Callable[[], float], race: Race | None = None
    ) -> None:
        self.target = remote.branch
        self.remote = replace(remote, branch=request_branch(owner, remote.branch))
        self._ours = ours
        self._now = now
        self._race = race or Race(random.SystemRandom())
        self._bare = Bare(self.remote)
        self._lock = asyncio.Lock()

    async def read(self) -> Standing:
        """The request's branch as it is on the remote now."""
        async with self._lock:
            return await healed(self._bare, self._read)

    async def propose(self, batch: Batch, *, keep: bool) -> Proposed:
        """Have the branch propose the batch, and with `keep` what it proposes already.

        What the published branch holds meanwhile is proposed no more; without anything left the branch is deleted.
        """
        async with self._lock:
            return await healed(self._bare, lambda: self._propose(batch, keep))

    async def close(self) -> None:
        """Delete the local copy."""
        async with self._lock:
            await self._bare.close()

    async def _read(self) -> Standing:
        head = await self._bare.refresh()
        if head is None:
            return Standing()
        base = await self._base(head)
        directories = self._ours.directories
        files = {directory: await self._files(head, directory) for directory in directories}
        replaces = {directory: await self._ids(base, directory) for directory in directories}
        return Standing(head, files, replaces if base else None)

    async def _base(self, head: str) -> str | None:
        """The commit that the request's commit stands on; None when the remote does not give it out."""
        parent = await self._bare.parent(head)
        return parent if parent and await self._bare.fetch_commit(parent) else None

    async def _files(self, commit: str | None, directory: str) -> dict[str, Blob]:
        """Template files directly in a directory, ours or not."""
        ids = await self._ids(commit, directory)
        contents = await self._bare.contents(ids.values())
        return {name: Blob(identity, contents[identity]) for name, identity in ids.items()}

    async def _ids(self, commit: str | None, directory: str) -> dict[str, str]:
        tree = await self._bare.tree(commit, folder(directory))
        ids = {path.rpartition("/")[2]: entry.id for path, entry in tree.items() if entry.regular}
        return {name: identity for name, identity in ids.items() if name.startswith(PREFIX)}

    async def _propose(self, batch: Batch, keep: bool) -> Proposed:
        judged = Judged({}, {}, ())

        async def build(head: str | None) -> Draft | None:
            nonlocal judged
            base = await self._bare.fetched(f"refs/heads/{self.target}")
            if base is None:
                raise _no_target(self.remote.name, self.target)
            there = await self._pending(head, base)
            more = there if keep else {}
            judged = await judge(self._bare, _joined(batch, more), base)
            proposed = {path: change.content for path, change in judged.writes.items()}
            same = {path: change.content for path, change in there.items()} == proposed
            if not proposed or (same and head and await self._fits(head, base, proposed)):
                return None
            return draft(self.remote, base, judged.writes, int(self._now()))

        landed = await land(self._bare, build, replace(self._race, guard=batch.guard))
        files = {path: change.content for path, change in judged.writes.items()}
        if not files and landed.commit:
            batch.guard()
            await self._bare.delete()
            return Proposed(None, changed=True, files={}, refused=judged.refused)
        if landed.changed:
            where = {"repository": self.remote.name, "branch": self.remote.branch}
            log.info("git_proposed", **where, commit=landed.commit, files=len(files))
        return Proposed(landed.commit if files else None, landed.changed, files, judged.refused)

    async def _fits(self, head: str, base: str, paths: Iterable[str]) -> bool:
        """The proposed files are on the published branch what they were when they were proposed: no conflict."""
        before = await self._base(head)
        if before is None or before == base:
            return True
        for path in paths:
            if await self._bare.entry(before, path) != await self._bare.entry(base, path):
                return False
        return True

    async def _pending(self, head: str | None, base: str | None) -> dict[str, Change]:
        """What the request's branch proposes: files of ours in which it differs from the published branch."""
        found: dict[str, Change] = {}
        for directory in self._ours.directories if head else ():
            here, there = await self._files(head, directory), await self._files(base, directory)
            for name in here.keys() | there.keys():
                new, old = here.get(name), there.get(name)
                shown = new or old
                if new != old and shown and self._ours.owns(shown.data):
                    title = name.removeprefix(PREFIX).rpartition(".")[0]
                    change = Change(None, directory, name, new.data if new else None, self._ours.owns, title)
                    found["/".join(filter(None, (folder(directory), name)))] = change
        return found


def _no_target(repository: str, branch: str) -> Stalled:
    return Stalled(
        f"repository {repository}: found no branch {branch}, expected one to make a request for; push a first commit "
        "to it, of a README perhaps",
        reason="BranchMissing",
    )


def _joined(batch: Batch, more: Mapping[str, Change]) -> Batch:
    """The batch with what is proposed already; of two changes of a file the batch's counts."""
    places = {(change.directory, change.name) for change in batch.changes}
    kept = [change for _, change in sorted(more.items()) if (change.directory, change.name) not in places]
    return replace(batch, changes=(*batch.changes, *kept))
