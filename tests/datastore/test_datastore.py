from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from urllib.request import Request, urlopen

import pytest
from obstore.store import S3Store

from aicore_sync.core.errors import InvalidInput, Stalled, Transient
from aicore_sync.core.world import Upload
from aicore_sync.datastore import DataStore, DataStoreOptions, StoreKeys

ROOT = "s3://flows/team"


def keys() -> StoreKeys:
    return StoreKeys("id", "secret-value")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """moto's S3 server with the bucket `flows`; gives its endpoint."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        assert any("Running on" in line for line in process.stdout), "moto did not start"
        threading.Thread(target=process.stdout.read, daemon=True).start()
        endpoint = f"http://127.0.0.1:{port}"
        urlopen(Request(f"{endpoint}/flows", method="PUT"), timeout=10).close()
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


def upload(folder: Path, url: str, content: bytes = b"package") -> Upload:
    file = folder / hashlib.sha1(url.encode()).hexdigest()
    file.write_bytes(content)
    return Upload(url, hashlib.sha256(content).hexdigest(), str(file))


def store(endpoint: str, root: str = ROOT, timeout: float = 5.0) -> DataStore:
    return DataStore(DataStoreOptions(root, endpoint=endpoint, timeout=timeout), keys)


async def test_uploads_once_to_the_very_url_and_never_overwrites(s3: str, tmp_path: Path) -> None:
    url = f"{ROOT}/Churn/data/ab/abc"
    assert await store(s3).ensure(upload(tmp_path, url)) is True
    assert await store(s3).ensure(upload(tmp_path, url, b"other")) is False
    there = S3Store(
        "flows", endpoint=s3, access_key_id="a", secret_access_key="b", client_options={"allow_http": True}
    )
    assert bytes((await there.get_async("team/Churn/data/ab/abc")).bytes()) == b"package"


@pytest.mark.parametrize("size", [0, 100, 17 * 2**20])
async def test_a_file_is_kept_once_whatever_its_size(s3: str, tmp_path: Path, size: int) -> None:
    name, file = f"logs/team/{size}.log", tmp_path / "log"
    file.write_bytes(b"x" * size)
    there = store(s3)
    assert not await there.holds(name)
    assert await there.keep(name, file)
    assert await there.holds(name)
    file.write_bytes(b"other")
    assert not await there.keep(name, file)
    plain = S3Store(
        "flows", endpoint=s3, access_key_id="a", secret_access_key="b", client_options={"allow_http": True}
    )
    assert bytes((await plain.get_async(f"team/{name}")).bytes()) == b"x" * size
    with pytest.raises(Stalled, match="no such bucket: s3://missing/team/logs/x"):
        await store(s3, "s3://missing/team").keep("logs/x", file)


@pytest.mark.parametrize(
    "url",
    [
        "s3://other/team/x",
        "s3://flows/teammate/x",
        "s3://flows/team/../secrets/x",
        "s3://flows/team//x",
        "s3://flows/team",
        "file:///flows/team/x",
    ],
)
async def test_nothing_is_written_outside_the_root(s3: str, tmp_path: Path, url: str) -> None:
    with pytest.raises(Stalled, match="outside the datastore root"):
        await store(s3).ensure(upload(tmp_path, url))


async def test_a_captured_file_that_changed_or_went_is_not_uploaded(s3: str, tmp_path: Path) -> None:
    blob = upload(tmp_path, f"{ROOT}/changed")
    Path(blob.file).write_bytes(b"tampered")
    with pytest.raises(Transient, match="has changed"):
        await store(s3).ensure(blob)
    Path(blob.file).unlink()
    with pytest.raises(Transient, match="cannot be read"):
        await store(s3).ensure(blob)


async def test_check_and_the_bucket_that_is_not_there(s3: str, tmp_path: Path) -> None:
    await store(s3).check()
    with pytest.raises(Stalled, match="NoSuchBucket: The specified bucket does not exist"):
        await store(s3, "s3://missing/team").check()
    with pytest.raises(Stalled, match="no such bucket"):
        await store(s3, "s3://missing/team").ensure(upload(tmp_path, "s3://missing/team/x"))


async def test_nobody_there_is_transient(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"datastore\.endpoint") as caught:
        await store("http://127.0.0.1:9", timeout=2).check()
    assert "secret-value" not in caught.value.message


async def test_a_directory_works_without_any_server(tmp_path: Path) -> None:
    root = f"file://{tmp_path}/with%20space"
    local = DataStore(DataStoreOptions(root), lambda: None)
    blob = upload(tmp_path, f"{root}/data/1")
    await local.check()
    assert [await local.ensure(blob), await local.ensure(blob)] == [True, False]
    assert (tmp_path / "with space" / "data" / "1").read_bytes() == b"package"


@pytest.mark.parametrize("root", ["flows/team", "https://flows/team", "s3:///team", "s3://flows/team?x=1"])
def test_a_root_that_is_no_place_is_refused(root: str) -> None:
    with pytest.raises(InvalidInput, match=r"datastore\.root"):
        DataStore(DataStoreOptions(root), keys)


async def test_a_missing_ca_bundle_names_its_setting(tmp_path: Path) -> None:
    options = DataStoreOptions(ROOT, endpoint="https://127.0.0.1:9", ca_bundle=str(tmp_path / "none.pem"))
    with pytest.raises(Stalled, match=r"network\.caBundle"):
        await DataStore(options, keys).check()


class Stubborn(BaseHTTPRequestHandler):
    """An S3 store of another make: no conditional writes, no look at missing keys, or no access at all."""

    conditional = 501
    plain = 200
    look = 403
    written: list[str]

    def do_HEAD(self) -> None:
        self._say(self.look)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = self.conditional if self.headers.get("If-None-Match") else self.plain
        if status == 200:
            self.written.append(self.path)
        self._say(status)

    def _say(self, status: int) -> None:
        code = {403: "AccessDenied", 501: "NotImplemented"}.get(status, "")
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode() if status != 200 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def stubborn() -> Iterator[tuple[str, type[Stubborn]]]:
    class Handler(Stubborn):
        written: list[str] = []  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Handler
        server.shutdown()
        thread.join()


async def test_a_store_without_conditional_writes_is_written_plainly(
    stubborn: tuple[str, type[Stubborn]], tmp_path: Path
) -> None:
    endpoint, handler = stubborn
    assert await store(endpoint).ensure(upload(tmp_path, f"{ROOT}/x")) is True
    assert handler.written == ["/flows/team/x"]


async def test_a_blob_that_appears_while_we_look_is_left_alone(
    stubborn: tuple[str, type[Stubborn]], tmp_path: Path
) -> None:
    endpoint, handler = stubborn
    handler.look, handler.conditional = 404, 412
    assert await store(endpoint).ensure(upload(tmp_path, f"{ROOT}/x")) is False
    assert handler.written == []


async def test_denied_access_stalls_with_its_cure(
    stubborn: tuple[str, type[Stubborn]], tmp_path: Path
) -> None:
    endpoint, handler = stubborn
    handler.conditional = handler.plain = 403
    with pytest.raises(Stalled, match=r"access denied.*AccessDenied: no.*datastore\.credentials") as caught:
        await store(endpoint).ensure(upload(tmp_path, f"{ROOT}/x"))
    assert caught.value.reason == "AccessDenied"
    with pytest.raises(Stalled, match="access denied"):
        await store(endpoint).check()
