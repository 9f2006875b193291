"""Webhooks over real HTTP: whose deliveries wake whom, and whose do not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from web_world import NOW, parts

from aicore_sync.web import Hook, HookRoom, WebServer, create_app

SECRET = "s3cret-of-the-hook-1234"
ADDRESS = "https://git.example.com/ml/flows.git"
NEW, OURS = "a" * 40, "b" * 40


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(kind: str, body: bytes, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    """The headers that this sender sends with a push."""
    stamp = str(int(at.timestamp()))
    return {
        "github": {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={sign(body, secret)}"},
        "gitlab": {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret},
        "gitea": {"X-Gitea-Event": "push", "X-Gitea-Signature": sign(body, secret)},
        "bitbucket": {"X-Event-Key": "repo:push", "X-Hub-Signature": f"sha256={sign(body, secret)}"},
        "azureDevops": {"Authorization": "Basic " + base64.b64encode(f"any:{secret}".encode()).decode()},
        "generic": {
            "X-Timestamp": stamp,
            "X-Signature": f"sha256={sign(stamp.encode() + b'.' + body, secret)}",
        },
    }[kind]


def pushed(kind: str, commit: str = NEW) -> object:
    """The parts of a push that matter, as each sender writes them."""
    bitbucket = {"href": "https://git.example.com/ml/flows"}
    return {
        "github": {"after": commit, "repository": {"clone_url": ADDRESS}},
        "gitlab": {"checkout_sha": commit, "project": {"git_http_url": ADDRESS}},
        "gitea": {"after": commit, "repository": {"clone_url": ADDRESS}},
        "bitbucket": {
            "push": {"changes": [{"new": {"target": {"hash": commit}}}]},
            "repository": {"links": {"html": bitbucket}},
        },
        "azureDevops": {
            "eventType": "git.push",
            "resource": {"refUpdates": [{"newObjectId": commit}], "repository": {"remoteUrl": ADDRESS}},
        },
        "generic": {"commit": commit, "repository": ADDRESS},
    }[kind]


KINDS = ("github", "gitlab", "gitea", "bitbucket", "azureDevops", "generic")


@dataclass
class Sleeper:
    """Who is woken; `now` is the server's clock."""

    woken: list[tuple[frozenset[str], frozenset[str]]] = field(default_factory=list)
    now: datetime = NOW

    async def wake(self, names: frozenset[str], addresses: frozenset[str]) -> None:
        self.woken.append((names, addresses))

    @asynccontextmanager
    async def served(self, *hooks: Hook) -> AsyncIterator[httpx.AsyncClient]:
        room = HookRoom(hooks, lambda commit: commit == OURS, self.wake)
        made = replace(parts(), hooks=room, now=lambda: self.now)
        server = WebServer(create_app(made), "127.0.0.1", 0)
        async with httpx.AsyncClient(base_url=await server.start(), timeout=30, trust_env=False) as client:
            yield client
        await server.stop()  # lets answers and what follows them finish


def hook(kind: str, **more: Any) -> Hook:
    return Hook("h", kind, lambda: SECRET, **more)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_signed_push_wakes_once_and_a_wrong_one_never(kind: str) -> None:
    sleeper = Sleeper()
    body = json.dumps(pushed(kind)).encode()
    async with sleeper.served(hook(kind)) as client:
        for wrong in (headers(kind, body, "wrong-secret-1234567"), headers(kind, body, ""), {}):
            answer = await client.post("/hooks/h", content=body, headers=wrong)
            assert answer.status_code == 401
            assert answer.json()["error"]["reason"] == "LoginNeeded"
        if kind not in ("gitlab", "azureDevops"):  # these two do not sign the body
            changed = await client.post("/hooks/h", content=body + b" ", headers=headers(kind, body))
            assert changed.status_code == 401
        assert (await client.post("/hooks/h", content=body, headers=headers(kind, body))).status_code == 202
        again = await client.post("/hooks/h", content=body, headers=headers(kind, body))
        assert (again.status_code, again.json()["message"]) == (200, "this delivery has been here before")
        unknown = await client.post("/hooks/other", content=body, headers=headers(kind, body))
        assert unknown.status_code == 401
    [(names, addresses)] = sleeper.woken
    assert names == frozenset()
    assert addresses & {ADDRESS, "https://git.example.com/ml/flows"}


@pytest.mark.parametrize("kind", KINDS)
async def test_our_own_pushes_and_other_events_wake_nobody(kind: str) -> None:
    sleeper = Sleeper()
    own = json.dumps(pushed(kind, OURS)).encode()
    other = json.dumps(pushed(kind)).encode()
    async with sleeper.served(
        hook(kind), Hook("strict", kind, lambda: SECRET, events=frozenset({"tag"}))
    ) as client:
        answer = await client.post("/hooks/h", content=own, headers=headers(kind, own))
        assert (answer.status_code, answer.json()["message"]) == (200, "this was our own push")
        answer = await client.post("/hooks/strict", content=other, headers=headers(kind, other))
        assert (answer.status_code, answer.json()["message"]) == (200, "this event wakes nobody")
    assert sleeper.woken == []


async def test_named_sources_are_woken_whatever_the_payload_says() -> None:
    sleeper = Sleeper()
    body = b"not json"
    async with sleeper.served(hook("generic", wakes=frozenset({"flows"}))) as client:
        assert (
            await client.post("/hooks/h", content=body, headers=headers("generic", body))
        ).status_code == 202
    assert sleeper.woken == [(frozenset({"flows"}), frozenset())]


async def test_a_delivery_that_woke_nobody_may_come_again() -> None:
    tries: list[int] = []

    async def wake(names: frozenset[str], addresses: frozenset[str]) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("nobody could be woken")

    room = HookRoom((Hook("h", "github", lambda: SECRET),), lambda _: False, wake)
    server = WebServer(create_app(replace(parts(), hooks=room)), "127.0.0.1", 0)
    body = json.dumps(pushed("github")).encode()
    async with httpx.AsyncClient(base_url=await server.start(), trust_env=False) as client:
        answers = [
            await client.post("/hooks/h", content=body, headers=headers("github", body)) for _ in range(3)
        ]
    await server.stop()
    assert [answer.status_code for answer in answers] == [202, 202, 200]
    assert len(tries) == 2


async def test_a_replayed_delivery_is_refused_by_time_and_counts_again_after_the_window() -> None:
    sleeper = Sleeper()
    body = b"{}"
    async with sleeper.served(hook("generic"), Hook("g", "github", lambda: SECRET)) as client:
        for stale in (NOW - timedelta(minutes=6), NOW + timedelta(minutes=6)):
            sent = headers("generic", body, at=stale)
            assert (await client.post("/hooks/h", content=body, headers=sent)).status_code == 401
        for minutes, code in ((0, 202), (9, 200), (11, 202)):
            sleeper.now = NOW + timedelta(minutes=minutes)
            sent = headers("github", body)
            assert (await client.post("/hooks/g", content=body, headers=sent)).status_code == code
    assert len(sleeper.woken) == 2


async def test_a_short_secret_or_a_large_body_is_refused() -> None:
    sleeper = Sleeper()
    short = Hook("short", "gitlab", lambda: "guess")
    async with sleeper.served(short, hook("gitlab")) as client:
        sent = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "guess"}
        assert (await client.post("/hooks/short", content=b"{}", headers=sent)).status_code == 401
        large = b"x" * (3 * 2**20 + 1)
        answer = await client.post("/hooks/h", content=large, headers=headers("gitlab", large))
        assert answer.status_code == 413
    assert sleeper.woken == []


@pytest.mark.parametrize(
    "body", [b"[]", b"[[[" * 50_000, b'{"repository": 3, "push": {"changes": [1]}}', b"\xff"]
)
@pytest.mark.parametrize("kind", KINDS)
async def test_odd_bodies_are_no_error(kind: str, body: bytes) -> None:
    sleeper = Sleeper()
    async with sleeper.served(hook(kind)) as client:
        answer = await client.post("/hooks/h", content=body, headers=headers(kind, body))
        assert answer.status_code in (200, 202)
