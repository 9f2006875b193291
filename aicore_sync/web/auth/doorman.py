"""Who sends a request, and whether it may act. A browser's session is a signed cookie; scripts send a token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request

from aicore_sync.core.errors import SyncError
from aicore_sync.web.auth.access import Access, User
from aicore_sync.web.forms import form

log = structlog.get_logger()

SHORTEST_TOKEN = 16
CSRF_HEADER = "x-csrf-token"
PAUSE = 0.5  # seconds that a wrong token costs


class NotAllowed(Exception):
    """The request may not do what it asks for: `code` is 401 where a login would help, else 403."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Doorman:
    """Answers who a request is from. `now` gives the time, as an aware datetime."""

    def __init__(self, access: Access, now: Callable[[], datetime]) -> None:
        self.access = access
        self._now = now

    def by_token(self, token: str) -> User | None:
        """Whose token this is. Takes the same time for every wrong one; an unreadable secret opens nothing."""
        given, found = _digest(token), None
        for holder in self.access.tokens:
            try:
                known = holder.read()
            except SyncError as error:
                log.warning("token_unreadable", name=holder.name, reason=error.reason)
                continue
            if len(known) >= SHORTEST_TOKEN and hmac.compare_digest(given, _digest(known)):
                found = User(holder.name)
        return found

    def user(self, request: Request) -> User | None:
        """Who sends this; None for somebody unknown. Raises NotAllowed (401) for a token that is nobody's."""
        token = token_of(request)
        if token is None:
            return self._of_session(request)
        user = self.by_token(token)
        if user is None:
            raise NotAllowed(401, "The token is not one of http.login.tokens.")
        return user

    async def known(self, request: Request) -> User | None:
        """The same; a wrong token costs a moment, so that nobody tries many, and is logged."""
        try:
            return self.user(request)
        except NotAllowed:
            await asyncio.sleep(PAUSE)
            log.warning("token_refused", path=request.url.path[:200])
            raise

    async def actor(self, request: Request) -> User:
        """Who acts by this request. Raises NotAllowed for everybody else, and for what another site sends."""
        if not self.access.possible:
            raise NotAllowed(
                403, "This window is for reading: the configuration names no login (http.login)."
            )
        user = await self.known(request)
        if user is None:
            raise NotAllowed(401, "Log in first, or send a token: `Authorization: Bearer …`.")
        if token_of(request) is None:  # what no browser adds by itself needs no second proof
            require_same_site(request)
            given = request.headers.get(CSRF_HEADER) or (await form(request)).get("csrf", "")
            if not hmac.compare_digest(_digest(given), _digest(self.csrf(request))):
                raise NotAllowed(403, "The form is too old or was not ours; reload the page and try again.")
        return user

    def login(self, request: Request, user: User, token: str = "") -> None:
        """Begin a session. One that began with a token ends with it."""
        request.session.clear()
        request.session["user"] = user.name
        request.session["csrf"] = secrets.token_urlsafe(24)
        request.session["until"] = int(self._now().timestamp() + self.access.session)
        if token:
            request.session["proof"] = self._proof(token)

    def csrf(self, request: Request) -> str:
        """What forms of this session carry; never empty, so that no session fits no form."""
        return str(request.session.get("csrf") or secrets.token_urlsafe(24))

    def _of_session(self, request: Request) -> User | None:
        """Every answer signs the cookie anew, so the end of a session stands in it."""
        name, proof = request.session.get("user"), request.session.get("proof")
        until = request.session.get("until")
        if not isinstance(name, str) or not isinstance(until, int) or self._now().timestamp() >= until:
            return None
        if proof is None:
            return User(name) if self.access.oidc else None
        for holder in self.access.tokens:
            try:
                if holder.name == name and hmac.compare_digest(str(proof), self._proof(holder.read())):
                    return User(name)
            except SyncError:
                continue
        return None

    def _proof(self, token: str) -> str:
        return hmac.new(self.access.session_key.encode(), token.encode(), hashlib.sha256).hexdigest()[:32]


def token_of(request: Request) -> str | None:
    """The bearer token of a request. Another scheme is somebody else's, such as the password of a proxy before us."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def require_same_site(request: Request) -> None:
    """Raises NotAllowed (403) for a form that a browser sends from another site."""
    site = request.headers.get("sec-fetch-site")
    origin = urlsplit(request.headers.get("origin", "")).netloc
    foreign = origin and origin != request.headers.get("host")
    if site not in (None, "same-origin", "none") or (site is None and foreign):
        raise NotAllowed(403, "The form came from another site.")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
