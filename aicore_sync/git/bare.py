"""One private bare clone without work tree, history and file contents, and the git commands on it.

A clone belongs to one process and one branch. It fetches commits and trees of the head alone (depth 1,
blob:none) and file contents in one batch when they are asked for. It holds nothing that is not on the
remote: on any unexpected error, and after some hundred publishes, it is deleted and made anew.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import itertools
import re
import shutil
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import structlog

from aicore_sync.core.errors import Stalled
from aicore_sync.git.authorship import AUTHORSHIP, Authorship, parse_authorship
from aicore_sync.git.failures import LOST_RACE, Broken, NoSuchRef, declined, explain, words
from aicore_sync.git.objects import (
    COMMIT,
    Draft,
    Entry,
    blob_id,
    import_stream,
    parse_history,
    parse_objects,
    parse_tree,
)
from aicore_sync.git.options import Remote, Signing
from aicore_sync.git.process import Answer, Runner
from aicore_sync.git.revisions import FORMAT, Revision, parse_revisions
from aicore_sync.git.signatures import Setup, signing

BASE = "refs/aicore/base"
NEXT = "refs/aicore/next"
OTHER = "refs/aicore/other"
PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
COMMITS = 8  # whose trees are kept; a commit's tree never changes
RENEW_AFTER = 500  # publishes; each leaves a tree and a line in `shallow`, and gc fails in such a clone
WALK = ("--first-parent", "--no-renames", "--no-abbrev", "--raw", "-z")
QUIET_FETCH = ("fetch", "-q", "--filter=blob:none", "--no-tags", "--no-write-fetch-head")

log = structlog.get_logger()


@dataclass(frozen=True)
class Claim:
    """A directory that no other process and no other clone uses; given back when the process ends."""

    directory: Path
    lock: IO[bytes]


def claim(root: Path, stem: str) -> Claim:
    """The first free directory `stem-N` below `root`, emptied."""
    root.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        directory = root / f"{stem}-{number}"
        lock = (root / f"{stem}-{number}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        shutil.rmtree(directory, ignore_errors=True)
        return Claim(directory, lock)
    raise AssertionError("the numbers have run out")


class Bare:
    """The clone of `remote`. `head` is the newest commit seen, None while the branch does not exist.

    No method may run beside another: the owner holds a lock. Raises `SyncError`s, and `Broken` where the
    clone should be discarded and the work started again.
    """

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.head: str | None = None
        self._claim: Claim | None = None
        self._runner: Runner | None = None
        self._pushes = 0
        self._commits: set[str] = set()  # present with their trees
        self._contents: dict[str, bytes] = {}
        # every pass reads those of the head: commit -> (directory, deep) -> entries
        self._trees: dict[str, dict[tuple[str, bool], Mapping[str, Entry]]] = {}
        self.pushed: deque[str] = deque(maxlen=200)  # commits that this process made, the newest last

    # The clone and its head

    async def ready(self) -> str | None:
        """The head; fetched only when nothing was fetched yet or the clone is due for renewal."""
        if self._pushes >= RENEW_AFTER:
            await self.discard()
            self._contents.clear()
        return self.head if self._runner else await self.refetch()

    async def refresh(self) -> str | None:
        """The remote's head now; asks for the commit's name first, which is half as dear as a fetch."""
        if self._runner is None:
            return await self.refetch()
        answer = await self._runner.network("ls-remote", "-q", "origin", self.remote.ref)
        heads = [line.split("\t", 1) for line in answer.output.decode().splitlines()]
        if next((head for head, name in heads if name == self.remote.ref), None) != self.head:
            await self.refetch()
        return self.head

    async def refetch(self) -> str | None:
        """Fetch the branch's head, whatever happened to the branch: grown, rewritten, gone, created."""
        runner = await self._made()
        try:
            await runner.network(*QUIET_FETCH, "--depth=1", "origin", f"+{self.remote.ref}:{BASE}")
        except NoSuchRef:
            self.head = None
            return None
        self.head = (await runner.local("rev-parse", "--verify", BASE)).decode().strip()
        self._commits.add(self.head)
        return self.head

    async def discard(self) -> None:
        """Delete the clone; contents of files stay, as their ids tell what they are."""
        self._runner, self.head, self._pushes, self._commits = None, None, 0, set()
        if self._claim:
            await asyncio.to_thread(shutil.rmtree, self._claim.directory, True)

    async def close(self) -> None:
        """Delete the clone and give its place back."""
        await self.discard()
        if self._claim:
            self._claim.lock.close()
            self._claim = None

    async def _made(self) -> Runner:
        if self._runner:
            return self._runner
        if self._claim is None:
            key = hashlib.sha256(f"{self.remote.url}\n{self.remote.branch}".encode()).hexdigest()[:12]
            try:
                self._claim = await asyncio.to_thread(
                    claim, self.remote.cache_dir, f"{self.remote.name}-{key}"
                )
            except OSError as error:
                raise Stalled(
                    f"cache directory {self.remote.cache_dir}: {error.strerror}; expected a directory that this user "
                    "may write to; mend it, or change the cache directory in the configuration",
                    reason="CacheUnusable",
                ) from error
        runner = Runner(self.remote, self._claim.directory)
        await runner.local("init", "-q", "--bare", "--template=")
        await runner.local("config", "remote.origin.url", self.remote.url)
        self._runner = runner
        return runner

    # Reading

    async def tree(self, commit: str | None, directory: str, *, deep: bool = False) -> Mapping[str, Entry]:
        """The entries directly in `directory` ("" is the root) or, when `deep`, all files below: path → entry."""
        if commit is None:
            return {}
        trees = self._trees.pop(commit, {})
        self._trees[commit] = trees  # the newest last
        if (directory, deep) not in trees:
            paths = ["--", f"{directory}/"] if directory else []
            listed = await self._local("ls-tree", "-z", *(["-r"] if deep else []), commit, *paths)
            trees[directory, deep] = parse_tree(listed)
        while len(self._trees) > COMMITS:
            del self._trees[next(iter(self._trees))]
        return trees[directory, deep]

    async def entry(self, commit: str, path: str) -> Entry | None:
        """What stands at `path` itself."""
        return parse_tree(await self._local("ls-tree", "-z", commit, "--", path)).get(path)

    async def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Contents of blobs; those not seen before come from the remote in one request."""
        wanted = set(ids)
        missing = sorted(wanted - self._contents.keys())
        if missing:
            stdin = "".join(f"{identity}\n" for identity in missing).encode()
            fetch = ("-c", "fetch.negotiationAlgorithm=noop", *QUIET_FETCH, "origin", "--stdin")
            await self._network(*fetch, stdin=stdin)
            self._contents.update(parse_objects(await self._local("cat-file", "--batch", stdin=stdin)))
        if gone := wanted - self._contents.keys():
            raise Broken(f"the remote did not send {len(gone)} of {len(wanted)} file contents")
        return {identity: self._contents[identity] for identity in wanted}

    async def fetched(self, ref: str) -> str | None:
        """The head of another branch of the remote, with its trees; None when there is no such branch."""
        try:
            await self._network(*QUIET_FETCH, "--depth=1", "origin", f"+{ref}:{OTHER}")
        except NoSuchRef:
            return None
        found = (await self._local("rev-parse", "--verify", OTHER)).decode().strip()
        self._commits.add(found)
        return found

    async def parent(self, commit: str) -> str | None:
        """The first parent of a commit that is present, None of a first commit."""
        found = PARENT.search(await self._local("cat-file", "commit", commit))
        return found[1].decode() if found else None

    async def peeled(self, name: str) -> str:
        """The commit that an annotated tag stands for; a commit stands for itself."""
        return (await self._local("rev-parse", "--verify", f"{name}^{{commit}}")).decode().strip()

    def keep_only(self, ids: Iterable[str]) -> None:
        """Forget the contents of all other blobs."""
        kept = set(ids)
        self._contents = {identity: data for identity, data in self._contents.items() if identity in kept}

    async def fetch_commit(self, commit: str) -> bool:
        """Make `commit` and its trees present; False when the remote does not give it out."""
        if not COMMIT.fullmatch(commit):
            return False
        if commit not in self._commits:
            try:
                await self._network(*QUIET_FETCH, "--depth=1", "origin", commit)
            except NoSuchRef:
                return False
            self._commits.add(commit)
        return True

    async def history(self, path: str, commits: int) -> tuple[list[str], bool]:
        """Ids of the contents that `path` had, newest first, and whether the history ends there.

        Looks at no more than `commits` commits below the head, along first parents.
        """
        await self._deepen(commits)
        ids = list(parse_history(await self._local("log", *WALK, "--format=", BASE, "--", path)))
        return ids, await self._depth() < commits

    async def revisions(self, path: str, commits: int) -> tuple[list[Revision], bool]:
        """The commits that changed `path`, newest first, and whether the history ends there; as `history`."""
        await self._deepen(commits)
        found = list(parse_revisions(await self._local("log", *WALK, f"--format={FORMAT}", BASE, "--", path)))
        depth = await self._depth()
        if (
            depth >= commits
        ):  # the last commit that is here has lost its parents, and seems to have made every file
            last = (
                (await self._local("rev-list", "--first-parent", "--skip", str(depth - 1), BASE))
                .decode()
                .strip()
            )
            found = [revision for revision in found if revision.commit != last]
        return found, depth < commits

    async def authorship(self, commit: str) -> Authorship | None:
        """Who made `commit`; None when the remote does not give it out."""
        if not await self.fetch_commit(commit):
            return None
        return parse_authorship(await self._local("log", "-1", "--no-show-signature", AUTHORSHIP, commit))

    async def _deepen(self, commits: int) -> None:
        assert self.head is not None
        await self._network(*QUIET_FETCH, f"--depth={commits}", "origin", f"+{self.remote.ref}:{BASE}")
        self.head = (await self._local("rev-parse", "--verify", BASE)).decode().strip()
        self._commits.add(self.head)

    async def _depth(self) -> int:
        return int(await self._local("rev-list", "--count", "--first-parent", BASE))

    # Writing

    async def commit(self, draft: Draft) -> str:
        """Make the commit, here only; returns its id. Raises `Stalled` (SigningKeyUnusable)."""
        options = ("--quiet", "--done", "--force", "--date-format=raw")
        output = await self._local("fast-import", *options, stdin=import_stream(draft, NEXT))
        commit = output.decode().strip()
        return await self._signed(commit, draft, self.remote.signing) if self.remote.signing else commit

    async def _signed(self, commit: str, draft: Draft, key: Signing) -> str:
        """The same commit once more with a signature, which fast-import cannot make; the tree is there already."""
        parent = ("-p", draft.base) if draft.base else ()
        async with signing(key) as setup:
            setup = replace(setup, variables={**setup.variables, **draft.author.variables(draft.when)})
            command = ("commit-tree", "-S", f"{commit}^{{tree}}", *parent, "-F", "-")
            answer = await self.with_keys(setup, *command, stdin=draft.message.encode())
        if answer.code:
            raise Stalled(
                f"repository {self.remote.name}: a commit could not be signed with {key.key}: {words(answer.error)}; "
                "mend the key under `signing`: a private key of its format, without a pass phrase",
                reason="SigningKeyUnusable",
            )
        return answer.output.decode().strip()

    async def push(self, commit: str, files: Mapping[str, bytes | None]) -> bool:
        """Compare and swap: the branch becomes `commit` if it still is the head that we know, else False.

        `files` are the commit's changes, remembered after success. Raises `Declined` when the remote does
        not want the commit, and `Broken` when this clone does not fit the remote any more.
        """
        lease = f"--force-with-lease={self.remote.ref}:{self.head or ''}"
        command = ("push", "--porcelain", lease, "origin", f"{commit}:{self.remote.ref}")
        answer = await self._network(*command, failing=False)
        verdict = next((line for line in answer.output.decode().splitlines() if line.count("\t") >= 2), "")
        if answer.code == 0:
            self.head = commit
            self._pushes += 1
            self._commits.add(commit)
            written = (data for data in files.values() if data is not None)
            self._contents.update((blob_id(data, length=len(commit)), data) for data in written)
            return True
        if not verdict.startswith("!"):
            raise explain("push", self.remote.url, answer.error)
        return self._rejected(verdict.rsplit("\t", 1)[1], answer)

    async def delete(self) -> None:
        """Compare and swap: the branch is gone if it still is the head that we know; else nothing happens."""
        lease = f"--force-with-lease={self.remote.ref}:{self.head or ''}"
        command = ("push", "--porcelain", lease, "origin", f":{self.remote.ref}")
        answer = await self._network(*command, failing=False)
        if answer.code == 0:
            self.head = None
        else:
            log.warning("git_branch_not_deleted", branch=self.remote.branch, error=words(answer.error))

    def _rejected(self, summary: str, answer: Answer) -> bool:
        """False for a lost race; all other rejections are final."""
        if LOST_RACE.search(summary):
            return False
        if "shallow update" in summary:  # the repository was made anew: it lacks what we cut off
            raise Broken(f"push: {summary}")
        why = summary.partition("(")[2].rstrip(")") or summary
        raise declined(self.remote.branch, why, answer.error)

    async def with_keys(self, setup: Setup, *arguments: str, stdin: bytes = b"") -> Answer:
        """A command that makes or checks signatures."""
        return await (await self._made()).with_keys(setup, *arguments, stdin=stdin)

    async def _local(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return await (await self._made()).local(*arguments, stdin=stdin)

    async def _network(self, *arguments: str, stdin: bytes = b"", failing: bool = True) -> Answer:
        return await (await self._made()).network(*arguments, stdin=stdin, failing=failing)
