"""How requests leave the process: proxy, trusted certificates, client certificate."""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import httpx

from aicore_sync.core.errors import Stalled


@dataclass(frozen=True)
class Network:
    """`ca_bundle` is a PEM file trusted beside the public authorities; `no_proxy` are hosts, or domains with all below.

    Without `proxy` the usual environment variables (`HTTPS_PROXY`, `NO_PROXY`, …) hold.
    """

    proxy: str = field(default="", repr=False)  # may hold a password
    no_proxy: tuple[str, ...] = ()
    ca_bundle: str = ""


@dataclass(frozen=True)
class ClientCertificate:
    """Certificate chain and private key, both PEM."""

    chain: str
    private_key: str


async def open_http(
    network: Network,
    timeout: httpx.Timeout | float,
    *,
    certificate: ClientCertificate | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that follows no redirects. `transport` replaces the network.

    Raises Stalled when the proxy, the CA bundle or the client certificate cannot be used.
    """
    if network.proxy and not network.proxy.startswith(("http://", "https://")):
        raise Stalled("network.proxy is no URL; expected http://host:port", reason="InvalidProxy")
    _look_for_sniffio_once()
    if transport is not None:
        return httpx.AsyncClient(timeout=timeout, transport=transport, trust_env=False)
    context = await asyncio.to_thread(_context, network.ca_bundle, certificate)
    return httpx.AsyncClient(
        verify=context,
        timeout=timeout,
        proxy=network.proxy or None,
        mounts=_direct(network) if network.proxy else None,
        trust_env=not network.proxy,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=10),
    )


def _look_for_sniffio_once() -> None:
    """httpcore imports it several times for each request, and where it is not installed each try searches all of the
    path: a millisecond of CPU for each request.
    """
    if find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's way to say that there is none


def _context(ca_bundle: str, certificate: ClientCertificate | None) -> ssl.SSLContext:
    try:
        pem = Path(ca_bundle).read_text() if ca_bundle else ""
        context = _trusting.__wrapped__(pem) if certificate else _trusting(pem)
    except (OSError, ValueError) as error:  # ssl.SSLError is the first, text that is none the second
        message = f"network.caBundle: {ca_bundle} cannot be used ({error}); it must be a readable PEM file"
        raise Stalled(message, reason="InvalidCaBundle") from None
    if certificate:
        _load_certificate(context, certificate)
    return context


@lru_cache(maxsize=4)
def _trusting(pem: str) -> ssl.SSLContext:
    """The public authorities take most of a megabyte: tenants without a certificate of their own share them."""
    context = httpx.create_ssl_context()
    if pem:
        context.load_verify_locations(cadata=pem)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """The ssl module reads files only: a private one that is gone when the context has it."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # mode 0600
        file.write(f"{certificate.chain.strip()}\n{certificate.private_key.strip()}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, OSError):
            message = "the service key's certificate and key are no matching PEM pair; create a new X.509 service key"
            raise Stalled(message, reason="InvalidServiceKey") from None


def _direct(network: Network) -> Mapping[str, httpx.AsyncBaseTransport | None]:
    """Hosts that are reached without the proxy, as httpx URL patterns; `*name` includes subdomains."""
    hosts = [host.strip().removeprefix("*").lstrip(".") for host in network.no_proxy]
    return {_pattern(host): None for host in hosts if host}


def _pattern(host: str) -> str:
    is_address = ":" in host or host.replace(".", "").isdigit() or host == "localhost"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"all://{host}" if is_address else f"all://*{host}"
