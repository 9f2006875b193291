"""git's data formats, written and read: blob ids, tree listings, object batches, import streams. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from aicore_sync.core.errors import Stalled
from aicore_sync.git.options import Author

NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]+")
FOLDER = re.compile(r"(?!\.{1,2}$)(?!(?i:\.git)$)[A-Za-z0-9._ +@=-]+")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REGULAR = ("100644", "100755")


@dataclass(frozen=True)
class Blob:
    """The content of a file and its id in git."""

    id: str
    data: bytes


@dataclass(frozen=True)
class Entry:
    """One line of a tree listing; `mode` is octal text, `kind` one of blob, tree, commit."""

    mode: str
    kind: str
    id: str

    @property
    def regular(self) -> bool:
        """True for a file; a symbolic link, a folder and a submodule are none."""
        return self.mode in REGULAR


@dataclass(frozen=True)
class Draft:
    """A commit that shall be made on top of `base`; None as content deletes, None as base has no parent.

    `when` is in seconds since 1970.
    """

    base: str | None
    files: Mapping[str, bytes | None]
    message: str
    author: Author
    when: int


def blob_id(data: bytes, *, length: int = 40) -> str:
    """The id that git gives to a file's content; `length` 64 is for a repository with SHA-256 ids."""
    content = b"blob %d\0" % len(data) + data
    if length == 64:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def folder(directory: str) -> str:
    """`directory` as git writes it: no slash at either end, "" for the root; raises `Stalled` (BadName)."""
    parts = [part for part in directory.split("/") if part not in ("", ".")]
    for part in parts:
        if not FOLDER.fullmatch(part):
            raise Stalled(
                f"directory {directory!r}: found the part {part!r}, expected letters, digits and . _ - + = @ or a "
                "blank, neither '..' nor '.git'; change the application's path",
                reason="BadName",
            )
    return "/".join(parts)


def checked_path(directory: str, name: str) -> str:
    """The path of a file in `directory`; raises `Stalled` (BadName). git itself would take `../x`."""
    if not NAME.fullmatch(name):
        raise Stalled(
            f"file name: found {name!r}, expected letters, digits and . _ - with no dot at the start; "
            "rename the flow",
            reason="BadName",
        )
    return "/".join(filter(None, (folder(directory), name)))


def parse_tree(listing: bytes) -> dict[str, Entry]:
    """The output of `ls-tree -z`: path → entry."""
    found = {}
    for line in filter(None, listing.split(b"\0")):
        facts, _, path = line.partition(b"\t")
        mode, kind, identity = facts.decode().split()
        found[path.decode(errors="surrogateescape")] = Entry(mode, kind, identity)
    return found


def parse_objects(output: bytes) -> Iterator[tuple[str, bytes]]:
    """The output of `cat-file --batch`: (id, content) of every object that is there."""
    start = 0
    while start < len(output):
        end = output.index(b"\n", start)
        facts = output[start:end].split()
        start = end + 1
        if len(facts) == 3:
            size = int(facts[2])
            yield facts[0].decode(), output[start : start + size]
            start += size + 1


def parse_history(output: bytes) -> Iterator[str]:
    """The output of `log --format= --raw -z` for one path: the ids of its contents, newest first."""
    for field in output.split(b"\0"):
        facts = field.lstrip(b"\n").split()
        if len(facts) == 5 and facts[0].startswith(b":") and facts[1].decode() in REGULAR:
            yield facts[3].decode()


def import_stream(draft: Draft, ref: str) -> bytes:
    """The input of `fast-import` that makes the commit under `ref` and prints its id."""
    message = draft.message.encode()
    head = [
        b"feature done\n",
        b"" if draft.base else f"reset {ref}\n\n".encode(),
        f"commit {ref}\nmark :1\n".encode(),
    ]
    for role in ("author", "committer"):
        head.append(f"{role} {draft.author} {draft.when} +0000\n".encode())
    head.append(b"data %d\n%s\n" % (len(message), message))
    if draft.base:
        head.append(f"from {draft.base}\n".encode())
    return b"".join([*head, *_changes(draft.files.items()), b"get-mark :1\ndone\n"])


def _changes(files: Iterable[tuple[str, bytes | None]]) -> Iterator[bytes]:
    for path, data in sorted(files):
        if data is None:
            yield f"D {path}\n".encode()
        else:
            yield f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
