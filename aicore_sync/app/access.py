"""From settings to who may act in the window."""

from __future__ import annotations

import secrets

from aicore_sync.config import Settings
from aicore_sync.web import Access, OidcClient, TokenHolder


def access_of(settings: Settings) -> Access:
    """Tokens stay references, read when somebody shows one. Raises InvalidInput for a missing session secret."""
    login = settings.http.login
    oidc = login.oidc
    client = (
        OidcClient(
            oidc.issuer,
            oidc.client_id,
            oidc.client_secret.read,
            oidc.scopes,
            oidc.user_claim,
            oidc.allow_claim,
            frozenset(oidc.allow),
        )
        if oidc
        else None
    )
    return Access(
        tokens=tuple(TokenHolder(item.name, item.token.read) for item in login.tokens),
        oidc=client,
        session_key=login.session_secret.read() if login.session_secret else secrets.token_urlsafe(32),
        session=login.session,
        required=login.required,
        public_url=settings.http.public_url or "",
    )
