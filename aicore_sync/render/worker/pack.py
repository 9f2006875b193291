"""The code package: same input, same bytes, and the part that no flow can change packed only once.

Two gzip members in a row are one valid gzip file: first the library's, then the flow's. A child hands over the
second only. The key is the sha1 of the uncompressed tar, so that another zlib gives the same template.
"""

# Paths stay strings here, as Metaflow takes and gives them.
# ruff: noqa: PTH114, PTH118, PTH120, PTH123

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import json
import os
import sys
import tarfile
from dataclasses import dataclass
from typing import Any

PACKAGED_AT = 1575360000  # Metaflow's own fixed time of packages: 2019-12-03
PYTHON = "{}.{}".format(*sys.version_info)
END_OF_TAR = b"\0" * 10240


@dataclass(frozen=True)
class Library:
    """The state of sha1 after the library's part."""

    sha1: Any

    @classmethod
    def read(cls, path: str) -> Library:
        return cls(hashlib.sha1(gzip.decompress(read(path))))  # noqa: S324

    def key(self, tail: bytes) -> str:
        digest = self.sha1.copy()
        digest.update(tail)
        return str(digest.hexdigest())


@dataclass(frozen=True)
class Package:
    """The user's part, compressed; the key of the whole; and the names of the user's files."""

    tail: bytes
    key: str
    names: list[str]


def make(package: Any, directory: str, library: Library) -> Package:
    """Of a `MetaflowPackage` for the flow in `directory`: INFO and the user's files."""
    files = [
        (name, read(path))
        for name, path in user_paths(directory, package.suffixes) + added_by_decorators(package)
    ]
    tail = entries([("INFO", information(package))]) + entries(files) + END_OF_TAR
    return Package(squeeze(tail, 6), library.key(tail), sorted({name for name, _ in files}))


def entries(files: list[tuple[str, bytes]]) -> bytes:
    """Tar members without the end mark: sorted, and nothing in the headers but name and size."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(data), PACKAGED_AT, 0o644
            tar.addfile(member, io.BytesIO(data))
        end = tar.offset
    return buffer.getvalue()[:end]


def squeeze(data: bytes, level: int) -> bytes:
    return gzip.compress(data, compresslevel=level, mtime=0)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def library() -> bytes:
    """Metaflow and its extensions, compressed: the part of every package that no flow can change."""
    package: Any = importlib.import_module("metaflow.package")
    extensions = importlib.import_module("metaflow.extension_support")
    walker = object.__new__(package.MetaflowPackage)
    root = os.path.dirname(package.__file__)
    paths = list(walker._walk(root, exclude_hidden=False, suffixes=package.METAFLOW_SUFFIXES_LIST))
    paths += extensions.package_mfext_all()
    return squeeze(entries([(name, read(path)) for path, name in paths]), 9)


def user_paths(directory: str, suffixes: list[str]) -> list[tuple[str, str]]:
    """(name, path) of what Metaflow packages of the user: by suffix, nothing hidden, links followed once.

    "Hidden" looks at the part below the flow's directory only; Metaflow looks at the whole absolute path,
    and packages nothing when the checkout lives below a directory such as `.cache`.
    """
    found, seen = [], {os.path.realpath(directory)}
    for parent, directories, files in os.walk(directory, followlinks=True):
        directories[:] = sorted(d for d in directories if not d.startswith(".") and fresh(parent, d, seen))
        names = [f for f in files if not f.startswith(".") and f.endswith(tuple(suffixes))]
        found += [os.path.join(parent, f) for f in names]
    return sorted((os.path.relpath(path, directory), path) for path in found)


def fresh(parent: str, name: str, seen: set[str]) -> bool:
    """False for a linked directory that was walked already: links may form loops."""
    path = os.path.join(parent, name)
    real = os.path.realpath(path)
    known = real in seen
    seen.add(real)
    return not (known and os.path.islink(path))


def information(package: Any) -> bytes:
    """The package's INFO: what the runtime needs, without user, tokens and the build of this Python."""
    facts = package.environment.get_environment_info(include_ext_info=True)
    facts.update(username="aicore-sync", production_token=None, app=None, runtime="dev")
    facts.update(platform="Linux", python_version=PYTHON, python_version_code=PYTHON)
    for extension in facts["ext_info"][0].values():
        extension["files"] = sorted(extension["files"])
    return json.dumps(facts, sort_keys=True).encode()


def added_by_decorators(package: Any) -> list[tuple[str, str]]:
    added = [pair for step in package._flow for deco in step.decorators for pair in deco.add_to_package()]
    added += package.environment.add_to_package()
    return [(name, path) for path, name in dict.fromkeys(added)]
