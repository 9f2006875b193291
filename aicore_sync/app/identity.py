"""Who we are to the owner's lock: a name that survives a restart, proven by a lock on a local file."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path


@contextlib.contextmanager
def identity(cache_dir: Path, owner: str) -> Iterator[str]:
    """The holder name of this process.

    The name lives in the cache directory, one for each owner, and whoever has that file locked is the only process
    that uses it. So a restart after a crash finds its own name in the owner's lock and knows that its predecessor is
    dead. A second process beside a running one, and every process with a new disk, gets a name of its own.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    path = cache_dir / f"holder-{owner}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(descriptor):
            yield _fresh_name()
            return
        name = os.read(descriptor, 200).decode(errors="replace").strip()
        if not name:
            name = _fresh_name()
            os.write(descriptor, f"{name}\n".encode())
        yield name
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """A child that a killed predecessor was just starting holds the lock for a moment more."""
    for _ in range(20):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.025)
        else:
            return True
    return False


def _fresh_name() -> str:
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


_acting: ContextVar[str] = ContextVar("acting", default="")


@contextlib.contextmanager
def acting_as(user: str) -> Iterator[None]:
    """In the block, decisions are those of `user`, who is logged in to the window."""
    token = _acting.set(user)
    try:
        yield
    finally:
        _acting.reset(token)


def operator() -> str:
    """Who decides: whoever this task acts for, else the login name, from LOGNAME or USER where they are set."""
    if user := _acting.get():
        return user
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container whose user has no entry
        return f"uid-{os.getuid()}"
