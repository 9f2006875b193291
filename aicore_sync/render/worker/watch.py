"""What one render uses in all, looked at while it runs: limits of the kernel are those of single processes and files.

The guard looks, from outside of the child's walls. What is deleted and still open counts where the system lets the
guard see it.
"""

# ruff: noqa: PTH116, PTH123, PTH208  strings: pathlib costs a fork's time

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PAUSE = 0.2  # seconds between two looks
WRITES = 4  # times the limit of one file: the limit of all
FILES = 5_000  # that a render may make
MEMORY, SPACE = "memory", "space"  # what it had too much of
_PAGE = resource.getpagesize()
_BLOCK = 512


@dataclass(frozen=True)
class Watch:
    """The use of one render; `written` and `files` are what lay in its room before it began."""

    room: str
    limits: dict[str, Any]
    written: int
    files: int
    memory: int  # of the guard: what its children share with the parent

    @classmethod
    def begin(cls, room: str, limits: dict[str, Any]) -> Watch:
        """Before the child is forked."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        written, files = _below(room, 10**9)
        return cls(room, limits, written, files, _anonymous(os.getpid()))

    @staticmethod
    def leave() -> None:
        """In the child."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def until_end(self, child: int) -> tuple[int, str]:
        """Wait for the child's end: its status, and what it and its children had too much of, "" for nothing."""
        excess, look = "", time.monotonic() + PAUSE
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status, excess
            begin = time.monotonic()
            if begin >= look:
                excess = excess or self._excess()
                if excess:
                    _kill_family()
                look = time.monotonic() + max(PAUSE, 4 * (time.monotonic() - begin))
            _sleep(max(0.0, look - time.monotonic()))

    def _excess(self) -> str:
        family = list(_family())
        if sum(max(0, _anonymous(pid) - self.memory) for pid in family) > self.limits["memory"]:
            return MEMORY
        written, files = _below(self.room, self.files + FILES)
        most = self.written + WRITES * self.limits["output"]
        if files > self.files + FILES or written + _deleted(family) > most:
            return SPACE
        return ""


def _sleep(seconds: float) -> None:
    """Until a child ends, or so long."""
    if sys.platform == "linux":
        signal.sigtimedwait({signal.SIGCHLD}, seconds)
    else:
        time.sleep(min(seconds, 0.01))


def _kill_family() -> None:
    for pid in _family():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _family() -> Iterator[int]:
    """All that descend from us, as far as the system tells."""
    waiting = _children(os.getpid())
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += _children(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    return found


def _anonymous(pid: int) -> int:
    """Bytes of memory that are no file's; those that a fork shares count in both."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared = map(int, file.read().split()[:3])
    except (OSError, ValueError):
        return 0
    return (resident - shared) * _PAGE


def _below(place: str, most: int) -> tuple[int, int]:
    """Bytes on the disk and files below a directory; it stops counting at `most` files."""
    size = files = 0
    waiting = [place]
    while waiting and files <= most:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                if files > most:
                    break
    return size, files


def _deleted(family: list[int]) -> int:
    """Bytes of files that have no name any more and are still open."""
    found: dict[tuple[int, int], int] = {}
    for pid in family:
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    facts = os.stat(f"/proc/{pid}/fd/{number}")
                    if stat.S_ISREG(facts.st_mode) and not facts.st_nlink:
                        found[facts.st_dev, facts.st_ino] = facts.st_blocks * _BLOCK
    return sum(found.values())
