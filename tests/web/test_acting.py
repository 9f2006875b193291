"""Who may act, over real HTTP: tokens, sessions, forms of other sites."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from web_world import NOW, TOKEN, MadeUpDesk, parts

from aicore_sync.core.errors import InvalidInput, Problem, Stalled, SyncError, Transient
from aicore_sync.web import Parts, TokenHolder, WebServer, create_app

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def served(made: Parts) -> AsyncIterator[httpx.AsyncClient]:
    server = WebServer(create_app(made), "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=await server.start(), timeout=30, trust_env=False) as client:
        yield client
    await server.stop()


ACTS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("sync", {"flow": "churn-train"}, ("sync", "pipeline", "churn-train in every environment")),
    ("sync", {}, ("sync", "pipeline", "everything")),
    (
        "suspend",
        {"flow": "churn-train", "environment": "dev", "reason": "quarter end"},
        ("suspend", "pipeline", "churn-train in dev", "quarter end"),
    ),
    ("suspend", {"all": True}, ("suspend", "pipeline", "everything", "")),
    (
        "rollback",
        {"flow": "churn-train@team-a", "to": "4f9d2c1a", "reason": "wrong numbers"},
        ("rollback", "pipeline", "churn-train@team-a", "4f9d2c1a", "wrong numbers"),
    ),
    ("rollback", {"flow": "churn-train"}, ("rollback", "pipeline", "churn-train", "", "")),
    ("rollback/undo", {"flow": "churn-train"}, ("end_rollback", "pipeline", "churn-train")),
    ("resume", {"environment": "dev"}, ("resume", "pipeline", "environment dev", "")),
    ("confirm", {"fingerprint": "0123456789ab"}, ("confirm", "pipeline", "0123456789ab")),
    (
        "trigger",
        {"flow": "churn-train", "configuration": "nightly"},
        ("trigger", "pipeline", "churn-train in every environment", "nightly"),
    ),
    ("stop", {"execution": "e-1", "environment": "dev"}, ("stop", "pipeline", "e-1", "dev")),
]


@pytest.mark.parametrize(("act", "body", "asked"), ACTS)
async def test_a_token_acts_in_its_name(act: str, body: dict[str, Any], asked: tuple[str, ...]) -> None:
    desk = MadeUpDesk()
    async with served(parts(desk=desk)) as client:
        answer = await client.post(f"/api/v1/{act}", json=body, headers=BEARER)
        said = {"message": f"done: {asked[0]}", "by": "pipeline"}
        assert (answer.status_code, answer.json() | said) == (202, answer.json())
        assert ("since" in answer.json()) is act.startswith(("sync", "rollback"))
        refused = await client.post(f"/api/v1/{act}", json=body)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert desk.asked == [asked]


@pytest.mark.parametrize(
    ("act", "body", "key"),
    [
        ("sync", {"flo": "churn-train"}, "flo"),
        ("suspend", {"flow": "churn-train", "enviroment": "dev"}, "enviroment"),
        ("resume", {"environment": "dev", "flwo": "churn-train"}, "flwo"),
        ("trigger", {"flow": "churn-train", "config": "nightly"}, "config"),
        ("stop", {"execution": "e-1", "env": "dev"}, "env"),
        ("confirm", {"fingerprint": "0123456789ab", "x": 1}, "x"),
    ],
)
async def test_a_key_that_is_not_known_does_nothing(act: str, body: dict[str, Any], key: str) -> None:
    desk = MadeUpDesk()
    async with served(parts(desk=desk)) as client:
        answer = await client.post(f"/api/v1/{act}", json=body, headers=BEARER)
        assert answer.status_code == 422, "with it left out, more would be meant"
        assert answer.json()["error"]["message"].startswith(f"{key}: there is no such key")
    assert desk.asked == []


async def test_nobody_acts_where_no_login_is_configured() -> None:
    desk = MadeUpDesk()
    async with served(parts(desk=desk, tokens=())) as client:
        answer = await client.post("/api/v1/sync", json={}, headers=BEARER)
        assert answer.status_code == 403
        assert "http.login" in answer.json()["error"]["message"]
        assert "Log in" not in (await client.get("/")).text
    assert desk.asked == []


@pytest.mark.parametrize("header", ["Bearer wrong-token-wrong-token", "Bearer", f"Bearer {TOKEN}x"])
async def test_a_wrong_token_is_refused_even_where_reading_is_free(
    header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aicore_sync.web.auth.doorman.PAUSE", 0.01)
    async with served(parts()) as client:
        for path in ("/api/v1/status", "/api/v1/whoami"):
            assert (await client.get(path, headers={"Authorization": header})).status_code == 401
        who = (await client.get("/api/v1/whoami", headers=BEARER)).json()
        assert who == {"user": "pipeline", "login": True}


async def test_a_wrong_token_costs_a_moment_and_is_logged() -> None:
    async with served(parts()) as client:
        with capture_logs() as logs:
            begun = time.monotonic()
            await client.get("/api/v1/status", headers={"Authorization": "Bearer wrong-token-wrong"})
            assert time.monotonic() - begun > 0.4
    assert [(line["event"], line["path"]) for line in logs] == [("token_refused", "/api/v1/status")]
    assert "wrong-token" not in repr(logs)


async def test_the_password_of_a_proxy_is_nobody_and_no_proof() -> None:
    async with served(parts()) as client:
        proxied = {"Authorization": "Basic cGlwZWxpbmU6eA=="}
        assert (await client.get("/", headers=proxied)).status_code == 200
        assert (await client.post("/api/v1/sync", json={}, headers=proxied)).status_code == 401
        await log_in(client)
        assert (await client.get("/api/v1/whoami", headers=proxied)).json()["user"] == "pipeline"
        answer = await client.post("/api/v1/sync", json={}, headers=proxied)
        assert answer.status_code == 403, "a cookie needs the form's proof all the same"


async def test_a_session_ends_when_it_should_whatever_was_done_in_it() -> None:
    now = [NOW]
    ours = replace(parts(session=3600.0), now=lambda: now[0])
    async with served(ours) as client:
        await log_in(client)
        for minute in (20, 40, 59):
            now[0] = NOW + timedelta(minutes=minute)
            fields = {"csrf": csrf_of((await client.get("/flows/churn-train/dev")).text), "verb": "sync"}
            assert (await client.post("/act", data=fields)).status_code == 303
            assert (await client.get("/api/v1/whoami")).json()["user"] == "pipeline"
        now[0] = NOW + timedelta(minutes=60)
        assert (await client.get("/api/v1/whoami")).json()["user"] is None


async def test_a_short_or_unreadable_secret_opens_nothing() -> None:
    def unreadable() -> str:
        raise InvalidInput([Problem("config.yaml", 0, "http.login.tokens[0]", "nothing", "a secret")])

    holders = (TokenHolder("short", lambda: "guess"), TokenHolder("gone", unreadable))
    async with served(parts(tokens=holders)) as client:
        answer = await client.get("/api/v1/whoami", headers={"Authorization": "Bearer guess"})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Stalled("there is no flow x", reason="NotFound"), 404),
        (Stalled("another run goes on", reason="ConcurrencyHeld"), 409),
        (Transient("git is away", reason="Unreachable", retry_after=7.2), 503),
        (InvalidInput([Problem("request", 0, "flow", "none", "one")]), 422),
    ],
)
async def test_refusals_keep_their_words_and_reason(error: SyncError, code: int) -> None:
    async with served(parts(desk=MadeUpDesk(error=error))) as client:
        answer = await client.post("/api/v1/sync", json={}, headers=BEARER)
        body = answer.json()["error"]
        assert (answer.status_code, body["reason"], body["message"]) == (code, error.reason, error.message)
        assert answer.headers.get("retry-after") == ("7" if code == 503 else None)


@pytest.mark.parametrize(
    ("act", "body", "named"),
    [
        ("suspend", {}, "all: true"),
        ("suspend", {"flow": "../x"}, "flow"),
        ("confirm", {"fingerprint": "../../x"}, "fingerprint"),
        ("trigger", {}, "flow"),
        ("rollback", {"to": "4f9d2c1a"}, "flow"),
        ("rollback", {"flow": "a@b@c"}, "flow"),
        ("rollback/undo", {"flow": "a", "to": "4f9d2c1a"}, "to"),
        ("stop", {"execution": "a/b"}, "execution"),
    ],
)
async def test_what_is_wrong_with_a_request_is_named(act: str, body: dict[str, Any], named: str) -> None:
    async with served(parts()) as client:
        answer = await client.post(f"/api/v1/{act}", json=body, headers=BEARER)
        assert answer.status_code == 422
        assert named in answer.json()["error"]["message"]


async def log_in(client: httpx.AsyncClient, token: str = TOKEN, back: str = "/") -> httpx.Response:
    return await client.post("/login", data={"token": token, "next": back})


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_a_browser_logs_in_with_a_token_and_out_again() -> None:
    async with served(parts()) as client:
        assert (await log_in(client, "wrong")).status_code == 403
        answer = await log_in(client, back="/flows/churn-train/dev")
        assert (answer.status_code, answer.headers["location"]) == (303, "/flows/churn-train/dev")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert TOKEN not in answer.headers["set-cookie"]
        assert (await client.get("/api/v1/whoami")).json()["user"] == "pipeline"
        assert "pipeline" in (await client.get("/")).text
        await client.post("/logout")
        assert (await client.get("/api/v1/whoami")).json()["user"] is None


async def test_a_session_acts_only_with_the_pages_own_proof() -> None:
    desk = MadeUpDesk()
    async with served(parts(desk=desk)) as client:
        await log_in(client)
        for act, body, _ in ACTS:
            assert (await client.post(f"/api/v1/{act}", json=body)).status_code == 403, act
        wrong = {"X-CSRF-Token": "made-up"}
        assert (await client.post("/api/v1/sync", json={}, headers=wrong)).status_code == 403
        good = {"X-CSRF-Token": csrf_of((await client.get("/flows/churn-train/dev")).text)}
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.com"}):
            answer = await client.post("/api/v1/sync", json={}, headers=good | header)
            assert answer.status_code == 403
        assert desk.asked == []
        assert (await client.post("/api/v1/sync", json={}, headers=good)).status_code == 202
    assert [words[1] for words in desk.asked] == ["pipeline"]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (
            {"verb": "rollback", "flow": "a-dev@t", "to": "4f9d2c1a"},
            ("rollback", "pipeline", "a-dev@t", "4f9d2c1a", ""),
        ),
        ({"verb": "endRollback", "flow": "a-dev@t"}, ("end_rollback", "pipeline", "a-dev@t")),
        ({"verb": "rollback", "flow": "a-dev@t"}, None),
    ],
)
async def test_a_form_rolls_back(fields: dict[str, str], asked: tuple[str, ...] | None) -> None:
    desk = MadeUpDesk()
    async with served(parts(desk=desk)) as client:
        await log_in(client)
        csrf = csrf_of((await client.get("/flows/churn-train/dev")).text)
        assert (await client.post("/act", data=fields)).status_code == 403
        assert (await client.post("/act", data=fields | {"csrf": csrf})).status_code == 303
    assert desk.asked == ([asked] if asked else [])


@pytest.mark.parametrize(
    "back", ["//evil.example.com", "https://evil.example.com", "/\\evil.example.com", ""]
)
async def test_a_login_never_leads_to_another_site(back: str) -> None:
    async with served(parts()) as client:
        assert (await log_in(client, back=back)).headers["location"] == "/"


async def test_a_session_ends_with_its_token() -> None:
    tokens = [TOKEN]
    async with served(parts(tokens=(TokenHolder("pipeline", lambda: tokens[0]),))) as client:
        await log_in(client)
        tokens[0] = "another-token-of-it"
        assert (await client.get("/api/v1/whoami")).json()["user"] is None


async def test_a_forged_cookie_is_nobody() -> None:
    async with served(parts(session_key="another key " * 3)) as other:
        forged = (await log_in(other)).cookies["aicore-sync"]
    async with served(parts()) as client:
        client.cookies.set("aicore-sync", forged)
        assert (await client.get("/api/v1/whoami")).json()["user"] is None


async def test_where_reading_needs_a_login_only_probes_answer_without_one() -> None:
    async with served(parts(required=True)) as client:
        page = await client.get("/flows/churn-train/dev")
        assert (page.status_code, page.headers["location"]) == (
            303,
            "/login?next=%2Fflows%2Fchurn-train%2Fdev",
        )
        for path in ("/api/v1/status", "/api/v1/openapi.json"):
            assert (await client.get(path)).status_code == 401, path
        page = await client.get("/?q=churn+dev&page=2")
        form = await client.get(page.headers["location"])
        assert 'value="/?q=churn+dev&amp;page=2"' in form.text, "it leads back to what was asked for"
        for path in ("/healthz", "/readyz", "/metrics", "/login", "/static/style.css"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/api/v1/info")).json() == {"owner": "team-a", "version": "0.1.0"}
        assert (await client.get("/api/v1/status", headers=BEARER)).status_code == 200
        await log_in(client)
        assert (await client.get("/")).status_code == 200


async def test_a_large_form_is_not_read() -> None:
    async with served(parts()) as client:
        answer = await client.post("/login", data={"token": "x" * 100_000})
        assert answer.status_code == 413
