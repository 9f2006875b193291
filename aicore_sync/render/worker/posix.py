"""Calls of the C library that Python 3.11 does not offer. Each raises OSError, also where the system lacks it.

Constants are those of <sched.h>, <sys/mount.h> and <linux/prctl.h>; the same on all Linux architectures.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from typing import Any

NEW_USER, NEW_PIDS, NEW_NET, NEW_MOUNTS = 0x10000000, 0x20000000, 0x40000000, 0x00020000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = 442, -100, 0x8000, 0x1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


def called(name: str, *args: Any) -> int:
    """What a function of the C library answers."""
    function = getattr(_LIBC, name, None)
    if function is None:
        raise OSError(f"this system has no {name}")
    answer = int(function(*args))
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return answer


def unshare(flags: int) -> None:
    called("unshare", flags)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    texts = [t.encode() for t in (source, target, kind)]
    called("mount", *texts, ctypes.c_ulong(flags), data.encode())


def set_read_only(target: str, read_only: bool, recursive: bool) -> None:
    """Of mounts, not of files; Linux 5.12."""
    on, off = (_ATTR_RDONLY, 0) if read_only else (0, _ATTR_RDONLY)
    attributes = struct.pack("=QQQQ", on, off, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    size = ctypes.c_size_t(len(attributes))
    called("syscall", ctypes.c_long(_MOUNT_SETATTR), _AT_FDCWD, target.encode(), flags, buffer, size)


def die_with_parent() -> None:
    """Forgotten by the kernel when the user id changes: call it afterwards."""
    if sys.platform == "linux":
        called("prctl", _PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


def adopt_orphans() -> None:
    """Descendants that lose their parent become our children, whatever sessions they make."""
    if sys.platform == "linux":
        called("prctl", _PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))


def keep_private() -> None:
    """Our memory, environment and descriptors are nobody's business, not even of the same user's processes."""
    if sys.platform == "linux":
        called("prctl", _PR_SET_DUMPABLE, ctypes.c_ulong(0))


def renounce() -> None:
    """No capability, and none to be had by executing anything."""
    if sys.platform != "linux":
        return
    no_new_privileges()
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), 8)
    called("capset", header, ctypes.create_string_buffer(24))


def no_new_privileges() -> None:
    """Executing a set-uid program gives nothing."""
    unused = ctypes.c_ulong(0)
    called("prctl", _PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), unused, unused, unused)


def filter_calls(program: list[tuple[int, int, int, int]]) -> None:
    """Put a seccomp filter in front of all system calls to come: lines of (code, if true, if false, value)."""
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    lines = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(lines))
    called("prctl", _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), header)


def bound(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value, value) if hard == resource.RLIM_INFINITY else (min(value, hard),) * 2)


def children() -> list[int]:
    """Our own children, adopted ones included; empty where the system does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []
