"""Tokens: one cached token for all requests, one refresh at a time, one new try after a 401."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass, field

import httpx
import structlog

from aicore_sync.aicore.errors import Words, read_words, retry_after
from aicore_sync.aicore.keys import ServiceKey
from aicore_sync.aicore.network import ClientCertificate, Network, open_http
from aicore_sync.core.errors import Stalled, SyncError, Transient

_LONGEST_MARGIN = 300.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Grant:
    """A token as granted: `lifetime` in seconds from the moment of the answer."""

    token: str = field(repr=False)
    lifetime: float


@dataclass(frozen=True)
class _Token:
    grant: Grant
    key: ServiceKey
    good_until: float


Fetch = Callable[[ServiceKey], Awaitable[Grant]]


class TokenAuth(httpx.Auth):
    """Puts a bearer token on every request.

    The token is used until its lifetime minus a margin (5 min, or a tenth of a short lifetime) and only for the
    service key it was granted for, so a rotated key takes effect at once. Requests that need a new token at the
    same time share one call. After a 401 the token is dropped and the request sent once more: the gateway checks
    tokens before anything else, so a refused write was not applied.
    """

    def __init__(self, key: Callable[[], ServiceKey], fetch: Fetch, clock: Callable[[], float]) -> None:
        self._key = key
        self._fetch = fetch
        self._clock = clock
        self._token: _Token | None = None
        self._flight: asyncio.Task[_Token] | None = None

    async def token(self) -> str:
        """A token that is good now. Raises Stalled for refused credentials, Transient when it cannot be had."""
        key = self._key()
        known = self._token
        if known and known.key == key and self._clock() < known.good_until:
            return known.grant.token
        if self._flight is None:
            self._flight = asyncio.create_task(self._renew(key))
            self._flight.add_done_callback(self._landed)
        # A cancelled request must not cancel the refresh that others wait for.
        return (await asyncio.shield(self._flight)).grant.token

    async def aclose(self) -> None:
        """Stop a refresh that is under way."""
        if self._flight:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        used = await self.token()
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == 401:
            self._drop(used)
            request.headers["Authorization"] = f"Bearer {await self.token()}"
            yield request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError("this client is asynchronous only")

    async def _renew(self, key: ServiceKey) -> _Token:
        try:
            grant = await self._fetch(key)
        except SyncError as error:
            log.warning("aicore_token_failed", url=key.token_url, source=key.source, reason=error.reason)
            raise
        margin = min(_LONGEST_MARGIN, grant.lifetime / 10)
        self._token = _Token(grant, key, self._clock() + grant.lifetime - margin)
        return self._token

    def _landed(self, flight: asyncio.Task[_Token]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # marks it as seen, even when every waiter was cancelled

    def _drop(self, used: str) -> None:
        """Forget the token, unless another request has replaced it meanwhile."""
        if self._token and self._token.grant.token == used:
            self._token = None


class TokenEndpoint:
    """`POST <token_url>` with client credentials: the secret in the form, or a client certificate (mTLS)."""

    def __init__(
        self, network: Network, timeout: httpx.Timeout, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._network = network
        self._timeout = timeout
        self._transport = _Kept(transport) if transport else None

    async def __call__(self, key: ServiceKey) -> Grant:
        """One attempt. Raises Stalled for refused credentials, else Transient."""
        form = {"grant_type": "client_credentials", "client_id": key.client_id}
        if key.client_secret:
            form["client_secret"] = key.client_secret
        certificate = ClientCertificate(key.certificate, key.private_key) if key.certificate else None
        http = await open_http(
            self._network, self._timeout, certificate=certificate, transport=self._transport
        )  # tokens are rare: a client of its own keeps the client certificate away from the API's connections
        async with http:
            try:
                response = await http.post(key.token_url, data=form, headers={"Accept": "application/json"})
            except httpx.RequestError as error:
                raise Transient(_unreachable(key, error), reason="TokenUnavailable") from None
        return read_grant(response, key)


def read_grant(response: httpx.Response, key: ServiceKey) -> Grant:
    """The token in the answer. Raises Stalled for refused credentials, else Transient."""
    if not response.is_success:
        raise _refused(response, key)
    try:
        body = json.loads(response.text)
        return Grant(str(body["access_token"]), float(body["expires_in"]))
    except (ValueError, KeyError, TypeError):
        message = f"{key.token_url} gave no token: expected JSON with access_token and expires_in"
        raise Transient(message, reason="TokenUnavailable") from None


def claimed_zone(token: str) -> str:
    """The identity zone in a token of XSUAA (claim `zid`), unchecked; "" for any other token."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return ""
    zone = claims.get("zid") if isinstance(claims, dict) else None
    return zone if isinstance(zone, str) else ""


def _refused(response: httpx.Response, key: ServiceKey) -> SyncError:
    words = _without_secret(read_words(response.text, response.headers), key)
    said = f"the token endpoint {key.token_url} answered {response.status_code}: {words}"
    if response.status_code in (400, 401, 403, 404):
        zone = f" of identity zone {key.zone}" if key.zone else ""
        cure = (
            f"the key ({key.source}){zone} was deleted, has expired or is of another tenant; create a new key"
        )
        return Stalled(f"{said}; {cure}", reason="InvalidCredentials")
    return Transient(said, reason="TokenUnavailable", retry_after=retry_after(response.headers))


def _without_secret(words: Words, key: ServiceKey) -> str:
    return str(words).replace(key.client_secret, "***") if key.client_secret else str(words)


def _unreachable(key: ServiceKey, error: httpx.RequestError) -> str:
    what = str(error) or type(error).__name__
    return f"cannot reach the token endpoint {key.token_url}: {what}; check the service key's URL and the network"


class _Kept(httpx.AsyncBaseTransport):
    """A transport that outlives the clients that borrow it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)
