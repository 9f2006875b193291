"""The doorman as dependencies of routes; he stands at `app.state.doorman`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from aicore_sync.web.auth.access import User
from aicore_sync.web.auth.doorman import Doorman, NotAllowed

_described = HTTPBearer(
    auto_error=False, description="One of http.login.tokens"
)  # the doorman reads it himself
Described = Annotated[HTTPAuthorizationCredentials | None, Depends(_described)]


def doorman_of(request: Request) -> Doorman:
    """Whom the app has at the door."""
    doorman: Doorman = request.app.state.doorman
    return doorman


async def acting(request: Request, _: Described) -> User:
    """Who acts. Raises NotAllowed for everybody who may not."""
    return await doorman_of(request).actor(request)


async def reading(request: Request, _: Described) -> User | None:
    """Who reads. Raises NotAllowed (401) where reading needs a login and for a wrong token."""
    doorman = doorman_of(request)
    user = await doorman.known(request)
    if user is None and doorman.access.required:
        raise NotAllowed(401, "Reading needs a login here: send a token, or log in at /login.")
    return user


Actor = Annotated[User, Depends(acting)]
Reader = Annotated[User | None, Depends(reading)]
