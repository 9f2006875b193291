"""Errors as answers: which code a refusal of ours gets, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from aicore_sync.core.errors import InvalidInput, SyncError, Transient
from aicore_sync.web.api.wire import ErrorBody
from aicore_sync.web.auth import NotAllowed

NOTHING = ("There is nothing here", "The address is not one of ours.")
READ_ONLY = ("This cannot be done here", "Pages are for reading, and this address takes other methods.")
LARGE = ("This is too large", "Send less.")
TITLES = {
    400: "This cannot be read",
    401: "Log in first",
    403: "This is not allowed",
    404: "There is no such thing",
    409: "Not possible now",
    422: "A value is wrong",
    503: "Not reachable now",
}


def refusal(error: Exception) -> ErrorBody:
    """The code, the title and the sentence of an error that a request may end with."""
    match error:
        case NotAllowed():
            return _body(error.code, error.message, "LoginNeeded" if error.code == 401 else "NotAllowed")
        case SyncError():
            return _body(_code(error), error.message, error.reason)
        case RequestValidationError():
            return _body(422, _named(error.errors()), "InvalidInput")
        case HTTPException():
            return _plain(error)
    raise error


def _plain(error: HTTPException) -> ErrorBody:
    """Our own words stay; those of the framework are replaced."""
    known = {404: NOTHING, 405: READ_ONLY, 413: LARGE}
    title, text = known.get(error.status_code, ("The request cannot be answered", str(error.detail)))
    own = error.detail not in ("Not Found", "Method Not Allowed")
    return ErrorBody(code=error.status_code, title=title, message=str(error.detail) if own else text)


def _code(error: SyncError) -> int:
    if isinstance(error, Transient):
        return 503
    if isinstance(error, InvalidInput):
        return 422
    return 404 if error.reason == "NotFound" else 409


def _body(code: int, message: str, reason: str) -> ErrorBody:
    return ErrorBody(code=code, title=TITLES.get(code, "Not possible"), message=message, reason=reason)


def _named(found: Sequence[Any]) -> str:
    """Which value is wrong and why, without the value itself: it may be a secret that landed in the wrong place."""
    lines = (f"{'.'.join(map(str, item['loc'][1:])) or item['loc'][0]}: {_said(item)}" for item in found)
    return "; ".join(lines)


def _said(item: Any) -> str:
    unknown = "there is no such key; correct its name or leave it out"
    return unknown if item["type"] == "extra_forbidden" else str(item["msg"])
