"""A branch or tag that is only read: one directory of it on the disk, of the newest commit that may be used.

No work tree of git's: neither filters nor hooks of the repository run, and only files below the path are fetched.
Every commit gets a directory of its own, which never changes; the last two are kept, for who still reads the older.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from aicore_sync.core.errors import Stalled
from aicore_sync.git.authorship import Authorship
from aicore_sync.git.bare import Bare, Claim, claim
from aicore_sync.git.failures import words
from aicore_sync.git.objects import Entry
from aicore_sync.git.options import Remote, Trust
from aicore_sync.git.race import healed
from aicore_sync.git.signatures import verifying

LINK = "120000"
KEPT = 2  # directories

log = structlog.get_logger()


@dataclass(frozen=True)
class Followed:
    """What of a remote is wanted: the directory `path` ("": all) without what lies below `ignored`.

    With `trust` only commits with a good signature are used.
    """

    path: str = ""
    ignored: tuple[str, ...] = ()
    trust: Trust | None = None


@dataclass(frozen=True)
class Checkout:
    """Files of a commit: `revision` is the commit with which they last changed as far as was seen.

    `committed` is that commit's date by the clock of whoever made it.
    """

    directory: Path
    revision: str
    committed: datetime | None = None


@dataclass(frozen=True)
class _Present:
    checkout: Checkout
    entries: Mapping[str, Entry]


class Follower:
    """Keeps a directory at the newest state of a remote. Methods may be called side by side.

    Raises as `Clone` does, and `Stalled` with the reasons SourcePathMissing and CommitUnverified; what was there
    before stays as it is then.
    """

    def __init__(self, remote: Remote, followed: Followed) -> None:
        self.remote = remote
        self._followed = followed
        self._bare = Bare(remote)
        self._lock = asyncio.Lock()
        self._claim: Claim | None = None
        self._present: _Present | None = None
        self._directories: list[Path] = []

    async def look(self) -> Checkout:
        """The newest state; costs one `ls-remote` while the remote has not changed."""
        async with self._lock:
            return await healed(self._bare, self._look)

    async def authorship(self, commit: str) -> Authorship | None:
        """Who made a commit of the remote; None when it does not give that out."""
        async with self._lock:
            return await healed(self._bare, lambda: self._bare.authorship(commit))

    async def close(self) -> None:
        """Delete everything from the disk."""
        async with self._lock:
            await self._bare.close()
            if self._claim:
                await asyncio.to_thread(shutil.rmtree, self._claim.directory, True)
                self._claim.lock.close()
                self._claim = None

    async def _look(self) -> Checkout:
        head = await self._bare.refresh()
        if head is None:
            kind = "tag" if self.remote.tag else "branch"
            raise self._missing(f"no {kind} {self.remote.branch}")
        commit = await self._bare.peeled(head)
        entries = self._wanted(await self._bare.tree(commit, self._followed.path, deep=True))
        if self._followed.path and not entries:
            raise self._missing(f"no directory {self._followed.path} in commit {commit[:12]}")
        if self._present and self._present.entries == entries:
            return self._present.checkout  # somebody's commit elsewhere in the repository, our own perhaps
        if self._followed.trust:
            await self._require_signature(commit, self._followed.trust)
        self._present = _Present(await self._written(commit, entries), entries)
        log.info("source_fetched", source=self.remote.name, commit=commit, files=len(entries))
        return self._present.checkout

    def _wanted(self, tree: Mapping[str, Entry]) -> dict[str, Entry]:
        """Files and links by their path below the wanted directory."""
        prefix = f"{self._followed.path}/" if self._followed.path else ""
        ignored = tuple(f"{path}/" for path in self._followed.ignored)
        return {
            path.removeprefix(prefix): entry
            for path, entry in tree.items()
            if (entry.regular or entry.mode == LINK) and not path.startswith(ignored) and _harmless(path)
        }

    async def _require_signature(self, commit: str, trust: Trust) -> None:
        async with verifying(trust) as setup:
            answer = await self._bare.with_keys(setup, "verify-commit", commit)
        if answer.code:
            kept = f"; commit {self._present.checkout.revision[:12]} stays in use" if self._present else ""
            said = words(answer.error) if answer.error.strip() else "it has no signature"
            raise Stalled(
                f"source {self.remote.name}: commit {commit[:12]} is not signed by anybody who counts ({said}){kept}; "
                "have it signed by one of them, or add the signer's key to what `verify` names",
                reason="CommitUnverified",
            )

    async def _written(self, commit: str, entries: Mapping[str, Entry]) -> Checkout:
        before = self._present
        known = {entry.id: path for path, entry in before.entries.items() if entry.regular} if before else {}
        new = {entry.id for entry in entries.values() if entry.id not in known}
        contents = await self._bare.contents(new)
        root = await self._root()
        old = before.checkout.directory if before else None

        def write() -> Path:
            directory = _free(root, commit)
            try:
                for path, entry in _files_first(entries):
                    data = contents.get(entry.id)
                    if data is None:
                        assert old is not None
                        data = (old / known[entry.id]).read_bytes()
                    _write(directory / path, data, entry)
            except OSError:
                shutil.rmtree(directory, ignore_errors=True)
                raise
            return directory

        directory = await asyncio.to_thread(write)
        self._bare.keep_only(())
        await self._forget_old(directory)
        made = await self._bare.authorship(commit)
        return Checkout(directory, commit, made.committed if made else None)

    async def _root(self) -> Path:
        if self._claim is None:
            key = hashlib.sha256(f"{self.remote.url}\n{self.remote.ref}".encode()).hexdigest()[:12]
            place = self.remote.cache_dir.with_name("sources")
            self._claim = await asyncio.to_thread(claim, place, f"{self.remote.name}-{key}")
            self._claim.directory.mkdir(exist_ok=True)
        return self._claim.directory

    async def _forget_old(self, newest: Path) -> None:
        self._directories.append(newest)
        while len(self._directories) > KEPT:
            await asyncio.to_thread(shutil.rmtree, self._directories.pop(0), True)

    def _missing(self, found: str) -> Stalled:
        return Stalled(
            f"source {self.remote.name}: found {found} at {self.remote.url}; "
            "correct branch, tag or path of the source, or push what is missing",
            reason="SourcePathMissing",
        )


def _harmless(path: str) -> bool:
    """git itself never makes other names, but a server may send any."""
    return all(part and part not in (".", "..") and part.lower() != ".git" for part in path.split("/"))


def _files_first(entries: Mapping[str, Entry]) -> Iterable[tuple[str, Entry]]:
    """Links come last, so that nothing is ever written through one."""
    return sorted(entries.items(), key=lambda item: (item[1].mode == LINK, item[0]))


def _free(root: Path, commit: str) -> Path:
    """A new directory: a commit may come back after a force push, and somebody may still read its first one."""
    number = 0
    while (directory := root / f"{commit[:12]}-{number}").exists():
        number += 1
    directory.mkdir(parents=True)
    return directory


def _write(path: Path, data: bytes, entry: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.mode == LINK:
        path.symlink_to(data.decode(errors="surrogateescape"))
    else:
        path.write_bytes(data)
