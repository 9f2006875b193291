"""Sends calls: token, deadline, retries of reads, errors with meaning, one log line and one measurement per request."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import structlog

from aicore_sync.aicore.auth import TokenAuth
from aicore_sync.aicore.calls import Call, build, read
from aicore_sync.aicore.errors import Refusal, Words, read_words, refusal_error
from aicore_sync.aicore.keys import ServiceKey
from aicore_sync.aicore.pace import Pace
from aicore_sync.core.errors import SyncError, Transient

T = TypeVar("T")

# Nothing of the request has left for AI Core when one of these is raised.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_BACKOFF_LONGEST = 10.0
PATIENCE = 5.0  # seconds that a request may wait until it is sent, a write no longer

log = structlog.get_logger()


def unlimited() -> float:
    """The time that a writer has whom no Lease limits."""
    return math.inf


@dataclass(frozen=True)
class Policy:
    """Times in seconds. `attempt` bounds one request as a whole, `deadline` all attempts of one read.

    `at_once` requests are under way at the same time at most.
    """

    attempt: float = 60.0
    deadline: float = 120.0
    backoff: float = 0.3
    headers: dict[str, str] = field(default_factory=dict)
    tenant: str = ""
    on_request: Callable[[str, str, int | str, float], None] | None = None
    left: Callable[[], float] = unlimited
    at_once: int = 8


@dataclass(frozen=True)
class Source:
    """Where time, chance and the service key come from."""

    key: Callable[[], ServiceKey]
    clock: Callable[[], float]
    rng: random.Random


class Sender:
    """Sends calls over one HTTP client. Reads are retried until the deadline; writes get exactly one attempt."""

    def __init__(self, http: httpx.AsyncClient, auth: TokenAuth, policy: Policy, source: Source) -> None:
        self._http = http
        self._auth = auth
        self._policy = policy
        self._source = source
        self._pace = Pace(policy.at_once)

    async def send(self, call: Call[T]) -> T:
        """The value that the call reads. Raises Transient (`ambiguous` when a write may have landed) or Stalled."""
        give_up = self._source.clock() + self._policy.deadline
        if not call.safe:
            return await self._write(call, give_up)
        await self._retry(self._auth.token, give_up)
        return await self._retry(lambda: self._paced(call, self._patience(give_up)), give_up)

    def _patience(self, give_up: float) -> float:
        return max(PATIENCE, give_up - self._source.clock())

    async def _write(self, call: Call[T], give_up: float) -> T:
        """Soon or not at all: what the caller has looked at just now must still hold when it is sent."""
        try:
            async with asyncio.timeout(PATIENCE):  # a token is harmless to ask for again
                await self._retry(self._auth.token, give_up)
        except TimeoutError:
            message = f"no token for {call.name} within {PATIENCE:g} s; it was not sent"
            raise Transient(message, reason="Unreachable") from None
        return await self._paced(call, PATIENCE)

    async def _paced(self, call: Call[T], patience: float) -> T:
        async with self._pace.turn(patience):
            return await self._attempt(call)

    async def _retry(self, attempt: Callable[[], Awaitable[T]], give_up: float) -> T:
        tried = 0
        while True:
            try:
                return await attempt()
            except Transient as error:
                wait = backoff(tried, error, self._policy.backoff, self._source.rng.random())
                if self._source.clock() + wait >= give_up:
                    raise
            tried += 1
            await asyncio.sleep(wait)

    async def _attempt(self, call: Call[T]) -> T:
        key = self._source.key()
        started = self._source.clock()
        status: int | str = "error"
        words = Words("")
        try:
            response = await self._exchange(call, key)
            status = response.status_code
            if not response.is_success:
                words = _masked(read_words(response.text, response.headers), call.secrets)
                raise refusal_error(_refusal(call, key, response, words))
            return read(call, response)
        except SyncError as error:
            self._log(call, status, words.request_id, error)
            raise
        finally:
            if self._policy.on_request:
                self._policy.on_request(call.method, call.route, status, self._source.clock() - started)

    async def _exchange(self, call: Call[Any], key: ServiceKey) -> httpx.Response:
        request = build(call, key.api_url, self._policy.headers)
        seconds = self._policy.attempt
        if not call.safe:
            seconds = min(seconds, self._entitled(call))

            async def check(event: str, _info: object) -> None:
                # Connecting took its time, and this process may have been stopped meanwhile. A request whose body is
                # missing does nothing; one without a body is complete with its headers.
                last = (
                    "send_request_body.started" if call.body is not None else "send_request_headers.started"
                )
                if event.endswith((last, "send_request_headers.started")):
                    self._entitled(call)

            request.extensions["trace"] = check
        try:
            async with asyncio.timeout(seconds):
                return await self._http.send(request, auth=self._auth)
        except (httpx.RequestError, TimeoutError) as error:
            raise broken(call, key, error) from None

    def _entitled(self, call: Call[Any]) -> float:
        """Seconds in which this write may be under way. Raises Transient (LockLost) when there are none."""
        left = self._policy.left()
        if left <= 0:
            raise Transient(
                f"{call.name} was not sent: this process holds no Lease any more", reason="LockLost"
            )
        return left

    def _log(self, call: Call[Any], status: int | str, request_id: str, error: SyncError) -> None:
        log.warning(
            "aicore_request_failed",
            tenant=self._policy.tenant,
            method=call.method,
            route=call.route,
            resource_group=call.group,
            status=status,
            request_id=request_id,
            reason=error.reason,
            ambiguous=getattr(error, "ambiguous", False),
        )


def backoff(tried: int, error: Transient, base: float, chance: float) -> float:
    """Seconds until the next attempt: what the other side asked for, else full jitter over a doubling window."""
    if error.retry_after is not None:
        return error.retry_after + base * chance
    return float(min(_BACKOFF_LONGEST, base * 2**tried) * (0.5 + chance / 2))


def broken(call: Call[Any], key: ServiceKey, error: Exception) -> Transient:
    """A request without an answer: a write is ambiguous unless the connection was never made."""
    what = str(error) or type(error).__name__
    if isinstance(error, _NOT_SENT):
        message = f"cannot reach AI Core at {key.api_url}: {what}; check the service key's AI_API_URL and the network"
        return Transient(message, reason="Unreachable")
    message = f"no answer to {call.name}: {what}"
    if call.safe:
        return Transient(message, reason="Unreachable")
    return Transient(f"{message}; it may have been applied", reason="Unreachable", ambiguous=True)


def _refusal(call: Call[Any], key: ServiceKey, response: httpx.Response, words: Words) -> Refusal:
    return Refusal(
        request=call.name,
        safe=call.safe,
        status=response.status_code,
        words=words,
        group=call.group,
        headers=response.headers,
        key_source=key.source,
    )


def _masked(words: Words, secrets: tuple[str, ...]) -> Words:
    message = words.message
    for secret in secrets:
        message = (
            message.replace(secret, "***") if len(secret) > 3 else message
        )  # no secret, and in every word
    return Words(message, words.code, words.request_id)
