"""A complete walk of the source directory: relative path to content digest, with a cache of digests by stat.

Digests decide, never times: a file that was only touched has not changed. The cache only saves reading. Because a
write within the clock tick of an earlier one leaves no trace in the stat, a digest is trusted only after it was
computed in two scans for the same stat.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from aicore_sync.controller.source.selection import VERSION_CONTROL, is_noise, matches, selected
from aicore_sync.core.errors import Problem
from aicore_sync.core.inventory import is_manifest

SETTINGS = ".metaflow/config.json"
# More than any real source: a link that folds a tree into itself stops here.
MAX_FILES = 200_000
_MAX_DEPTH = 64


class Known(NamedTuple):
    """What the last scan knows of a file: size, mtime and ctime in ns, inode, digest, computed twice or not."""

    size: int
    mtime: int
    ctime: int
    inode: int
    digest: str
    trusted: bool


@dataclass(frozen=True)
class Scan:
    """What is in the source. `files`: relative posix path to SHA-256 in hex.

    `problems` name every path that was refused or unreadable. What was known there is kept, so that nothing looks
    deleted; `hiding` are the problems behind which a flow may be, seen before or not. `complete` is False while there
    is one, or something moved during the walk. `known` is the stat cache for the next scan. `configured` are the
    directories with settings for Metaflow, which is hidden: no render reads them.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    hiding: tuple[Problem, ...] = ()
    complete: bool = True
    known: Mapping[str, Known] = field(default_factory=dict, repr=False, compare=False)
    configured: tuple[str, ...] = ()


def scan(
    root: Path, include: Iterable[str] = (), exclude: Iterable[str] = (), previous: Scan | None = None
) -> Scan:
    """Walk `root` and digest every file that counts; never raises for what is in the tree.

    Hidden files, caches, editor files and version control are left out. A link that leaves the root, or leads into
    version control, is a problem and is not followed.
    """
    walk = _Walk(os.path.realpath(root), tuple(include), tuple(exclude), previous or Scan())
    walk.directory("", (walk.root,))
    return Scan(
        {path: known.digest for path, known in sorted(walk.known.items())},
        tuple(sorted(walk.problems)),
        tuple(sorted(walk.hiding)),
        walk.complete,
        walk.known,
        tuple(walk.configured),
    )


def files_below(scan: Scan, directory: str) -> dict[str, str]:
    """The files of `scan` below `directory` ("" is the root), by path relative to it."""
    prefix = f"{directory}/" if directory not in ("", ".") else ""
    return {path[len(prefix) :]: found for path, found in scan.files.items() if path.startswith(prefix)}


def settings_above(scan: Scan, directory: str) -> list[str]:
    """Settings files that Metaflow at the desk would take for a flow in `directory`, and no render does."""
    found = [c for c in scan.configured if not c or directory == c or directory.startswith(f"{c}/")]
    return [f"{place}/{SETTINGS}" if place else SETTINGS for place in found]


def inside(path: str, root: str) -> bool:
    """True when the real path of `path` lies in `root` (a real path) and in no version control directory there."""
    real = os.path.realpath(path)
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        return False
    return VERSION_CONTROL.isdisjoint(real[len(root) :].split("/"))


class _Walk:
    """One walk: collects digests and problems."""

    def __init__(self, root: str, include: tuple[str, ...], exclude: tuple[str, ...], previous: Scan) -> None:
        self.root = root
        self.known: dict[str, Known] = {}
        self.problems: list[Problem] = []
        self.hiding: list[Problem] = []
        self.configured: list[str] = []
        self.complete = True
        self._full = False
        self._include, self._exclude, self._previous = include, exclude, previous

    def directory(self, path: str, parents: tuple[str, ...]) -> None:
        try:
            with os.scandir(Path(self.root, path)) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            self._unreadable(path, error)
            return
        with suppress(OSError):
            if ".metaflow" in names and Path(self.root, path, SETTINGS).is_file():
                self.configured.append(path)
        for name in names:
            if not is_noise(name):
                self._entry(f"{path}/{name}" if path else name, parents)

    def _entry(self, path: str, parents: tuple[str, ...]) -> None:
        full = Path(self.root, path)
        try:
            if not path.isprintable():
                self._refuse(path, "a name that is not printable text", "rename it", _may_hide(full))
            elif full.is_symlink() and not self._may_follow(path, full):
                return
            else:
                self._count(path, full, full.stat(), parents)
        except OSError as error:
            self._unreadable(path, error)

    def _may_follow(self, path: str, full: Path) -> bool:
        if self._excluded(path):
            return False
        if not inside(str(full), self.root):
            cure = "copy what it points to into the source, or exclude it"
            self._refuse(path, "a link that leaves the source", cure, _may_hide(full))
        elif not full.exists():
            self._refuse(path, "a link to nothing", "remove it, exclude it, or create what it points to")
        else:
            return True
        return False

    def _count(self, path: str, full: Path, info: os.stat_result, parents: tuple[str, ...]) -> None:
        if stat.S_ISDIR(info.st_mode):
            real = os.path.realpath(full)
            if real in parents:
                self._refuse(path, "a link to a directory that contains it", "remove the link or exclude it")
            elif len(parents) > _MAX_DEPTH:
                self._refuse(path, f"more than {_MAX_DEPTH} directories deep", "move it up or exclude it")
            elif not self._excluded(path):
                self.directory(path, (*parents, real))
        elif not selected(path, self._include, self._exclude):
            return
        elif not stat.S_ISREG(info.st_mode):
            self._refuse(path, "a device, pipe or socket", "remove it", _may_hide(full))
        elif len(self.known) >= MAX_FILES:
            self.complete = False
            if not self._full:
                self._full = True
                self._refuse(path, f"more than {MAX_FILES:,} files", "exclude directories that hold no flows")
        else:
            self.known[path] = self._digest(path, full, info)

    def _excluded(self, path: str) -> bool:
        return matches(path, self._exclude) or matches(f"{path}/", self._exclude)

    def _digest(self, path: str, full: Path, info: os.stat_result) -> Known:
        key = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
        before = self._previous.known.get(path)
        if before is not None and before[:4] == key and before.trusted:
            return before
        found = file_digest(str(full))
        return Known(*key, found, before is not None and before == (*key, found, before.trusted))

    def _unreadable(self, path: str, error: OSError) -> None:
        if path and isinstance(error, FileNotFoundError):  # moved away during the walk: scan again
            self.complete = False
            self._keep(path)
            return
        found = f"something that cannot be read ({error.strerror or error})"
        self._problem(path, found, "a readable file or directory", "check its path and rights")

    def _refuse(self, path: str, found: str, cure: str, hides: bool = True) -> None:
        self._problem(path, found, "a file inside the source directory", cure, hides)

    def _problem(self, path: str, found: str, expected: str, cure: str, hides: bool = True) -> None:
        """What cannot be looked into is not gone: not what was known there, and not what may be."""
        problem = Problem(_shown(path) or self.root, 0, "", found, expected, cure)
        self.problems.append(problem)
        if self._keep(path) or hides:
            self.hiding.append(problem)
            self.complete = False

    def _keep(self, path: str) -> bool:
        """Keep what was known at `path` and below; False when nothing was."""
        kept = {
            p: known
            for p, known in self._previous.known.items()
            if not path or p == path or p.startswith(f"{path}/")
        }
        self.known.update(kept)
        return bool(kept)


def _may_hide(full: Path) -> bool:
    """Whether a flow may be there: in what is a directory, or may have been one, or in a file with such a name."""
    return is_manifest(full.name) or full.suffix == ".py" or full.is_dir() or not full.exists()


def _shown(path: str) -> str:
    return path if path.isprintable() else repr(path)


def file_digest(path: str) -> str:
    """SHA-256 in hex of a regular file; OSError when it is none or cannot be read."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def opened(path: str) -> BufferedReader:
    """A regular file to read; OSError when it is none or cannot be read."""
    # O_NONBLOCK: a pipe put in the file's place must not hang whoever reads.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, "not a regular file", path)
    return file
