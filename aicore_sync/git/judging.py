"""Changes of files, and what of them a given commit still lacks, may take, and must refuse."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import structlog

from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.git import message
from aicore_sync.git.bare import Bare
from aicore_sync.git.objects import Draft, Entry, blob_id, checked_path
from aicore_sync.git.options import Remote
from aicore_sync.git.race import unguarded

log = structlog.get_logger()


def _anything(content: bytes) -> bool:
    return True


@dataclass(frozen=True)
class Change:
    """One file as it should be: `content`, or None for none.

    `may_replace` is asked about the file that is there, at the point of writing: False leaves it alone.
    `title` stands in the commit's subject, `trailers` at its end. `key` is the caller's and comes back.
    """

    key: Hashable
    directory: str
    name: str
    content: bytes | None
    may_replace: Callable[[bytes], bool] = _anything
    title: str = ""
    trailers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Batch:
    """Changes for one commit; `guard` raises right before a push that must not happen."""

    changes: tuple[Change, ...]
    guard: Callable[[], None] = unguarded


@dataclass(frozen=True)
class Refusal:
    """A change that was left out of the commit, and why."""

    change: Change
    error: SyncError


@dataclass(frozen=True)
class Published:
    """`commit` is a head that holds every change that was not refused; None: there is no branch and no need.

    `changed` is False when the branch was so already and no commit was made. `blobs` has the blob id of
    every written path, None for a removed one.
    """

    commit: str | None
    changed: bool
    blobs: Mapping[str, str | None]
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What of a batch is wanted, and what of it has to be written on one head."""

    wanted: Mapping[str, Change]
    writes: Mapping[str, Change]
    refused: tuple[Refusal, ...]


async def judge(bare: Bare, batch: Batch, head: str | None) -> Judged:
    """Compare the batch with one head: what is left to write, and what must not be written."""
    wanted, refused = _checked(batch.changes)
    there = await _there(bare, wanted, head)
    contents = await bare.contents(
        entry.id for path in wanted if (entry := there.get(path)) and entry.regular
    )
    writes = {}
    for path, change in wanted.items():
        try:
            if _needed(change, path, there.get(path), contents):
                writes[path] = change
        except SyncError as error:
            refused.append(Refusal(change, error))
    out = {id(refusal.change) for refusal in refused}
    kept = {path: change for path, change in wanted.items() if id(change) not in out}
    return Judged(kept, writes, tuple(refused))


async def _there(bare: Bare, wanted: Mapping[str, Change], head: str | None) -> dict[str, Entry]:
    """What stands at the wanted paths and, where a folder is missing, at the places of its parents."""
    there: dict[str, Entry] = {}
    for directory in {path.rpartition("/")[0] for path in wanted}:
        tree = await bare.tree(head, directory)
        there |= tree
        parts = directory.split("/") if directory and not tree and head else []
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if head and (entry := await bare.entry(head, parent)):
                there[parent] = entry
    _block_below_files(wanted, there)
    return there


def draft(remote: Remote, head: str | None, writes: Mapping[str, Change], when: int) -> Draft:
    """The commit that writes these changes on top of `head`; `when` is in seconds since 1970."""
    text = message.compose(
        [change.title or change.name for change in writes.values()],
        [(path, change.content is not None) for path, change in writes.items()],
        [trailer for change in writes.values() for trailer in change.trailers],
    )
    files = {path: change.content for path, change in writes.items()}
    return Draft(head, files, text, remote.author, when)


def _checked(changes: tuple[Change, ...]) -> tuple[dict[str, Change], list[Refusal]]:
    wanted: dict[str, Change] = {}
    refused = []
    for change in changes:
        try:
            path = checked_path(change.directory, change.name)
            if path in wanted:
                raise Stalled(
                    f"{path}: found two changes of one file in a batch, expected one; give one of the flows "
                    "another executable id",
                    reason="Contested",
                )
            wanted[path] = change
        except Stalled as error:
            refused.append(Refusal(change, error))
    return wanted, refused


def _block_below_files(wanted: Mapping[str, Change], there: dict[str, Entry]) -> None:
    """Where a file stands in the place of a folder, that file stands in the way of all below it."""
    for path in wanted:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = there.get("/".join(parts[:depth]))
            if parent and parent.kind != "tree":
                there[path] = Entry("", "blocked", parent.id)


def _needed(change: Change, path: str, entry: Entry | None, contents: Mapping[str, bytes]) -> bool:
    """Whether `path` must be written; raises `Stalled` (Contested) when it must not."""
    if entry is None or (entry.kind == "blocked" and change.content is None):
        return change.content is not None
    if not entry.regular:
        raise _contested(path, "something that is not a file")
    if contents[entry.id] == change.content:
        return False
    try:
        ours = change.may_replace(contents[entry.id])
    except SyncError:
        raise
    except Exception as error:  # one file that confuses its judge must not stop the others
        log.exception("git_file_not_judged", file=path)
        raise _contested(path, f"a file that cannot be judged ({type(error).__name__})") from error
    if not ours:
        raise _contested(path, "a file of somebody else")
    return True


def _contested(path: str, found: str) -> Stalled:
    return Stalled(
        f"{path}: found {found}, expected a file of ours or none; remove it from the branch, or give the flow "
        "another executable id",
        reason="Contested",
    )


def blobs(judged: Judged, commit: str | None) -> Mapping[str, str | None]:
    """The blob id of every wanted path, None for a removed one; `commit` tells how long ids are."""
    length = len(commit or "") or 40
    return {
        path: None if change.content is None else blob_id(change.content, length=length)
        for path, change in judged.wanted.items()
    }
