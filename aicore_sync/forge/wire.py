"""Calls to a forge's API: one JSON question, one JSON answer, and what a refusal means."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import httpx

from aicore_sync.core.errors import Stalled, SyncError, Transient

Http = httpx.AsyncClient
T = TypeVar("T")
Parameters = Mapping[str, str] | list[tuple[str, str]]
LOGIN_PAGE = 203  # how Azure DevOps answers to a bad token
SHOWN = 300  # characters of the server's words in a message


@dataclass(frozen=True)
class Login:
    """A token; with `username` it is sent as a password of HTTP's Basic scheme, as Azure DevOps wants it."""

    token: str = field(repr=False)
    username: str | None = None


@dataclass(frozen=True)
class Project:
    """A repository at a forge: `host` and `path` of its address; `api` is where its API begins, "" the usual place.

    `part` is the part of the configuration that names it, for messages.
    """

    host: str
    path: str
    api: str = ""
    part: str = "publish"

    @classmethod
    def of(cls, url: str, api: str = "") -> Project:
        """From the address of a git repository, in any of its forms."""
        if "://" not in url:  # USER@HOST:PATH
            host, _, path = url.rpartition("@")[2].partition(":")
        else:
            parts = urlsplit(url)
            host, path = parts.hostname or "", unquote(parts.path)
        return cls(host, path.strip("/").removesuffix(".git"), api.rstrip("/"))

    @property
    def quoted(self) -> str:
        """The path for use in an address."""
        return quote(self.path, safe="/")


def unlimited() -> float:
    """The time that a writer has whom no Lease limits."""
    return math.inf


class Wire:
    """Sends requests to one forge; changes only while there are seconds `left` in which they may be under way."""

    def __init__(
        self, http: Http, project: Project, login: Callable[[], Login], left: Callable[[], float] = unlimited
    ) -> None:
        self._left = left
        self._http = http
        self._project = project
        self._login = login

    async def get(self, url: str, parameters: Parameters, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer to a GET."""
        return self._understood(await self._send("GET", url, params=parameters), read)

    async def send(
        self, method: str, url: str, body: Mapping[str, Any] | None, read: Callable[[Any], T]
    ) -> T:
        """What `read` makes of the answer to a request that changes something."""
        return self._understood(await self._send(method, url, json=body), read)

    def _understood(self, answer: Any, read: Callable[[Any], T]) -> T:
        try:
            return read(answer)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise self._strange(f"an answer without what is needed ({error!r})") from None

    def _strange(self, found: str) -> Stalled:
        part = self._project.part
        return Stalled(
            f"{self._project.host}: found {found}, expected the API of the forge that `{part}.forge` names; "
            f"correct `{part}.forge` or `{part}.apiUrl`",
            reason="RequestRefused",
        )

    async def _send(self, method: str, url: str, **parts: Any) -> Any:
        headers = {"Accept": "application/json", "Authorization": _authorization(self._login())}
        left = math.inf if method == "GET" else self._left()
        if left <= 0:
            words = f"{self._project.host}: {method} was not sent: this process holds no Lease any more"
            raise Transient(words, reason="LockLost")
        try:
            async with asyncio.timeout(None if left == math.inf else left):
                answer = await self._http.request(method, url, headers=headers, **parts)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Transient(
                f"{self._project.host}: no answer to {method} of its API ({type(error).__name__}); it is tried again",
                reason="Unreachable",
                ambiguous=method != "GET",
            ) from None
        if answer.status_code >= 300 or answer.status_code == LOGIN_PAGE:
            raise refusal(self._project, answer)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise self._strange("an answer that is no JSON") from None


def ignored(answer: Any) -> None:
    """Reads nothing."""


def _authorization(login: Login) -> str:
    if login.username is None:
        return f"Bearer {login.token}"
    return "Basic " + base64.b64encode(f"{login.username}:{login.token}".encode()).decode()


def refusal(project: Project, answer: httpx.Response) -> SyncError:
    """What a status means for the one who asked."""
    place, part = f"{project.host}, {project.path}", project.part
    said = f"({answer.status_code}: {_words(answer)})"
    match answer.status_code:
        case 401 | 302 | 203:
            cure = f"replace `{part}.token`; it may have expired"
            return Stalled(f"{place}: the token is refused {said}; {cure}", reason="AuthenticationFailed")
        case 429 | 403 if answer.status_code == 429 or _hurried(answer):
            words = f"{place}: too many requests; it is tried again"
            return Transient(words, reason="RateLimited", retry_after=_seconds(answer))
        case 403:
            cure = f"give `{part}.token` the right to do what `{part}` asks for"
            return Stalled(f"{place}: the token may not do this {said}; {cure}", reason="PermissionDenied")
        case 404:
            cure = f"check the repository's url and `{part}.apiUrl`, and that the token may see it"
            return Stalled(f"{place}: not found {said}; {cure}", reason="RepositoryNotFound")
        case status if status >= 500:
            return Transient(f"{place}: the server failed {said}; it is tried again", reason="Unreachable")
    cure = "mend what it names"
    if part == "publish":
        cure += "; the branch is pushed, so a person may make the request too"
    return Stalled(f"{place}: the request is refused {said}; {cure}", reason="RequestRefused")


def _hurried(answer: httpx.Response) -> bool:
    """GitHub says 403 to who asks too much, docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
    return "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"


def _seconds(answer: httpx.Response) -> float | None:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else None


def _words(answer: httpx.Response) -> str:
    """The server's own words: each forge has its own form for them."""
    try:
        body = answer.json()
    except ValueError:
        return answer.reason_phrase or "no explanation given"
    if not isinstance(body, Mapping):
        return "no explanation given"
    found = (
        body.get("message") or body.get("error_description") or body.get("error") or "no explanation given"
    )
    text = found.get("message", "") if isinstance(found, Mapping) else str(found)
    details = [e.get("message", "") for e in body.get("errors") or () if isinstance(e, Mapping)]
    return "; ".join(filter(None, [str(text), *map(str, details)]))[:SHOWN]
