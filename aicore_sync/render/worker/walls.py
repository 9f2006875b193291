"""The walls around users' code: another user, its own processes, and a file system of which little is left.

    once, in the parent    a network without any interface; mounts of its own: everything read-only, our home and
                           closed directories replaced by empty ones in which only the environment and the rooms
                           are found
    per render, the child  process numbers of its own, an empty /tmp, its own room only, another user; no sockets,
                           and no file but those of the environment and the system's programs (see `fence`)

As root the user is another one; without root a user namespace is tried, in which the user stays the same but
holds nothing of the outside. Where there are no namespaces, the fence alone stands. What cannot be had either way
is listed in `missing`.
"""

# ruff: noqa: PTH103, PTH112, PTH118  strings: pathlib costs a fork's time

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import fence, posix

_FRESH = ("/tmp", "/dev/shm")  # noqa: S108  replaced by empty ones
_SIZE = "size=64m,nr_inodes=20k"
_PRIVATE = ("home", "tmp")  # directories of a room that nobody outside reads
_NEEDED = ("mounts", "pids", "network", "user", "namespaces")


@dataclass(frozen=True)
class Walls:
    """What is in force. `kept`: directories that must stay reachable; `rooms`: where the rooms lie; `refused`: what
    this system does not give, and why."""

    rooms: str
    kept: tuple[str, ...]
    user: int | None = None  # change to this one
    mounts: bool = False
    pids: bool = False
    network: bool = False  # one of its own, with nothing in it
    hushed: bool = False  # no sockets
    fenced: int = 0  # the version of Landlock
    separate: bool = False  # another user, or a namespace of its own
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """What nothing else stands in for."""
        instead = {
            "mounts": self.fenced >= fence.TRUNCATES,
            "pids": self.fenced >= fence.SIGNALS,
            "network": self.hushed,
        }
        return tuple(
            f"{name} ({why})" for name, why in self.refused if name in _NEEDED and not instead.get(name)
        )


def build(rooms: str, probe: str, packages: str, user: int) -> Walls:
    """Put this process behind the walls that all its children share; `probe` is a room to try them with.

    `packages` is the directory in which those of single flows are found.
    """
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    wanted = (*sys.path, sys.prefix, sys.base_prefix, packages, *libraries)
    kept = _outermost([p for p in wanted if os.path.isdir(p)])
    walls = Walls(rooms, tuple(kept))
    if sys.platform != "linux":
        return replace(walls, refused=(("namespaces", "they need Linux"),))
    root = os.geteuid() == 0
    spaces = posix.NEW_MOUNTS if root else posix.NEW_MOUNTS | posix.NEW_USER
    walls = _with(walls, "mounts", lambda: _set_apart(spaces, walls, user), really=True)
    if not root:
        walls = replace(walls, separate=walls.mounts)
    walls = _with(walls, "network", lambda: posix.unshare(posix.NEW_NET), really=True)
    walls = _with(walls, "pids", lambda: posix.unshare(posix.NEW_PIDS), really=False)
    walls = _with(walls, "hushed", fence.hush, really=False)
    walls = _with(walls, "fenced", lambda: fence.stand(walls.kept, [probe]), really=False)
    walls = replace(walls, fenced=fence.version() if walls.fenced else 0)
    if root:
        walls = _with(walls, "user", lambda: _visit(walls, probe, user), really=False)
        walls = replace(walls, user=user if walls.user else None, separate=bool(walls.user))
    return walls


def _with(walls: Walls, name: str, action: Callable[[], None], really: bool) -> Walls:
    """The walls with one more, if a trial in a child shows that it stands."""
    why = _trial(action)
    if not why and really:
        action()
    known = walls.refused if not why else (*walls.refused, (name, why))
    standing: dict[str, Any] = {name: not why}
    return replace(walls, refused=known, **standing)


def _trial(action: Callable[[], None]) -> str:
    """ "" when `action` works in a child, else why not."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os.write(write, b"+")
        except BaseException as error:
            os.write(write, str(error).encode()[:500])
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    return "" if said == "+" else said or "the trial died"


def _set_apart(spaces: int, walls: Walls, user: int) -> None:
    outside = (os.geteuid(), os.getegid())
    posix.unshare(spaces)
    if spaces & posix.NEW_USER:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", "{0} {0} 1".format(outside[0])),
            ("gid_map", "{0} {0} 1".format(outside[1])),
        ):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
                file.write(text)
    posix.mount("none", "/", "", posix.MS_REC | posix.MS_PRIVATE)
    wanted = _outermost([*walls.kept, walls.rooms])
    closed = {_closed(path, user) for path in wanted} | {_home()}
    for place in _outermost([c for c in closed if c and c not in wanted]):
        cover(place, wanted)
    posix.mount(walls.rooms, walls.rooms, "", posix.MS_BIND)
    posix.set_read_only("/", read_only=True, recursive=True)
    posix.set_read_only(walls.rooms, read_only=False, recursive=False)


def enter(walls: Walls, room: str) -> None:
    """In the child: the walls of one render. Descriptors must not be needed by path afterwards."""
    if walls.mounts:
        posix.unshare(posix.NEW_MOUNTS)
        for place in _FRESH:
            if os.path.isdir(place):
                cover(place, [*walls.kept, room])
        if not any(inside(walls.rooms, place) for place in _FRESH):
            cover(walls.rooms, [room])
        for name in _PRIVATE:
            _small(os.path.join(room, name), walls.user)
        if walls.pids:
            _own_proc()
    if walls.user is not None:
        os.setgroups([])
        os.setresgid(walls.user, walls.user, walls.user)
        os.setresuid(walls.user, walls.user, walls.user)
    if walls.separate:
        posix.renounce()
    posix.die_with_parent()
    if walls.fenced:
        fence.stand(walls.kept, [room, *(_FRESH if walls.mounts else ())])
    if walls.hushed:
        fence.hush()


def _small(place: str, user: int | None) -> None:
    """An empty directory of the child's over `place`, that takes little and is gone with it."""
    owner = os.geteuid() if user is None else user
    posix.mount(
        "tmpfs",
        place,
        "tmpfs",
        posix.MS_NOSUID | posix.MS_NODEV,
        f"mode=0700,uid={owner},gid={owner},{_SIZE}",
    )


def _own_proc() -> None:
    try:
        posix.mount("proc", "/proc", "proc", posix.MS_NOSUID | posix.MS_NODEV)
    except OSError:  # not in containers that mask parts of it: better none than that of others
        posix.mount("tmpfs", "/proc", "tmpfs", posix.MS_NOSUID | posix.MS_NODEV, "size=4k")


def cover(place: str, kept: list[str]) -> None:
    """An empty directory over `place`, in which only those of `kept` that lie below it are found again."""
    below = [(p, os.open(p, os.O_PATH | os.O_DIRECTORY)) for p in _outermost(kept) if inside(p, place)]
    posix.mount("tmpfs", place, "tmpfs", posix.MS_NOSUID | posix.MS_NODEV, f"mode=1777,{_SIZE}")
    for path, handle in below:
        os.makedirs(path, mode=0o755, exist_ok=True)
        posix.mount(f"/proc/self/fd/{handle}", path, "", posix.MS_BIND | posix.MS_REC)
        os.close(handle)


def _visit(walls: Walls, room: str, user: int) -> None:
    """Raises OSError when somebody else could not render here: a directory on the way is closed to them."""
    enter(replace(walls, user=user, pids=False), room)
    for path in (*walls.kept, os.path.join(room, "out")):
        if not os.access(path, os.R_OK | os.X_OK):
            raise OSError(f"{path} is closed to user {user}")


def _closed(path: str, user: int) -> str:
    """The outermost directory above `path` that `user` may not pass, or ""."""
    for place in reversed(Path(path).parents):
        facts = place.stat()
        if not facts.st_mode & 0o001 and facts.st_uid != user:
            return str(place)
    return ""


def _home() -> str:
    try:
        home = os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return ""
    return home if home.count(os.sep) >= 1 and home != os.sep and os.path.isdir(home) else ""


def inside(path: str, place: str) -> bool:
    return path.startswith(place + os.sep)


def _outermost(paths: list[str]) -> list[str]:
    """Real paths, without those that lie inside of another one."""
    found: list[str] = []
    for path in sorted({os.path.realpath(p) for p in paths}):
        if not any(path == f or inside(path, f) for f in found):
            found.append(path)
    return found
