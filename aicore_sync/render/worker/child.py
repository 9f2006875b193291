"""One render's processes: a guard that waits, and behind the walls the process that runs users' code.

The guard keeps the child's orphans together and tells how the child ended. Its death is the child's death.
"""

# ruff: noqa: PTH118  strings: pathlib costs a fork's time

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from . import posix
from .walls import Walls, enter
from .watch import Watch

RESULT = 3  # the child's descriptor for its result; 4 is the watchdog's
_STUCK = 4
_PROCESSES = 512
_COARSE = 64  # how exactly processes are counted
_MOST = 1 << 22  # processes on any Linux
FAULT = (
    70  # the exit code of a child that failed before or beside the flow's code, and its last word on stderr
)
CONFESSION = "aicore-sync: this was not the flow's doing"


@dataclass(frozen=True)
class Place:
    """Where a render takes place: a room, the limits of `render.child.Limits` and the walls around."""

    room: str
    limits: dict[str, Any]
    walls: Walls


def guard(place: Place, status: int, work: Callable[[int], None]) -> NoReturn:
    """In a process forked for it: run `work(descriptor of the result)` in a child, and report its end.

    `status` is the pipe that gets the child's exit code, negative for a signal, and what it had too much of, as text.
    """
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        posix.die_with_parent()
        posix.adopt_orphans()
        files = [_file(place.room, name) for name in ("stdout", "stderr", "result", "stuck")]
        if place.walls.pids:
            posix.unshare(posix.NEW_PIDS)
        watch = Watch.begin(place.room, place.limits)
        child = os.fork()
        if child == 0:
            _live(place, files, work)
        ended, excess = watch.until_end(child)
        os.write(status, f"{os.waitstatus_to_exitcode(ended)} {excess}".encode())
    finally:
        os._exit(0)


def _file(room: str, name: str) -> int:
    return os.open(os.path.join(room, name), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)


def _live(place: Place, files: list[int], work: Callable[[int], None]) -> NoReturn:
    try:
        Watch.leave()
        os.dup2(files[1], 2)  # what fails from here on is told in the room
        os.setsid()
        enter(place.walls, place.room)
        _descriptors(files)
        _limit(place.limits)
        tempfile.tempdir = None
        work(RESULT)
        sys.stdout.flush()
        os._exit(0)
    except BaseException:  # of ours: users' errors are reported by `work`
        sys.excepthook(*sys.exc_info())
        print(CONFESSION, file=sys.stderr, flush=True)
    finally:
        os._exit(FAULT)


def _descriptors(files: list[int]) -> None:
    """Standard input is empty; 1 to 4 are the files; nothing else is open."""
    high = [os.dup2(f, 100 + n, inheritable=False) for n, f in enumerate(files)]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, file in enumerate(high, start=1):
        os.dup2(file, number, inheritable=number < RESULT)
    os.closerange(_STUCK + 1, 1 << 20)


def _limit(limits: dict[str, Any]) -> None:
    """Bounded resources, and a note of where we were shortly before the deadline."""
    os.umask(0o077)
    if os.geteuid() != 0:  # counts all processes of the user, and does not bind root
        posix.bound(resource.RLIMIT_NPROC, _counted() + _PROCESSES)
    posix.bound(resource.RLIMIT_CORE, 0)
    posix.bound(resource.RLIMIT_AS, limits["memory"])
    posix.bound(resource.RLIMIT_FSIZE, limits["output"])
    posix.bound(resource.RLIMIT_CPU, int(limits["deadline"]) + 5)
    with contextlib.suppress(RuntimeError):  # no thread to be had: only the note is missed
        faulthandler.dump_traceback_later(limits["deadline"] * 0.9, file=_STUCK, exit=False)


def _counted() -> int:
    """How many processes and threads of this user the kernel counts, at most `_COARSE` too many.

    It counts those of the whole node, or of our user namespace; /proc shows those of this container. So it is asked:
    the count is below the limit at which one more thread can be started.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _MOST if hard == resource.RLIM_INFINITY else hard
    low, high = 0, min(_COARSE, most)
    try:
        while high < most and not _one_more(high, hard):
            low, high = high, min(2 * high, most)
        while high - low > _COARSE:
            middle = (low + high) // 2
            low, high = (low, middle) if _one_more(middle, hard) else (middle, high)
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    return high


def _one_more(limit: int, hard: int) -> bool:
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
    try:
        _thread.start_new_thread(int, ())
    except RuntimeError:
        return False
    return True
