"""Walls that any process may put up around itself: all there is where neither root nor namespaces are to be had.

`stand` is Landlock (Linux 5.13): files other than ours cannot be opened, since 6.2 not be emptied by truncate(2)
either, so that the room alone can be written, and since 6.12 no process outside can be signalled; neither
`/proc/PID/environ` nor the memory of one can be read. `hush` is a seccomp filter: no sockets, so neither networks nor
the machine's daemons. Both are for ever, and for all that is started.

Constants are those of <linux/landlock.h>, <linux/seccomp.h> and <linux/audit.h>.
"""

# ruff: noqa: PTH112  strings: pathlib costs a fork's time

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable

from . import posix

TRUNCATES = 3  # the version of Landlock from which on no file outside can be emptied
SIGNALS = 6  # the one that keeps signals inside
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ, _READ_FILE = 0b1101, 0b0101  # execute, read files and directories; of a file, without directories
_TYPE_FILES = 1
_DEVICE = 0b0110
# What programs and their libraries look at anywhere.
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/nix/store", "/proc", "/sys/devices/system"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/alternatives", "/etc/fonts"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/hosts"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types", "/etc/os-release"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}  # (architecture, number of the call)
_IO_URING_SETUP = 425  # it can open sockets too
_FOREIGN = 0x40000000  # the second set of numbers on x86_64
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


def version() -> int:
    """Of Landlock. Raises OSError where the system has none."""
    return posix.called("syscall", ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1))


def stand(kept: Iterable[str], own: Iterable[str]) -> None:
    """From here on: read `kept` and the system's programs, write below `own`, touch no process outside."""
    level = version()
    everything = (1 << 13 + (level >= 2) + (level >= 3)) - 1  # later versions add what is not ours to forbid
    scoped = 0b11 if level >= SIGNALS else 0
    attributes = struct.pack("=QQQ", everything, 0, scoped)[: 24 if scoped else 8]
    size = ctypes.c_size_t(len(attributes))
    rules = posix.called("syscall", ctypes.c_long(_CREATE), attributes, size, ctypes.c_uint(0))
    try:
        for path in (*_SYSTEM, *kept):
            _allow(rules, path, _READ)
        for path in _DEVICES:
            _allow(rules, path, _DEVICE)
        for path in own:
            _allow(rules, path, everything)
        posix.no_new_privileges()
        posix.called("syscall", ctypes.c_long(_RESTRICT), ctypes.c_int(rules), ctypes.c_uint(0))
    finally:
        os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_PATH)
        try:
            granted = access if os.path.isdir(path) else access & (_READ_FILE | _DEVICE)
            rule = struct.pack("=Qi", granted, handle)
            call = (
                ctypes.c_long(_ADD),
                ctypes.c_int(rules),
                ctypes.c_int(_TYPE_FILES),
                rule,
                ctypes.c_uint(0),
            )
            posix.called("syscall", *call)
        finally:
            os.close(handle)


def hush() -> None:
    """From here on nothing opens a socket: the answer is "network is unreachable". Pairs of sockets are given."""
    known = _SOCKET.get(platform.machine())
    if known is None:
        raise OSError(errno.ENOSYS, f"the numbers of calls on {platform.machine()} are not known")
    posix.no_new_privileges()
    posix.filter_calls(_program(*known))


def _program(architecture: int, socket: int) -> list[tuple[int, int, int, int]]:
    """(code, jump if true, jump if false, value): jumps count from the next line."""
    load, equal, above, answer = 0x20, 0x15, 0x35, 0x06
    return [
        (load, 0, 0, 4),
        (equal, 0, 5, architecture),
        (load, 0, 0, 0),
        (above, 3, 0, _FOREIGN),
        (equal, 2, 0, _IO_URING_SETUP),
        (equal, 2, 0, socket),
        (answer, 0, 0, _ALLOW),
        (answer, 0, 0, _REFUSE | errno.EPERM),
        (answer, 0, 0, _REFUSE | errno.ENETUNREACH),
    ]
