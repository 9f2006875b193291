"""How each sender signs, names its events and its repository. Pure.

Sources: GitHub "Validating webhook deliveries"; GitLab "Webhooks: secret token"; Bitbucket "Secure webhooks"; Gitea
"Webhooks: signature"; Azure DevOps "Web Hooks: basic authentication". `generic` signs the time with the body, as
Slack and Stripe do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

CLOCKS = timedelta(minutes=5)  # how far a sender's clock may be from ours
SHORTEST_SECRET = 16
SIGNATURE, TIMESTAMP = "x-signature", "x-timestamp"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


@dataclass(frozen=True)
class Delivery:
    """What was sent; header names are in lower case. `now` is when it came."""

    headers: Mapping[str, str]
    body: bytes
    now: datetime


@dataclass(frozen=True)
class News:
    """What a delivery says: which event, which commits branches point at now, under which addresses it is known.

    Believed for nothing but which source to look at.
    """

    event: str
    commits: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sender:
    """`signed` takes the same time for every wrong signature; `events` count where none are configured, {}: all."""

    signed: Callable[[Delivery, str], bool]
    read: Callable[[Delivery, Any], News]
    events: frozenset[str] = frozenset()


def _hexadecimal(header: str, prefix: str = "") -> Callable[[Delivery, str], bool]:
    def signed(delivery: Delivery, secret: str) -> bool:
        expected = prefix + hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        return _same(delivery.headers.get(header, ""), expected)

    return signed


def _token(delivery: Delivery, secret: str) -> bool:
    return _same(delivery.headers.get("x-gitlab-token", ""), secret)


def _basic(delivery: Delivery, secret: str) -> bool:
    """The password counts; the user name is the sender's own business."""
    scheme, _, value = delivery.headers.get("authorization", "").partition(" ")
    try:
        password = base64.b64decode(value, validate=True).partition(b":")[2].decode()
    except (binascii.Error, UnicodeDecodeError):
        password = ""
    return _same(password, secret) and scheme.lower() == "basic"


def _timed(delivery: Delivery, secret: str) -> bool:
    """HMAC over `<seconds since 1970>.<body>`, in hexadecimal behind `sha256=` or `sha512=`."""
    stamp = delivery.headers.get(TIMESTAMP, "")
    method, _, given = delivery.headers.get(SIGNATURE, "").partition("=")
    content = stamp.encode() + b"." + delivery.body
    expected = hmac.new(secret.encode(), content, _HASHES.get(method, hashlib.sha256)).hexdigest()
    right = _same(given, expected) and method in _HASHES
    near = stamp.isascii() and stamp.isdecimal() and len(stamp) < 12
    return right and near and abs(delivery.now.timestamp() - int(stamp)) <= CLOCKS.total_seconds()


def _same(given: str, expected: str) -> bool:
    """In constant time, whatever the lengths; a short secret fits nothing."""
    one, other = hashlib.sha256(given.encode()).digest(), hashlib.sha256(expected.encode()).digest()
    return hmac.compare_digest(one, other) and len(expected) >= SHORTEST_SECRET


def _git(header: str) -> Callable[[Delivery, Any], News]:
    """GitHub, Gitea and GitLab: the new commit under `after`, the repository's addresses beside its name."""

    def read(delivery: Delivery, body: Any) -> News:
        places = (_at(body, "repository"), _at(body, "project"))
        names = (
            "clone_url",
            "ssh_url",
            "git_url",
            "html_url",
            "git_http_url",
            "git_ssh_url",
            "http_url",
            "web_url",
        )
        addresses = (_at(place, name) for place in places for name in names)
        commits = (_at(body, "after"), _at(body, "checkout_sha"))
        return News(delivery.headers.get(header, ""), _words(commits), _words(addresses))

    return read


def _bitbucket(delivery: Delivery, body: Any) -> News:
    changes = [*_list(_at(body, "push", "changes")), *_list(_at(body, "changes"))]
    commits = [_at(c, "new", "target", "hash") or _at(c, "toHash") for c in changes]
    links = _at(body, "repository", "links")
    addresses = [_at(links, "html", "href")]
    addresses += [_at(one, "href") for one in _list(_at(links, "clone")) + _list(_at(links, "self"))]
    return News(delivery.headers.get("x-event-key", ""), _words(commits), _words(addresses))


def _azure(delivery: Delivery, body: Any) -> News:
    resource = _at(body, "resource")
    commits = [_at(update, "newObjectId") for update in _list(_at(resource, "refUpdates"))]
    addresses = [_at(resource, "repository", name) for name in ("remoteUrl", "sshUrl", "url")]
    return News(str(_at(body, "eventType") or ""), _words(commits), _words(addresses))


def _generic(delivery: Delivery, body: Any) -> News:
    commits, addresses = (_at(body, "commit"),), (_at(body, "repository"),)
    return News(delivery.headers.get("x-event", ""), _words(commits), _words(addresses))


SENDERS: Mapping[str, Sender] = {
    "github": Sender(
        _hexadecimal("x-hub-signature-256", "sha256="), _git("x-github-event"), frozenset({"push"})
    ),
    "gitlab": Sender(_token, _git("x-gitlab-event"), frozenset({"Push Hook", "Tag Push Hook"})),
    "gitea": Sender(_hexadecimal("x-gitea-signature"), _git("x-gitea-event"), frozenset({"push"})),
    "bitbucket": Sender(
        _hexadecimal("x-hub-signature", "sha256="), _bitbucket, frozenset({"repo:push", "repo:refs_changed"})
    ),
    "azureDevops": Sender(_basic, _azure, frozenset({"git.push"})),
    "generic": Sender(_timed, _generic),
}


def news_of(sender: Sender, delivery: Delivery) -> News:
    """What a delivery says; a body that is no JSON says nothing but its event."""
    try:
        body = json.loads(delivery.body)
    except (ValueError, RecursionError):
        body = None
    return sender.read(delivery, body)


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(values: Any) -> frozenset[str]:
    return frozenset(_texts(values))


def _texts(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str) and value.strip("0"):  # forty zeros stand for a branch that was deleted
            yield value
