"""Speaking to the running service over its API, when there is one; commands work alone otherwise."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, RootModel, ValidationError

from aicore_sync import __version__
from aicore_sync.cli.asked import asked_url
from aicore_sync.cli.work import load, masker_of
from aicore_sync.config import Settings
from aicore_sync.core.answers import Answer, InfoAnswer, Where
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.kinds import KIND_OF, LIMITED, ONE
from aicore_sync.core.model import Status
from aicore_sync.core.statuses import StatusAnswer, statuses_in
from aicore_sync.telemetry import Masker
from aicore_sync.terminal import err

A = TypeVar("A", bound=Answer)
M = TypeVar("M", bound=BaseModel)
TOKEN = "AICORE_SYNC_TOKEN"  # noqa: S105  the name of a variable
API = "/api/v1"
CONNECT, PATIENCE = 2.0, 30.0  # seconds
AWAY, AGAIN = 120.0, 1.0  # seconds that a service may be away while it restarts, and between two tries


@dataclass(frozen=True)
class Service:
    """The API of a running service. All methods raise SyncError in the service's own words."""

    url: str
    client: httpx.AsyncClient

    async def status(self) -> StatusAnswer:
        """The newest status of every key, with what the service says of itself."""
        return await self.read("status", StatusAnswer)

    async def statuses(self) -> tuple[Status, ...]:
        """The newest status of every key."""
        return statuses_in(await self.status())

    async def get(self, path: str, **query: str | int | list[str]) -> Any:
        """The answer to a GET; empty values are not sent."""
        given = {name: value for name, value in query.items() if value not in ("", [])}
        return _json(await self._send("GET", path, params=given))

    async def read(self, path: str, model: type[M], **query: str | int) -> M:
        """The answer to a GET as what it has to be."""
        return self._as(model, await self.get(path, **query))

    async def answers(self, model: type[A], where: Where) -> tuple[A, ...]:
        """What there is of a kind; one for what is no list."""
        kind = KIND_OF[model]
        path = f"executions/{where.executions[0]}/trace" if kind == "trace" else kind
        answer = await self.get(path, **_query(kind, where))
        if kind in ONE:
            return (self._as(model, answer),)
        return tuple(self._as(model, one) for one in self._as(_Listed, answer).of(kind))

    async def act(self, verb: str, **body: str | bool) -> str:
        """Ask for an action; returns the service's sentence about it."""
        return self._as(_Said, await self._post(verb, body)).message

    async def begin(self, verb: str, **body: str) -> tuple[str, datetime]:
        """Ask for what goes on after the answer: the service's sentence, and from when on a status knows of it."""
        answer = self._as(_Looked, await self._post(verb, body))
        return answer.message, answer.since

    async def lines(self, path: str, **query: str) -> AsyncIterator[str]:
        """The lines of a text as they come, without an end as long as the service has none."""
        timeout = httpx.Timeout(PATIENCE, read=None)
        given = {name: value for name, value in query.items() if value}
        try:
            async with self.client.stream("GET", f"{API}/{path}", params=given, timeout=timeout) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _refused(answer)
                rest = b""
                # Not httpx's own lines: those end at every character that Unicode calls a line's end.
                async for part in answer.aiter_bytes():
                    *whole, rest = (rest + part).split(b"\n")
                    for line in whole:
                        yield line.decode(errors="replace")
                if rest:
                    yield rest.decode(errors="replace")
        except httpx.HTTPError as error:
            raise self._lost(error) from None

    async def _post(self, verb: str, body: Mapping[str, str | bool]) -> Any:
        given = {name: value for name, value in body.items() if value != ""}
        return _json(await self._send("POST", verb, json=given))

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            answer = await self.client.request(method, f"{API}/{path}", **parts)
        except httpx.HTTPError as error:
            raise self._lost(error) from None
        if not answer.is_success:
            raise _refused(answer)
        return answer

    def _as(self, model: type[M], answer: Any) -> M:
        try:
            return model.model_validate(answer)
        except ValidationError:
            words = f"{self.url} answered what {__version__} does not understand; is this aicore-sync?"
            raise Stalled(words, reason="ServiceRefused") from None

    def _lost(self, error: httpx.HTTPError) -> Transient:
        what = str(error) or type(error).__name__
        return Transient(f"the service at {self.url} does not answer ({what})", reason="ServiceUnreachable")


class _Listed(RootModel[dict[str, tuple[Any, ...]]]):
    """A list under the name of its kind."""

    def of(self, kind: str) -> tuple[Any, ...]:
        return self.root.get(kind, ())


class _Said(BaseModel):
    """What the service says about an action."""

    message: str


class _Looked(_Said):
    """And about one that goes on."""

    since: datetime


class Away:
    """A service that was there and is away for a moment: it restarts."""

    def __init__(self, patience: float = AWAY) -> None:
        self._patience = patience
        self._since: float | None = None

    def over(self) -> None:
        """It answers."""
        self._since = None

    async def bear(self, error: Transient) -> None:
        """Until the next try is due. Raises the error when it has lasted too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            err.print(f"{error.message}; trying again", markup=False, soft_wrap=True)
        if now - self._since > self._patience:
            raise error
        await asyncio.sleep(AGAIN)


@asynccontextmanager
async def service(settings: Settings | None) -> AsyncIterator[Service | None]:
    """The service that `--url` names, else the one at the configuration's address if it answers and is this owner's.

    Raises Transient (ServiceUnreachable) when one was named and does not answer.
    """
    named = asked_url.get().rstrip("/")
    url = _checked(named) if named else _address(settings)
    if not url or not (named or await _is_ours(url, settings)):
        yield None
        return
    async with _client(url, _token(), trust_env=bool(named)) as client:
        yield Service(url, client)


def optional(config: Path, level: str = "warning") -> tuple[Settings | None, Masker]:
    """The settings; none are needed where `--url` names the service."""
    if asked_url.get() and not config.exists():
        return None, masker_of()
    return load(config, level)


def no_configuration() -> Stalled:
    """What a command says that has neither a service to ask nor what it needs to work alone."""
    return Stalled("found no configuration, expected one, or --url", reason="NotFound")


def has_token() -> bool:
    """True when actions can be asked for."""
    return bool(os.environ.get(TOKEN, "").strip())


@asynccontextmanager
async def actor(config: Path) -> AsyncIterator[Service | None]:
    """The service when actions are to be asked of it: with a token, or when there is nothing to work alone with."""
    settings, _ = optional(config)
    if settings and not has_token():
        yield None
        return
    async with service(settings) as found:
        yield found


async def told(config: Path, verb: str, **body: str | bool) -> str:
    """What the service says when it is asked for an action; "" when there is none to ask."""
    async with actor(config) as found:
        return await found.act(verb, **body) if found else ""


def _query(kind: str, where: Where) -> dict[str, str | int | list[str]]:
    """What the service may be asked about that kind; it refuses what it does not know."""
    executions = list(where.executions) if kind == "compare" else []
    return {
        "flow": where.flow,
        "environment": where.environment,
        "limit": where.limit if kind in LIMITED else "",
        "scenario": where.scenario,
        "execution": executions,
    }


def _client(url: str, token: str, *, trust_env: bool) -> httpx.AsyncClient:
    headers = {"User-Agent": f"aicore-sync/{__version__}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    timeout = httpx.Timeout(PATIENCE, connect=CONNECT)
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, trust_env=trust_env)


def _token() -> str:
    """What the variable holds. Raises Stalled for what no token can be, without a word of it."""
    token = os.environ.get(TOKEN, "").strip()
    masker_of().add(token)
    if not all("!" <= letter <= "~" for letter in token):
        words = f"{TOKEN} holds more than visible ASCII characters in one line; set it to one of http.login.tokens"
        raise Stalled(words, reason="InvalidCredentials")
    return token


def _checked(url: str) -> str:
    """What `--url` names, when it can be asked."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        found = httpx.URL()
    if found.scheme not in ("http", "https") or not found.host:
        words = (
            f"--url: found {masker_of()(url)}, expected an address such as https://aicore-sync.example.com"
        )
        raise Stalled(words, reason="ServiceRefused")
    return url


def _address(settings: Settings | None) -> str:
    if settings is None or not settings.http.port:
        return ""
    host = settings.http.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  where it listens; we ask on this machine
        host = "127.0.0.1"
    return f"http://[{host}]:{settings.http.port}" if ":" in host else f"http://{host}:{settings.http.port}"


async def _is_ours(url: str, settings: Settings | None) -> bool:
    """Whether a service of this owner listens there. Asked without the token: it may be somebody else."""
    async with _client(url, "", trust_env=False) as client:
        try:
            info = await Service(url, client).read("info", InfoAnswer)
        except SyncError:
            return False
    return settings is None or info.owner == settings.owner


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        where = answer.request.url.copy_with(query=None)
        words = f"{where} answered with what is no JSON; is this aicore-sync?"
        raise Stalled(words, reason="ServiceRefused") from None


def _refused(answer: httpx.Response) -> SyncError:
    """The service's own error; another server's is told as what it is."""
    try:
        error = answer.json()["error"]
        message, reason = str(error["message"]), str(error.get("reason") or "")
    except (ValueError, KeyError, TypeError):
        message, reason = _stranger(answer), ""
    if answer.status_code in (401, 403):
        cure = "" if has_token() else f" The variable {TOKEN} is where commands take their token from."
        return Stalled(message + cure, reason="Unauthorized")
    if answer.status_code >= 500:
        return Transient(message, reason=reason or "ServiceFailed")
    return Stalled(message, reason=reason or "ServiceRefused")


def _stranger(answer: httpx.Response) -> str:
    """What a server says that does not speak as we do."""
    where = answer.request.url.copy_with(query=None)
    if answer.is_redirect:
        to = answer.headers.get("location", "").partition("?")[0]
        return f"{where} answered {answer.status_code} and leads to {to}; name the address that it leads to"
    return f"{where} answered {answer.status_code}; is this aicore-sync?"
