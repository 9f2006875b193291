"""What AI Core's refusals mean: from an HTTP answer to one of the project's error classes.

    Transient
    └── PreconditionFailed   412: the object is not in a state that allows this (stop first, wait)
    Stalled
    ├── Forbidden            403
    ├── NotFound             404
    └── Conflict             409

Bodies come in many shapes (JSON of three kinds, plain text of the gateway, HTML of a proxy); `read_words`
takes the sentence, the code and the request id out of any of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from aicore_sync.core.errors import Stalled, SyncError, Transient

_LONGEST = 600
_REQUEST_ID_HEADERS = ("x-request-id", "x-correlation-id", "x-correlationid", "x-vcap-request-id")


class PreconditionFailed(Transient):
    """412: for example an execution that must be stopped before it can be deleted."""


class Forbidden(Stalled):
    """403: wrong or missing resource group, wrong tenant, or a missing role."""


class NotFound(Stalled):
    """404: no such object. New objects may answer so for a moment after their creation."""


class Conflict(Stalled):
    """409, or any refusal that says "already exists"."""


@dataclass(frozen=True)
class Words:
    """What an error body says."""

    message: str
    code: str = ""
    request_id: str = ""

    def __str__(self) -> str:
        marks = [
            f"code {self.code}" if self.code else "",
            f"request id {self.request_id}" if self.request_id else "",
        ]
        known = ", ".join(mark for mark in marks if mark)
        return f"{self.message} ({known})" if known else self.message


@dataclass(frozen=True)
class Refusal:
    """An answer with an error status: which request it answers, and what it says."""

    request: str  # "POST /lm/configurations"
    safe: bool
    status: int
    words: Words
    group: str = ""
    headers: Mapping[str, str] | None = None
    key_source: str = ""


def read_words(text: str, headers: Mapping[str, str]) -> Words:
    """The sentence, code and request id of an error body of any shape."""
    fallback = next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), "")
    words = _read_body(text)
    return Words(words.message[:_LONGEST], words.code, words.request_id or fallback)


def words_of(error: Mapping[str, Any]) -> Words:
    """An `error` object: `details` may be an object, an array, or null, the request id spelt two ways."""
    message = _text(error, "message", "error_description", "detail", "error") or "no message"
    details = _details(error.get("details"))
    if details and details not in message:
        message = f"{message} [{details}]"
    return Words(message, _text(error, "code"), _text(error, "requestId", "request_id"))


def refusal_error(refusal: Refusal) -> SyncError:
    """The error to raise: its class says what to do, its message what was asked, answered, and the cure."""
    where = f" in resource group {refusal.group}" if refusal.group else ""
    said = f"AI Core answered {refusal.status} to {refusal.request}{where}: {refusal.words}"
    status = refusal.status
    if status == 429:
        return Transient(said, reason="RateLimited", retry_after=retry_after(refusal.headers or {}))
    if status in (408, 425) or (status >= 500 and status != 501):
        wait = retry_after(refusal.headers or {})
        return Transient(said, reason="ServerError", retry_after=wait, ambiguous=not refusal.safe)
    if status == 412:
        return PreconditionFailed(said, reason="PreconditionFailed")
    return _stalled(refusal, said)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date that is read against the answer's own Date."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    then, now = _http_date(value), _http_date(headers.get("date", ""))
    return max(0.0, (then - now).total_seconds()) if then and now else None


def _stalled(refusal: Refusal, said: str) -> Stalled:
    group = refusal.group
    if refusal.status == 401:
        cure = (
            "the token was refused twice: check that the service key"
            f"{f' ({refusal.key_source})' if refusal.key_source else ''} belongs to this tenant and region, that it was"
            " not revoked, and that AI Core is provisioned for the tenant"
        )
        return Stalled(f"{said}; {cure}", reason="Unauthorized")
    if refusal.status == 404:
        return NotFound(said, reason="NotFound")
    if re.search(
        r"quota|limit.{0,20}(exceeded|reached)|maximum number", refusal.words.message, re.IGNORECASE
    ):
        return Stalled(
            f"{said}; delete what is not needed or ask SAP for a higher quota", reason="QuotaExceeded"
        )
    if refusal.status == 403:
        about = (
            f'that resource group "{group}" exists in this tenant'
            if group
            else "that this is the right tenant"
        )
        return Forbidden(f"{said}; check {about} and that the service key may do this", reason="Forbidden")
    if refusal.status == 409 or "already exists" in refusal.words.message.lower():
        return Conflict(said, reason="Conflict")
    if 300 <= refusal.status < 400:
        return Stalled(
            f"{said}; check AI_API_URL in the service key: redirects are not followed", reason="Redirected"
        )
    return Stalled(said, reason="Unsupported" if refusal.status == 501 else "Rejected")


def _read_body(text: str) -> Words:
    try:
        body = json.loads(text)
    except ValueError:
        return Words(_plain(text))
    if isinstance(body, dict):
        inner = body.get("error")
        return words_of({**body, **inner} if isinstance(inner, dict) else body)
    return Words(_plain(body if isinstance(body, str) else text))


def _plain(text: str) -> str:
    """Plain text of the gateway, or the visible words of an HTML page."""
    if "<html" in text[:500].lower():
        text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", text)
    return " ".join(text.split()) or "no message"


def _details(details: object) -> str:
    if isinstance(details, list):
        return "; ".join(filter(None, (_details(item) for item in details)))
    if isinstance(details, dict):
        return _text(details, "message") or (json.dumps(details, sort_keys=True) if details else "")
    return details if isinstance(details, str) else ""


def _text(body: Mapping[str, Any], *names: str) -> str:
    values = (body.get(name) for name in names)
    return next((str(value) for value in values if isinstance(value, str | int) and value != ""), "")


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
