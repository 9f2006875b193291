"""What AI Core refused of a template, and what people declined: one file each on the state branch, so that it is not
published or proposed again and again.

    refused/<tenant>/<executable>.json
    declined/<tenant>/<executable>.json

A refusal does not last for ever: what AI Core lacked may be there by now, so the same content has another try, ever
more rarely, and at once when a person asks for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aicore_sync.core.model import TemplateKey

FIRST_AGAIN = timedelta(hours=1)
AT_MOST = timedelta(hours=24)
MOST_REFUSED = 50  # digests of refused versions that are remembered


@dataclass(frozen=True)
class Refusal:
    """AI Core refused a template of ours: which (`template_digest`), in its words, when, and what stood there before.

    `tries` counts how often this content was refused. `again`: since `at` it has another try. `all` are the digests
    that AI Core has refused since it last took one: none of them is what to go back to.
    """

    template_digest: str
    message: str
    at: datetime
    tries: int = 1
    again: bool = False
    previous: bytes | None = None
    all: tuple[str, ...] = ()

    @property
    def due(self) -> datetime:
        """When it has another try by itself."""
        return self.at + min(FIRST_AGAIN * (1 << min(self.tries - 1, 10)), AT_MOST)

    def retried(self, now: datetime) -> Refusal:
        """With another try that begins now."""
        return replace(self, at=now.replace(microsecond=0), again=True)

    def encoded(self) -> bytes:
        """The content of its file."""
        record = {
            "templateDigest": self.template_digest,
            "message": self.message,
            "all": list(self.all),
            "at": self.at.isoformat(),
            "tries": self.tries,
            "again": self.again,
        }
        return json.dumps(record, sort_keys=True).encode() + b"\n"


def refusal_path(key: TemplateKey) -> str:
    """Where the state branch keeps what AI Core refused."""
    return f"refused/{key.tenant}/{key.executable}.json"


def read_refusal(data: bytes | None) -> Refusal | None:
    """What a file says; None without one that can be read. What stood there before is not in it."""
    if data is None:
        return None
    try:
        record = json.loads(data)
        at = datetime.fromisoformat(record["at"])
        return Refusal(
            str(record["templateDigest"]),
            str(record.get("message", "")),
            at if at.tzinfo else at.replace(tzinfo=UTC),
            tries=max(1, int(record.get("tries", 1))),
            again=bool(record.get("again", False)),
            all=tuple(map(str, record.get("all", ()))),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class Declined:
    """People closed the request at `url` without merging the template with this digest, or with "" its removal.

    `again`: somebody wants them to be asked once more.
    """

    digest: str
    url: str
    again: bool = False

    def encoded(self) -> bytes:
        """The content of its file."""
        record = {"templateDigest": self.digest, "url": self.url, "again": self.again}
        return json.dumps(record, sort_keys=True).encode() + b"\n"


def declined_path(key: TemplateKey) -> str:
    """Where the state branch keeps what people declined."""
    return f"declined/{key.tenant}/{key.executable}.json"


def read_declined(data: bytes | None) -> Declined | None:
    """What a file says; None without one that can be read."""
    if data is None:
        return None
    try:
        record = json.loads(data)
        return Declined(str(record["templateDigest"]), str(record["url"]), bool(record.get("again", False)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def refused(digest: str, words: str, before: Refusal | None, now: datetime) -> Refusal:
    """A refusal of now, after what was refused before."""
    known = before.all if before else ()
    tries = before.tries + 1 if before and before.template_digest == digest else 1
    every = (*(d for d in known if d != digest), digest)[-MOST_REFUSED:]
    return Refusal(digest, words, now.replace(microsecond=0), tries, all=every)
