"""The login by OpenID Connect, done by Authlib: discovery, code flow with PKCE, state, nonce, signature."""

from __future__ import annotations

import warnings
from typing import Any

import structlog
from authlib.deprecate import AuthlibDeprecationWarning

with warnings.catch_warnings():  # it asks for httpx2, which nothing but the extra `kubernetes` brings
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import OAuth, OAuthError
from starlette.requests import Request
from starlette.responses import Response

from aicore_sync.web.auth.access import OidcClient, User, user_of_claims
from aicore_sync.web.auth.doorman import NotAllowed

log = structlog.get_logger()

TIMEOUT = 10.0


class Provider:
    """One provider; its description is fetched at the first login and kept as long as our secret stays the same."""

    def __init__(self, client: OidcClient, callback: str) -> None:
        self._client = client
        self._callback = callback
        self._oauth: Any = None
        self._secret = ""

    async def begin(self, request: Request) -> Response:
        """Send the browser there. Raises NotAllowed (503) when the provider cannot be reached."""
        try:
            response: Response = await self._remote().authorize_redirect(request, self._callback)
        except Exception as error:
            raise _failed(error) from error
        return response

    async def finish(self, request: Request) -> User:
        """Who came back. Raises NotAllowed for an answer that does not hold, and for who may not act here."""
        try:
            token = await self._remote().authorize_access_token(request)
        except OAuthError as error:
            log.warning("oidc_refused", error=error.error)
            raise NotAllowed(403, "The login was not completed; try it again.") from error
        except Exception as error:
            raise _failed(error) from error
        user = user_of_claims(self._client, token.get("userinfo") or {})
        if user is None:
            raise NotAllowed(403, "You are known to the login, but not among those who may act here.")
        return user

    def _remote(self) -> Any:
        secret = self._client.client_secret()
        if self._oauth is None or secret != self._secret:
            self._oauth, self._secret = OAuth(), secret
            self._oauth.register(
                "provider",
                client_id=self._client.client_id,
                client_secret=secret,
                server_metadata_url=f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration",
                client_kwargs={
                    "scope": " ".join(self._client.scopes),
                    "code_challenge_method": "S256",
                    "timeout": TIMEOUT,
                },
            )
        return self._oauth.provider


def _failed(error: Exception) -> NotAllowed:
    log.warning("oidc_failed", error=f"{type(error).__name__}: {error}")
    return NotAllowed(503, "The login provider could not be reached or gave no usable answer; see the log.")
