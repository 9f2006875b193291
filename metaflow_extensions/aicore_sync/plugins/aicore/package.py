"""The code package: the same bytes for the same files, whoever packs them, wherever they lie.

Two gzip members in a row, which every reader takes for one file: the library part (Metaflow and its
extensions, the same for all flows of an environment) and the flow's part. What goes in, and under which name,
is Metaflow's decision, release by release; order, owners, modes and times are ours.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaflow import package as metaflow_package
from metaflow.extension_support import package_mfext_all

_PACKAGED_AT = 1575360000  # Metaflow's own fixed time of packages: 2019-12-03
_END_OF_TAR = b"\0" * 10240
_PYTHON = "{}.{}".format(*sys.version_info)
_LIBRARY_SUFFIXES = [".py", ".html", ".css", ".js"]

Files = list[tuple[str, "bytes | str"]]  # (name in the package, content or path)


@dataclass(frozen=True)
class Packed:
    """`key` is the sha1 of the uncompressed tar, so that another zlib makes no other template.

    `metadata` is what this Metaflow wants to be told about the package's form, "" for releases without.
    """

    key: str
    data: bytes = field(repr=False)
    user_files: tuple[tuple[str, str], ...]
    metadata: str


@dataclass(frozen=True)
class Head:
    """The library part: `sha1` is the digest's state after its unpacked bytes."""

    data: bytes = field(repr=False)
    sha1: Any

    def key(self, tail: bytes) -> str:
        """Metaflow's content address of a package that goes on with `tail`."""
        digest = self.sha1.copy()
        digest.update(tail)
        return str(digest.hexdigest())


@functools.lru_cache(maxsize=1)
def head(library_file: str = "") -> Head:
    """Of an earlier `library()` in a file, or made now. A program that forks asks for it before it does."""
    data = Path(library_file).read_bytes() if library_file else library()
    return Head(data, hashlib.sha1(gzip.decompress(data)))  # noqa: S324


def pack(flow: Any, environment: Any, suffixes: tuple[str, ...], library_file: str = "") -> Packed:
    """Pack the flow in the directory of the running script. `library_file` holds an earlier `library()`, or ""."""
    contents = _contents(flow, environment, list(suffixes))
    known = {name for name, _ in library_files()}
    rest: Files = [(n, c) for n, c in contents.files if n not in known]
    tail = _entries(rest) + _END_OF_TAR
    library_part = head(library_file)
    key = library_part.key(tail)
    user = sorted({n: hashlib.sha256(_read(c)).hexdigest() for n, c in rest if n in contents.user}.items())
    return Packed(key, library_part.data + gzip.compress(tail, 6, mtime=0), tuple(user), contents.metadata)


def library() -> bytes:
    """Metaflow and its extensions, packed: the part that no flow can change."""
    return gzip.compress(_entries(library_files()), 6, mtime=0)


def _entries(files: Files) -> bytes:
    """Tar members without the end mark: sorted, and nothing in the headers but name and size."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(dict(files).items()):
            data = _read(content)
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(data), _PACKAGED_AT, 0o644
            tar.addfile(member, io.BytesIO(data))
        end = tar.offset
    return buffer.getvalue()[:end]


def _read(content: bytes | str) -> bytes:
    return Path(content).read_bytes() if isinstance(content, str) else content


# --- what Metaflow wants in it ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Contents:
    files: Files
    user: frozenset[str]
    metadata: str = ""


def _contents(flow: Any, environment: Any, suffixes: list[str]) -> _Contents:
    with _without_kubernetes(flow), _plain_information(environment):
        if hasattr(metaflow_package, "MetaflowCodeContentV1"):
            return _of_today(flow, environment, suffixes)
        return _of_before(flow, environment, suffixes)


def _of_today(flow: Any, environment: Any, suffixes: list[str]) -> _Contents:
    """Since Metaflow packs through a backend: ours collects."""
    collected: Files = []
    with _without_library():
        package = metaflow_package.MetaflowPackage(
            flow, environment, _silent, suffixes=suffixes, backend=_backend(collected)
        )
        _ = package.blob  # packing goes on in a thread; this waits, and raises what went wrong there
    user = frozenset(name for _, name in package.user_tuples())
    user |= {name for name, content in collected if name.endswith("/CONFIG") and content != b"{}"}
    return _Contents(collected, user, package.package_metadata)


@contextlib.contextmanager
def _without_library() -> Iterator[None]:
    """Metaflow walks its own files for every package; they are in our library part already."""
    content = metaflow_package.MetaflowCodeContentV1
    walks = {n: content.__dict__[n] for n in ("_metaflow_distribution_files", "_metaflow_extension_files")}
    for name in walks:
        setattr(content, name, lambda self: iter(()))
    try:
        yield
    finally:
        for name, walk in walks.items():
            setattr(content, name, walk)


def _backend(collected: Files) -> Any:
    class Collector:
        """Keeps paths and contents instead of writing them; the form that it names is the one that we write.

        Not a subclass of Metaflow's: those register themselves as readers of their form.
        """

        @classmethod
        def backend_type(cls) -> str:
            return "tgz"

        def create(self) -> Any:
            return contextlib.nullcontext(self)

        def add_file(self, filename: str, arcname: str | None = None) -> None:
            collected.append((arcname or filename, str(filename)))

        def add_data(self, data: io.BytesIO, arcname: str) -> None:
            collected.append((arcname, data.getvalue()))

        def get_blob(self) -> bytes:
            return b"collected"

    return Collector


def _of_before(flow: Any, environment: Any, suffixes: list[str]) -> _Contents:
    class Collector(metaflow_package.MetaflowPackage):
        """Lists what it would pack."""

        def _make(self) -> bytes:
            return b""

        def _walk(self, root: str, exclude_hidden: bool = True, suffixes: Any = None) -> Iterator[Any]:
            if not exclude_hidden:
                walked: Iterator[Any] = super()._walk(root, exclude_hidden, suffixes)
                return walked
            return iter(_visible(root, suffixes or []))

    package = Collector(flow, environment, _silent, suffixes=suffixes)
    files: Files = [(name, str(path)) for path, name in package.path_tuples()]
    library_names = {name for name, _ in library_files()}
    info = json.dumps(environment.get_environment_info(include_ext_info=True), sort_keys=True)
    user = frozenset(name for name, _ in files if name not in library_names)
    return _Contents([("INFO", info.encode()), *files], user)


def _visible(root: str, suffixes: list[str]) -> list[tuple[str, str]]:
    """(path, name) below `root`, by suffix, nothing hidden. Metaflow of before looked at the whole path for
    hidden parts, and packed nothing when the checkout lay below a directory such as `.cache`."""
    root = root.rstrip("/")
    found = []
    for parent, files in metaflow_package.walk_without_cycles(root):
        inside = os.path.relpath(parent, root)
        if any(part.startswith(".") for part in Path(inside).parts):
            continue
        names = [f for f in files if not f.startswith(".") and f.endswith(tuple(suffixes))]
        found += [(str(Path(parent) / f), os.path.normpath(f"{inside}/{f}")) for f in names]
    return found


@functools.lru_cache(maxsize=1)
def library_files() -> Files:
    """What the library part holds. A program that forks asks for it before it does: it takes a walk."""
    if hasattr(metaflow_package, "MetaflowCodeContentV1"):
        content = metaflow_package.MetaflowCodeContentV1(criteria=lambda module: False)
        return [(name, str(path)) for path, name in content._cached_metaflow_files]
    walker = object.__new__(metaflow_package.MetaflowPackage)
    root = str(Path(metaflow_package.__file__).parent)
    found = walker._walk(root, exclude_hidden=False, suffixes=_LIBRARY_SUFFIXES)
    return [(name, str(path)) for path, name in [*found, *package_mfext_all()]]


def _silent(*_: Any, **__: Any) -> None:
    """Instead of Metaflow's progress lines."""


@contextlib.contextmanager
def _without_kubernetes(flow: Any) -> Iterator[None]:
    """@kubernetes is read by us and never acts, so its client library need not be there."""
    decorators = [d for step in flow for d in step.decorators if d.name == "kubernetes"]
    for decorator in decorators:
        decorator.package_init = _silent
    try:
        yield
    finally:
        for decorator in decorators:
            del decorator.package_init


@contextlib.contextmanager
def _plain_information(environment: Any) -> Iterator[None]:
    """The package's INFO with what the runtime needs, without user, tokens, commits and the build of Python."""
    ask = environment.get_environment_info
    kept = ("environment_type", "use_r", "metaflow_version", "script", "ext_info")

    def information(include_ext_info: bool = False) -> dict[str, Any]:
        facts = {k: v for k, v in ask(include_ext_info=include_ext_info).items() if k in kept}
        for extension in facts.get("ext_info", [{}])[0].values():
            extension["files"] = sorted(extension.get("files", []))
        fixed = {"platform": "Linux", "username": "aicore-sync", "runtime": "dev"}
        return dict(
            sorted({**facts, **fixed, "python_version": _PYTHON, "python_version_code": _PYTHON}.items())
        )

    environment.get_environment_info = information
    try:
        yield
    finally:
        del environment.get_environment_info
