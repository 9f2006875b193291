"""Child processes that die with this one."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(sign: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `sign` to this process when its parent dies. Nothing where it cannot (not Linux).

    Meant for `preexec_fn`, where only this one system call happens between fork and exec.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, sign, 0, 0, 0)


def follow_parent() -> None:
    """End this process gently with its parent, also when the parent is already gone."""
    die_with_parent(signal.SIGTERM)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGTERM)
