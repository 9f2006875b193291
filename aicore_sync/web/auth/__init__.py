"""Who may act in the window: bearer tokens, and logins in a browser by token or OpenID Connect."""

from __future__ import annotations

from aicore_sync.web.auth.access import Access, OidcClient, TokenHolder, User
from aicore_sync.web.auth.depends import Actor, Reader, doorman_of, reading
from aicore_sync.web.auth.doorman import Doorman, NotAllowed
from aicore_sync.web.auth.routes import login_routes

__all__ = [
    "Access",
    "Actor",
    "Doorman",
    "NotAllowed",
    "OidcClient",
    "Reader",
    "TokenHolder",
    "User",
    "doorman_of",
    "login_routes",
    "reading",
]
