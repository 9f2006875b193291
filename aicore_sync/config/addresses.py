"""Addresses in the configuration: never with a login in them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from aicore_sync.core.fields import matching, refuse

LOGIN_CURE = "give the login under `credentials`; a URL ends up in logs and command lines"


def without_login(value: object) -> object:
    """Refuse `https://user:password@…`, never showing it."""
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        login = parts.password is not None or (parts.username is not None and parts.scheme != "ssh")
    except ValueError:
        raise refuse("a URL", found="text that is no URL") from None
    if login:
        raise refuse("a URL without a login", LOGIN_CURE, "a URL with a login in it")
    return value


HttpUrl = Annotated[
    str,
    matching(r"https?://[^\s/]+(/[^\s]*)?", "https://HOST or http://HOST"),
    BeforeValidator(without_login),
]
