"""From what a child left behind to what we vouch for: every byte is read, bounded and hashed here.

The child runs users' code, so its result may be forged, its blobs may be links, its archives may be bombs.
Functions here block; the pool calls them in a thread.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aicore_sync.core.world import Upload
from aicore_sync.render.environments import sweep_old
from aicore_sync.render.form import no_dangling_package, template_of
from aicore_sync.render.model import Rendered, RenderFailed, RenderJob
from aicore_sync.render.plain import open_plain
from aicore_sync.render.repair import posix_cron, repaired
from aicore_sync.render.worker.capture import MOST_OPENED

_EXPANSION = 8  # times the output limit; Metaflow's own part shrinks to about a third
_UNPACKED = 256 << 20  # bytes of one blob, whatever the output limit
_PIECE = 1 << 20  # bytes; what is unpacked is never held as a whole
_KEYS = re.compile(r"(?P<flow>\w+)/data/(?P<start>[0-9a-f]{2})/(?P<key>(?P=start)[0-9a-f]{38})")
_INCLUDED = re.compile(r"data/(?P<flow>\w+)/(?P<key>[0-9a-f]{40})")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Frame(_Strict):
    """One place in the user's code; `line` 0 when unknown."""

    file: Annotated[str, Field(max_length=4096)]  # the longest path that Linux takes
    line: int
    function: str
    text: str


class Failure(_Strict):
    """Why the child says that there is no template."""

    headline: str
    message: str
    frames: list[Frame]
    refused: bool = False  # AI Core cannot do it


class Blob(_Strict):
    """A captured upload: `file` lies in the child's output directory; of a package it is the user's part."""

    kind: Literal["package", "include"]
    name: str
    url: Annotated[str, Field(max_length=4096)]
    file: Annotated[str, Field(pattern=r"^blob-\d{1,4}$")]


class Note(_Strict):
    """A step, and why it got its machine or which one it asks for."""

    step: str
    text: str


class Report(_Strict):
    """All that a child may say."""

    blobs: list[Blob] = []
    packed: list[str] = []
    failure: Failure | None = None
    document: dict[str, Any] | None = None
    flow: str = ""
    schedule: str | None = None
    timezone: str | None = None
    stubbed: list[str] = []
    warnings: list[str] = []
    notes: list[Note] = []
    asks: list[Note] = []
    opened: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=MOST_OPENED)] | None = (
        None
    )


def parse_report(data: bytes) -> Report | None:
    """None when the bytes are no result: the child died early, or somebody wrote over it."""
    try:
        return Report.model_validate_json(data)
    except (ValidationError, RecursionError):
        return None


@dataclass(frozen=True)
class Library:
    """The compressed part that all code packages begin with, and the digests' states after it.

    `sha1` is that of the unpacked tar, `sha256` that of the packed bytes.
    """

    packed: bytes
    sha1: Any
    sha256: Any

    @classmethod
    def of(cls, packed: bytes, limit: int) -> Library:
        sha1 = hashlib.sha1(usedforsecurity=False)
        for piece in _unpacked(packed, limit):
            sha1.update(piece)
        return cls(packed, sha1, hashlib.sha256(packed))


@dataclass(frozen=True)
class Shelf:
    """Our content-addressed store of captured blobs: `<root>/<sha256>`."""

    root: Path

    def put(self, data: bytes) -> tuple[str, Path]:
        """Keep `data`; the file is complete or absent, and its age starts anew."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.root / digest
        if path.exists():
            os.utime(path)
            return digest, path
        self.root.mkdir(parents=True, exist_ok=True)
        part = self.root / f"{digest}.{uuid.uuid4().hex}.part"
        part.write_bytes(data)
        part.replace(path)
        return digest, path

    def put_package(self, library: Library, tail: bytes) -> tuple[str, Path]:
        """Keep a code package, which is the library's part and the user's."""
        digest = library.sha256.copy()
        digest.update(tail)
        path = self.root / digest.hexdigest()
        if path.exists():
            os.utime(path)
            return path.name, path
        return self.put(library.packed + tail)

    def sweep(self, before: float) -> int:
        """Remove blobs last wanted before `before` (seconds since the epoch); how many went."""
        return sweep_old(self.root, before)


@dataclass(frozen=True)
class Checked:
    """A blob that holds what its address says."""

    upload: Upload
    kind: str
    names: tuple[tuple[str, str], ...]  # (name, sha256): the package's user files, or the included file


@dataclass(frozen=True)
class Verifier:
    """Checks one child's leavings in `output`; `limit` bounds each blob in bytes."""

    job: RenderJob
    output: Path
    library: Library
    shelf: Shelf
    limit: int

    def rendered(self, report: Report) -> Rendered:
        """Raises RenderFailed when anything is not what a render of this job may produce."""
        document = template_of(report.document, self.job.name)
        blobs = [self._checked(blob, report) for blob in report.blobs]
        kept = [b for b in blobs if not (self.job.embedded and b.kind == "package")]
        no_dangling_package(document, [b.upload.url for b in kept])
        plugin = self.job.dialect == "plugin"
        mended, warnings = repaired(document, self.job) if plugin else (document, tuple(report.warnings))
        cron, about_cron = posix_cron(report.schedule, report.timezone)
        return Rendered(
            document=mended,
            uploads=tuple(sorted((b.upload for b in kept), key=lambda u: u.url)),
            cron=cron,
            user_files=_names(blobs, "package"),
            included=_names(blobs, "include"),
            warnings=(*_stubbed(report.stubbed), *warnings, *about_cron),
            notes=tuple((n.step, n.text) for n in report.notes),
            unheard=tuple((n.step, n.text) for n in report.asks),
            opened=None if report.opened is None else tuple(sorted(set(report.opened))),
        )

    def _checked(self, blob: Blob, report: Report) -> Checked:
        data = _read(self.output / blob.file, self.limit)
        whole = hashlib.sha1(usedforsecurity=False) if blob.kind == "include" else self.library.sha1.copy()
        own = hashlib.sha256()
        for piece in _unpacked(data, self.limit):
            whole.update(piece)
            own.update(piece)
        if self._key(blob, report.flow) != whole.hexdigest():
            raise RenderFailed(f"the upload {blob.url} does not hold what its address says")
        if blob.kind == "include":
            names: tuple[tuple[str, str], ...] = ((blob.name, own.hexdigest()),)
            digest, path = self.shelf.put(data)
        else:
            names = _members(data, report.packed, self.job.script)
            digest, path = self.shelf.put_package(self.library, data)
        return Checked(Upload(url=blob.url, digest=digest, file=str(path)), blob.kind, names)

    def _key(self, blob: Blob, flow: str) -> str:
        """The content address at the end of the URL, which must lie below our datastore root and this flow."""
        root = self.job.datastore_root.rstrip("/") + "/"
        pattern = _KEYS if blob.kind == "package" else _INCLUDED
        found = pattern.fullmatch(blob.url.removeprefix(root)) if blob.url.startswith(root) else None
        if found is None or found["flow"] != flow:
            raise RenderFailed(f"the flow asks for an upload to {blob.url}, which is not below {root}")
        return found["key"]


def _stubbed(names: list[str]) -> tuple[str, ...]:
    if not names:
        return ()
    found = ", ".join(names)
    return (
        f"missing where flows are rendered, so stand-ins were imported: {found}; the image must have them",
    )


def _names(blobs: Iterable[Checked], kind: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({pair for b in blobs if b.kind == kind for pair in b.names}))


def _read(path: Path, limit: int) -> bytes:
    """A plain file of at most `limit` bytes."""
    try:
        with open_plain(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RenderFailed(f"the captured upload {path.name} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise RenderFailed(f"the captured upload {path.name} has more than {limit} bytes")
    return data


def _unpacked(data: bytes, limit: int) -> Iterator[bytes]:
    """All members of a gzip file, piece by piece; `limit` is the one of packed bytes."""
    left = most = min(limit * _EXPANSION, _UNPACKED)
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        try:
            while piece := file.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise RenderFailed(f"a captured upload unpacks to more than {most} bytes")
                yield piece
        except EOFError as error:
            raise RenderFailed("a captured upload is cut off") from error
        except (OSError, zlib.error) as error:
            raise RenderFailed(f"a captured upload is not a gzip file: {error}") from error


def _members(data: bytes, packed: Iterable[str], script: str) -> tuple[tuple[str, str], ...]:
    """(name, sha256) of the user's files in the package, which must hold the script that the steps start."""
    names, found = frozenset(packed), {}
    try:
        with (
            gzip.GzipFile(fileobj=io.BytesIO(data)) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            for member in tar:
                file = tar.extractfile(member) if member.name in names and _is_whole(member) else None
                if file:
                    found[member.name] = _digest(file)
    except tarfile.TarError as error:
        raise RenderFailed(f"the code package is not a tar file: {error}") from error
    if Path(script).name not in found:
        raise RenderFailed(
            f"the code package does not hold {script}, so no step could start; is its name hidden?"
        )
    return tuple(sorted(found.items()))


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _is_whole(member: tarfile.TarInfo) -> bool:
    """A file that is as large as it says: a sparse one can be of any size and take no place in the archive."""
    return member.isfile() and not member.issparse()
