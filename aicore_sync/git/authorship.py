"""Who wrote what a template was made of, where the source lies in a git work tree."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aicore_sync.git.environment import offline

AUTHORSHIP = "--format=%H%x1f%an%x1f%cI%x1f%s"
# A source is not trusted: nothing of its configuration may start a program.
_HARMLESS = ("-c", "safe.directory=*", "-c", "log.showSignature=false", "-c", "core.fsmonitor=false")
PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Authorship:
    """A commit of the source, its author, the first line of the message, and its date by the committer's clock."""

    commit: str
    author: str
    subject: str
    committed: datetime | None = None


async def authorship(root: Path, file: str, until: datetime) -> Authorship | None:
    """The last commit before `until` that touched the directory of `file` below `root`.

    None where `root` is in no work tree, or git does not know.
    """
    return await _log(root, f"--until={until.isoformat()}", "--", file.rpartition("/")[0] or ".")


async def _log(root: Path, *what: str) -> Authorship | None:
    command = ("git", *_HARMLESS, "-C", str(root), "log", "-1", "--no-show-signature", AUTHORSHIP, *what)
    environment = {"PATH": os.environ.get("PATH", os.defpath), **offline()}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return parse_authorship(output) if process.returncode == 0 else None


def parse_authorship(output: bytes) -> Authorship | None:
    """The output of `log -1` with the format above; None when it is empty."""
    fields = output.decode(errors="replace").strip().split("\x1f", 3)
    if len(fields) != 4:
        return None
    commit, author, date, subject = fields
    return Authorship(commit, author, subject, _date(date))


def _date(text: str) -> datetime | None:
    """A commit may say any date, also one that there is not."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
