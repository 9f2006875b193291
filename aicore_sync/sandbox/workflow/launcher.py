"""First program of every pod: builds the pod's view of the file system, then becomes its command.

Run by path with `python -I -S`, so it imports the standard library only. usage: launcher.py PLAN COMMAND…

The plan (JSON) holds `parent` (pid), `mode` ("ns" or "shim"), `cwd`, and for "ns": `root` (an empty directory
of the pod, becomes `/`), `skeleton` (directories rebuilt entry by entry), `claimed` (paths that belong to the
pod alone) and `binds` (pairs: place on the machine, place in the pod).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_UNBINDABLE, MS_PRIVATE = 4096, 16384, 1 << 17, 1 << 18
SETUP_FAILED, NOT_STARTED = 125, 127

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str | None, target: str, flags: int) -> None:
    encoded = source.encode() if source else None
    _check(_libc.mount(encoded, target.encode(), None, ctypes.c_ulong(flags), None), f"mount {target}")


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the starter ends; leave at once if it has ended already."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(SETUP_FAILED)


def own_mounts() -> None:
    """A mount namespace of our own, through a user namespace where we may not have one directly."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(CLONE_NEWNS) != 0:
        _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        with contextlib.suppress(OSError):
            Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _mount(None, "/", MS_REC | MS_PRIVATE)


def _bind(source: str, target: str) -> None:
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    _mount(source, target, MS_BIND | MS_REC)


def _rebuild(directory: str, root: str, claimed: set[str]) -> None:
    """Show every entry of a directory of the machine in the pod, except the claimed ones."""
    Path(root + directory).mkdir(parents=True, exist_ok=True)
    if not Path(directory).is_dir():
        return
    for entry in os.scandir(directory):
        target = root + entry.path
        if entry.path in claimed or os.path.lexists(target):
            continue
        if entry.is_symlink():
            Path(target).symlink_to(Path(entry.path).readlink())
        else:
            # An entry that may not be shown (a locked or vanished mount) is simply not there.
            with contextlib.suppress(OSError):
                _bind(entry.path, target)


def enter(plan: dict[str, Any]) -> None:
    """Make `plan["root"]` the root directory of this process and its children only."""
    root = plan["root"]
    own_mounts()
    _mount(root, root, MS_BIND)
    _mount(None, root, MS_UNBINDABLE)  # else a bind of a directory above would hold the pod again
    hidden = {*plan["claimed"], *plan["skeleton"]}
    for directory in plan["skeleton"]:
        _rebuild(directory, root, hidden)
    for source, target in plan["binds"]:
        _bind(source, root + target)
    os.chroot(root)


def main(arguments: list[str]) -> None:
    plan = json.loads(Path(arguments[0]).read_text())
    die_with_parent(plan["parent"])
    try:
        if plan["mode"] == "ns":
            enter(plan)
        os.chdir(plan["cwd"])
    except OSError as error:
        print(f"sandbox: the pod's file system could not be set up: {error}", file=sys.stderr, flush=True)
        os._exit(SETUP_FAILED)
    try:
        os.execvp(arguments[1], arguments[1:])  # noqa: S606  (that is its job)
    except OSError as error:
        print(f"sandbox: {arguments[1]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(NOT_STARTED)


if __name__ == "__main__":
    main(sys.argv[1:])
