"""Over real sockets: cut connections, mTLS with a private authority, proxies."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from wires import KEY

from aicore_sync.aicore import AICore, ClientOptions, Network, ServiceKey
from aicore_sync.aicore.network import _direct, open_http
from aicore_sync.core.errors import Stalled, Transient

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads one request per connection and lets `answer` do the rest; gives the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
            await reader.readexactly(int(length[0].split(":")[1]) if length else 0)
            await answer(head.splitlines()[0], writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with running:
        yield running.sockets[0].getsockname()[1]


async def say(writer: asyncio.StreamWriter, body: object) -> None:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()


def client(key: ServiceKey, **options: object) -> AICore:
    return AICore(
        ClientOptions(attempt=5, deadline=0, **options),  # type: ignore[arg-type]
        lambda: key,
        clock=time.monotonic,
        rng=random.Random(1),
    )


async def token_then_cut(first_line: str, writer: asyncio.StreamWriter) -> None:
    if "/oauth/token" in first_line:
        await say(writer, {"access_token": "t", "expires_in": 3600})


async def test_a_connection_cut_after_sending_is_ambiguous_and_a_closed_port_is_not() -> None:
    async with server(token_then_cut) as port:
        base = f"http://127.0.0.1:{port}"
        key = replace(KEY, api_url=f"{base}/v2", token_url=f"{base}/oauth/token")
        async with client(key) as api:
            with pytest.raises(Transient) as cut:
                await api.group("dev").executions.create("c1")
        nobody = replace(key, api_url="http://127.0.0.1:9/v2")
        async with client(nobody) as api:
            with pytest.raises(Transient) as closed:
                await api.group("dev").executions.create("c1")
    assert (cut.value.ambiguous, closed.value.ambiguous) == (True, False)
    assert "http://127.0.0.1:9/v2" in closed.value.message


Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(name: str, signer: Pair | None) -> Pair:
    """A certificate and its key; without a signer an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(signer[1] if signer else key, hashes.SHA256()), key


def pem(item: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(item, x509.Certificate):
        return item.public_bytes(serialization.Encoding.PEM).decode()
    return item.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


async def test_x509_keys_present_their_certificate_to_a_server_of_a_private_authority(tmp_path: Path) -> None:
    authority = issue("authority", None)
    mine, server_side = issue("client", authority), issue("server", authority)
    bundle, served = tmp_path / "ca.pem", tmp_path / "server.pem"
    bundle.write_text(pem(authority[0]))
    served.write_text(pem(server_side[0]) + pem(server_side[1]))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(bundle))
    tls.load_cert_chain(served)
    tls.verify_mode = ssl.CERT_REQUIRED
    asked: list[str] = []

    async def answer(first_line: str, writer: asyncio.StreamWriter) -> None:
        peer = dict(pair[0] for pair in writer.get_extra_info("peercert")["subject"])
        asked.append(f"{peer['commonName']}: {first_line}")
        await say(writer, {"access_token": "t", "expires_in": 3600})

    async def api_answer(_: str, writer: asyncio.StreamWriter) -> None:
        await say(writer, {"runtimeIdentifier": "aicore"})

    async with server(answer, tls) as port, server(api_answer) as api_port:
        key = ServiceKey(
            client_id="c",
            api_url=f"http://127.0.0.1:{api_port}/v2",
            token_url=f"https://127.0.0.1:{port}/oauth/token",
            certificate=pem(mine[0]),
            private_key=pem(mine[1]),
        )
        async with client(key, network=Network(ca_bundle=str(bundle))) as api:
            assert (await api.meta()).runtime == "aicore"
        async with client(key) as api:
            with pytest.raises(Transient, match="CERTIFICATE_VERIFY_FAILED"):
                await api.meta()
        mixed = replace(key, private_key=pem(issue("other", None)[1]))
        async with client(mixed, network=Network(ca_bundle=str(bundle))) as api:
            with pytest.raises(Stalled, match="no matching PEM pair"):
                await api.meta()
    assert asked == ["client: POST /oauth/token HTTP/1.1"]


async def test_the_proxy_is_used_except_for_hosts_that_are_named(tmp_path: Path) -> None:
    async def direct(first_line: str, writer: asyncio.StreamWriter) -> None:
        body = (
            {"access_token": "t", "expires_in": 60}
            if "token" in first_line
            else {"runtimeIdentifier": "direct"}
        )
        await say(writer, body)

    async def proxied(first_line: str, writer: asyncio.StreamWriter) -> None:
        assert first_line.startswith(("POST http://api.invalid/", "GET http://api.invalid/"))
        body = (
            {"access_token": "t", "expires_in": 60}
            if "token" in first_line
            else {"runtimeIdentifier": "proxied"}
        )
        await say(writer, body)

    async with server(direct) as port, server(proxied) as proxy:
        network = Network(proxy=f"http://127.0.0.1:{proxy}", no_proxy=("127.0.0.1", ".corp.test"))
        for host, by in ((f"127.0.0.1:{port}", "direct"), ("api.invalid", "proxied")):
            key = replace(KEY, api_url=f"http://{host}/v2", token_url=f"http://{host}/oauth/token")
            async with client(key, network=network) as api:
                assert (await api.meta()).runtime == by
    assert list(_direct(network)) == ["all://127.0.0.1", "all://*corp.test"]


async def test_a_missing_ca_bundle_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(Stalled, match=r"network\.caBundle: .*none\.pem"):
        async with client(KEY, network=Network(ca_bundle=str(tmp_path / "none.pem"))):
            pass


async def test_a_proxy_that_is_no_url_is_refused_without_its_password() -> None:
    with pytest.raises(Stalled, match=r"network\.proxy") as caught:
        async with client(KEY, network=Network(proxy="user:hunter2@proxy:8080")):
            pass
    assert "hunter2" not in caught.value.message + repr(Network(proxy="http://u:hunter2@p:1"))


async def test_each_request_looks_for_a_missing_module_without_a_search() -> None:
    async with await open_http(Network(), 5.0):
        assert "sniffio" in sys.modules
