"""The commits that changed one file, as git tells them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aicore_sync.git.objects import REGULAR

FORMAT = "%x1e%H%x1f%an%x1f%at%x1f%B%x1f"  # record, then fields; a message may hold anything but these
_ENTRY = re.compile(rb":\d+ (\d+) [0-9a-f]+ ([0-9a-f]+) [A-Z]")
_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*\S)")


@dataclass(frozen=True)
class Revision:
    """A commit that changed a file: who, when (UTC), its whole message, and the file's blob id (None: removed)."""

    commit: str
    author: str
    at: datetime
    message: str
    blob: str | None

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]

    @property
    def trailers(self) -> Mapping[str, tuple[str, ...]]:
        """The `Token: value` lines at the message's end."""
        found: dict[str, tuple[str, ...]] = {}
        for line in self.message.strip().rpartition("\n\n")[2].splitlines():
            match = _TRAILER.fullmatch(line)
            if match:
                found[match[1]] = (*found.get(match[1], ()), match[2])
        return found


def parse_revisions(output: bytes) -> Iterator[Revision]:
    """The output of `log --raw -z --no-abbrev --format=FORMAT` for one path, newest first."""
    for record in output.split(b"\x1e")[1:]:
        fields = record.split(b"\x1f")
        entry = _ENTRY.search(fields[-1])
        if len(fields) != 5 or entry is None:
            continue
        commit, author, at, message = (field.decode(errors="replace") for field in fields[:4])
        blob = entry[2].decode() if entry[1].decode() in REGULAR else None
        yield Revision(commit, author, datetime.fromtimestamp(int(at), UTC), message.strip(), blob)
