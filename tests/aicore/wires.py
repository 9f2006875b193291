"""A client whose network is a router in the test; everything above the transport is real."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import respx

from aicore_sync.aicore import AICore, ClientOptions, ServiceKey

API = "https://api.ai.test/v2"
KEY = ServiceKey(
    client_id="client-1",
    client_secret="s3cret-value",
    api_url=API,
    token_url="https://auth.test/oauth/token",
    zone="zone-a",
    source="key.json",
)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def routes() -> respx.MockRouter:
    """A router that grants tokens `token-1`, `token-2`, …"""
    router = respx.MockRouter(assert_all_called=False)
    granted = iter(range(1, 1000))
    router.post(KEY.token_url, name="token").mock(
        side_effect=lambda _: httpx.Response(
            200, json={"access_token": f"token-{next(granted)}", "expires_in": 3600}
        )
    )
    return router


@asynccontextmanager
async def connected(
    router: respx.MockRouter,
    *,
    key: Callable[[], ServiceKey] = lambda: KEY,
    clock: Callable[[], float] | None = None,
    **options: Any,
) -> AsyncIterator[AICore]:
    """A client with retries too short to be noticed."""
    fast = ClientOptions(**{"tenant": "dev", "backoff": 0.001, "attempt": 5.0, "deadline": 2.0, **options})
    client = AICore(
        fast,
        key,
        clock=clock or Clock(),
        rng=random.Random(1),
        transport=httpx.MockTransport(router.async_handler),
    )
    async with client:
        yield client
