"""Build, send, read: the two pure ends of a request to the AI-API. `send.py` is the thin middle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import httpx

from aicore_sync.aicore.wire.basics import Json, read_object
from aicore_sync.core.errors import SyncError, Transient

T = TypeVar("T")

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"  # required by bulk, metrics and docker secret PATCHes


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. `route` has placeholders that `path` fills; `reads` turns the JSON of the answer into a value.

    `group` becomes the AI-Resource-Group header. `secrets` are texts that must not appear in an error message.
    """

    method: str
    route: str
    reads: Callable[[Any], T]
    group: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = field(default=None, repr=False)
    content_type: str = JSON
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def safe(self) -> bool:
        """True when sending it twice is harmless."""
        return self.method == "GET"

    @property
    def name(self) -> str:
        """Method and path, as shown to people; never the query or the body."""
        return f"{self.method} {self.filled}"

    @property
    def filled(self) -> str:
        """The path with its placeholders filled and quoted."""
        return self.route.format_map({name: quote(value, safe="") for name, value in self.path.items()})


def build(call: Call[Any], api_url: str, headers: Mapping[str, str]) -> httpx.Request:
    """The HTTP request; equal calls give equal bytes."""
    query = urlencode(
        {name: value for name, value in call.query.items() if value != ""}, safe="$", quote_via=quote
    )
    sent = {"Accept": JSON, **headers, **call.headers}
    if call.group:
        sent["AI-Resource-Group"] = call.group
    content = b""
    if call.body is not None:
        content = json.dumps(call.body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        sent["Content-Type"] = call.content_type
    url = f"{api_url}{call.filled}" + (f"?{query}" if query else "")
    return httpx.Request(call.method, url, headers=sent, content=content)


def read(call: Call[T], response: httpx.Response) -> T:
    """The value in a good answer. Raises Transient when it is not what the AI-API describes."""
    try:
        body = json.loads(response.text) if response.text.strip() else None
        return call.reads(body)
    except ValueError as error:  # Unreadable and JSONDecodeError are ValueErrors
        raise _bad_answer(call, response, str(error)) from None


def _bad_answer(call: Call[Any], response: httpx.Response, why: str) -> SyncError:
    kind = response.headers.get("content-type", "no content type")
    message = (
        f"the answer {response.status_code} to {call.name} is not what AI Core describes ({kind}): {why}"
    )
    return Transient(message, reason="BadAnswer", ambiguous=not call.safe)


def csv(values: tuple[str, ...]) -> str:
    """A list parameter in `style: form, explode: false`."""
    return ",".join(values)


def get_object(reader: Callable[[Json], T]) -> Callable[[Any], T]:
    """A reader of one object as the reader of a whole answer."""
    return lambda body: reader(read_object(body))
