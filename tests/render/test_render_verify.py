"""Forged leavings of a child: none is believed."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aicore_sync.render import RenderFailed, RenderJob
from aicore_sync.render.verify import Blob, Library, Report, Shelf, Verifier, parse_report

LIMIT = 1 << 16


def package(*names: str, large: int = 0) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = large
            tar.addfile(member, io.BytesIO(bytes(large)))
    return buffer.getvalue()


LIBRARY = b"the part that all packages share"


def address(plain: bytes, flow: str = "F") -> str:
    key = hashlib.sha1(LIBRARY + plain).hexdigest()
    return f"s3://bucket/root/{flow}/data/{key[:2]}/{key}"


def document(url: str = "", **spec: Any) -> dict[str, Any]:
    args = ["-c", f"echo 'Failed to download code package from {url} after 6 tries'"] if url else []
    templates = [{"name": "start", "container": {"args": args}}]
    return {
        "kind": "WorkflowTemplate",
        "metadata": {"name": "a-flow"},
        "spec": {"templates": templates, **spec},
    }


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    (tmp_path / "out").mkdir()
    job = RenderJob(tmp_path / "snap", "flow.py", "s3://bucket/root", "a-flow")
    return Verifier(
        job, tmp_path / "out", Library.of(gzip.compress(LIBRARY), LIMIT), Shelf(tmp_path / "blobs"), LIMIT
    )


def report(verifier: Verifier, plain: bytes, url: str, data: bytes | None = None) -> Report:
    (verifier.output / "blob-0").write_bytes(gzip.compress(plain) if data is None else data)
    blob = Blob(kind="package", name="F", url=url, file="blob-0")
    return Report(blobs=[blob], packed=["flow.py"], flow="F", document=document())


def test_a_true_report_is_believed(verifier: Verifier) -> None:
    plain = package("flow.py", "metaflow/__init__.py")
    good = report(verifier, plain, address(plain))
    rendered = verifier.rendered(good.model_copy(update={"document": document(address(plain))}))
    (upload,) = rendered.uploads
    kept = Path(upload.file).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == upload.digest
    assert gzip.decompress(kept) == LIBRARY + plain
    assert rendered.user_files == (("flow.py", hashlib.sha256(b"").hexdigest()),)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (address(b"other"), "does not hold what its address says"),
        ("s3://bucket/elsewhere/F/data/aa/aa" + "0" * 38, "not below s3://bucket/root/"),
        ("s3://bucket/root/../F/data/aa/aa" + "0" * 38, "not below s3://bucket/root/"),
        (address(package("flow.py"), "Other"), "not below"),
        ("https://example.test/F/data/aa/aa" + "0" * 38, "not below"),
    ],
)
def test_addresses_are_checked(verifier: Verifier, url: str, says: str) -> None:
    with pytest.raises(RenderFailed, match=says):
        verifier.rendered(report(verifier, package("flow.py"), url))


@pytest.mark.parametrize(
    ("plain", "data", "says"),
    [
        (package("other.py"), None, "does not hold flow.py"),
        (b"no tar at all", None, "not a tar file"),
        (b"", b"no gzip", "not a gzip file"),
        (b"", gzip.compress(b"abc" * 99, mtime=0)[:-9], "cut off"),
        (b"", gzip.compress(bytes(LIMIT * 9), mtime=0), "unpacks to more than"),
        (b"", os.urandom(LIMIT + 1), "has more than"),
    ],
)
def test_blobs_are_checked(verifier: Verifier, plain: bytes, data: bytes | None, says: str) -> None:
    with pytest.raises(RenderFailed, match=says):
        verifier.rendered(report(verifier, plain, address(plain), data))


def test_links_are_not_followed(verifier: Verifier, tmp_path: Path) -> None:
    plain = package("flow.py")
    made = report(verifier, plain, address(plain))
    secret = tmp_path / "secret"
    (verifier.output / "blob-0").rename(secret)
    (verifier.output / "blob-0").symlink_to(secret)
    with pytest.raises(RenderFailed, match="cannot be read"):
        verifier.rendered(made)
    (verifier.output / "blob-0").unlink()
    (verifier.output / "blob-0").hardlink_to(secret)
    with pytest.raises(RenderFailed, match="cannot be read: not a plain file"):
        verifier.rendered(made)
    (verifier.output / "blob-0").unlink()
    os.mkfifo(verifier.output / "blob-0")
    with pytest.raises(RenderFailed, match="cannot be read: not a plain file"):
        verifier.rendered(made)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        {**document(), "kind": "Secret"},
        {**document(), "metadata": {"name": "b-flow"}},
        document(templates=[]),
        document(templates=["x"]),
        document(templates=[{"name": "x", "container": {"env": {}}}]),
        document(templates=[{"name": "x", "container": {"args": [1]}}]),
        document(arguments={"parameters": [{"value": "no name"}]}),
        document(arguments={"parameters": [{"name": "p", "value": 5}]}),
        document(arguments={"parameters": [{"name": "p", "value": 0}]}),
        document(templates=[{"name": "x", "container": {"env": [{"name": ["x"]}]}}]),
        document(templates=[{"name": "x", "container": {"envFrom": [{"secretRef": {"name": ["x"]}}]}}]),
        document(templates=[{"name": "x", "metadata": {"labels": ["x"]}}]),
        {**document(), "metadata": {"name": "a-flow", "annotations": "x"}},
    ],
)
@pytest.mark.parametrize("dialect", ["native", "plugin"])
def test_other_documents_are_refused(verifier: Verifier, bad: dict[str, Any] | None, dialect: Any) -> None:
    verifier = replace(verifier, job=replace(verifier.job, dialect=dialect))
    with pytest.raises(RenderFailed, match="did not produce a WorkflowTemplate called a-flow"):
        verifier.rendered(Report(document=bad))


def test_a_package_that_nobody_uploads_is_refused(verifier: Verifier) -> None:
    plain = package("flow.py")
    url = address(plain)
    with pytest.raises(RenderFailed, match="which the render did not upload"):
        verifier.rendered(Report(document=document(url)))
    embedded = replace(verifier, job=replace(verifier.job, embedded=True))
    assert embedded.rendered(report(embedded, plain, url)).uploads == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b'{"blobs": [], "surprise": 1}',
        b'{"flow": 1}',
        b'{"blobs": [{"kind": "package", "name": "x", "url": "u", "file": "../../etc/passwd"}]}',
        b'{"document": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    ],
)
def test_nonsense_is_no_report(data: bytes) -> None:
    assert parse_report(data) is None


def test_old_blobs_are_swept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "blobs")
    assert shelf.sweep(before=1e12) == 0
    _, old = shelf.put(b"old")
    _, new = shelf.put(b"new")
    os.utime(old, (1000, 1000))
    assert shelf.sweep(before=2000) == 1
    assert (old.exists(), new.exists()) == (False, True)
    os.utime(new, (1000, 1000))
    shelf.put(b"new")  # wanted again: its age starts anew
    assert shelf.sweep(before=2000) == 0


def test_a_large_upload_is_never_held_unpacked(verifier: Verifier) -> None:
    """A small blob may unpack to hundreds of megabytes, several at a time."""
    wide = replace(verifier, limit=5 << 20)
    size = 32 << 20
    plain = package("flow.py", large=size)
    made = report(wide, plain, address(plain), gzip.compress(plain, 1))
    key = hashlib.sha1(plain).hexdigest()
    (wide.output / "blob-1").write_bytes((wide.output / "blob-0").read_bytes())
    included = Blob(kind="include", name="data", url=f"s3://bucket/root/data/F/{key}", file="blob-1")
    made = made.model_copy(update={"blobs": [*made.blobs, included]})
    digest = hashlib.sha256(plain).hexdigest()
    del plain
    tracemalloc.start()
    try:
        rendered = wide.rendered(made)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rendered.user_files == (("flow.py", hashlib.sha256(bytes(size)).hexdigest()),)
    assert rendered.included == (("data", digest),)
    assert peak < size // 2


def test_a_sparse_file_has_no_content_to_vouch_for(verifier: Verifier) -> None:
    """Its header can claim any size."""
    member = tarfile.TarInfo("flow.py")
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,0",
        "GNU.sparse.size": str(1 << 50),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member)
    plain = buffer.getvalue()
    with pytest.raises(RenderFailed, match="does not hold"):
        verifier.rendered(report(verifier, plain, address(plain)))
