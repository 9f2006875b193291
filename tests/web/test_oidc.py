"""The login by OpenID Connect against a provider over real HTTP: a key pair, a signed id token, a code used once."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwk, jwt
from web_world import parts

from aicore_sync.web import OidcClient, WebServer, create_app

PUBLIC = "http://aicore-sync.test"


@dataclass
class Provider:
    """Says who logs in: `claims`. `url` is known once it is served."""

    claims: dict[str, Any] = field(
        default_factory=lambda: {"email": "mira@example.com", "groups": ["ml-operators"]}
    )
    key: jwk.RSAKey = field(default_factory=lambda: jwk.RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}))
    url: str = ""
    audience: str = "aicore-sync"
    asked: dict[str, str] = field(default_factory=dict)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def description() -> dict[str, Any]:
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }

        @app.get("/keys")
        async def keys() -> dict[str, Any]:
            return {"keys": [self.key.as_dict(private=False)]}

        @app.get("/authorize")
        async def authorize(request: Request) -> Response:
            self.asked = dict(request.query_params)
            return RedirectResponse(f"{self.asked['redirect_uri']}?code=c0de&state={self.asked['state']}")

        @app.post("/token")
        async def token(request: Request) -> Response:
            sent = dict(parse_qsl((await request.body()).decode()))
            challenge = hashlib.sha256(sent["code_verifier"].encode()).digest()
            proof = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
            if sent.get("code") != "c0de" or proof != self.asked.pop("code_challenge", ""):
                return JSONResponse({"error": "invalid_grant"}, 400)
            now = int(time.time())
            claims = {"iss": self.url, "aud": self.audience, "sub": "u-1", "iat": now, "exp": now + 300}
            claims |= {"nonce": self.asked["nonce"], **self.claims}
            signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
            return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": signed})

        return app


@asynccontextmanager
async def window(provider: Provider) -> AsyncIterator[httpx.AsyncClient]:
    theirs = WebServer(provider.app(), "127.0.0.1", 0)
    provider.url = await theirs.start()
    client = OidcClient(
        provider.url, "aicore-sync", lambda: "client-secret-1", allow=frozenset({"ml-operators"})
    )
    ours = WebServer(create_app(parts(oidc=client, public_url=PUBLIC)), "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=await ours.start(), timeout=30, trust_env=False) as browser:
        yield browser
    await ours.stop()
    await theirs.stop()


async def through(browser: httpx.AsyncClient, state: str | None = None) -> httpx.Response:
    """Follow the login to the provider and back, as a browser would."""
    away = await browser.get("/login/oidc", params={"next": "/events"})
    assert away.status_code == 302, away.text
    async with httpx.AsyncClient(trust_env=False, timeout=30) as outside:
        back = await outside.get(away.headers["location"])
    address = urlsplit(back.headers["location"])
    assert f"{address.scheme}://{address.netloc}" == PUBLIC
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    return await browser.get(address.path, params=query | ({"state": state} if state else {}))


async def who(browser: httpx.AsyncClient) -> str | None:
    found: str | None = (await browser.get("/api/v1/whoami")).json()["user"]
    return found


async def test_a_login_names_the_user_and_returns_to_the_page() -> None:
    provider = Provider()
    async with window(provider) as browser:
        done = await through(browser)
        assert (done.status_code, done.headers["location"]) == (303, "/events")
        assert await who(browser) == "mira@example.com"
        assert provider.asked["code_challenge_method"] == "S256"
        assert "client-secret-1" not in str(provider.asked)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@example.com", "groups": ["others"]},
        {"email": "eve@example.com"},
        {"email": "mira@example.com", "groups": ["ml-operators"], "exp": 1},
        {"email": "mira@example.com", "groups": ["ml-operators"], "aud": "another-client"},
        {"email": "mira@example.com", "groups": ["ml-operators"], "nonce": "made-up"},
    ],
)
async def test_who_may_not_act_or_whose_token_does_not_hold_is_nobody(claims: dict[str, Any]) -> None:
    async with window(Provider(claims)) as browser:
        assert (await through(browser)).status_code in (403, 503)
        assert await who(browser) is None


async def test_an_answer_that_we_did_not_ask_for_is_refused() -> None:
    async with window(Provider()) as browser:
        assert (await through(browser, state="made-up")).status_code == 403
        assert await who(browser) is None


async def test_an_unverified_address_names_nobody() -> None:
    claims = {"email": "mira@example.com", "email_verified": False, "groups": ["ml-operators"]}
    async with window(Provider(claims)) as browser:
        await through(browser)
        assert await who(browser) == "u-1"
