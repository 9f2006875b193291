from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
import structlog
from wires import API, KEY, Clock, connected, routes

from aicore_sync.core.errors import Stalled, Transient

META = f"{API}/lm/meta"


def bearer(call: httpx.Request) -> str:
    return str(call.headers["authorization"])


async def test_one_token_for_many_requests_until_its_margin() -> None:
    router, clock = routes(), Clock()
    router.get(META).respond(json={})
    async with connected(router, clock=clock) as client:
        await asyncio.gather(*(client.meta() for _ in range(20)))
        clock.now += 3600 - 301
        await client.meta()
        assert router["token"].call_count == 1
        clock.now += 2
        await client.meta()
    assert router["token"].call_count == 2
    form = router["token"].calls[0].request.content.decode()
    assert form == "grant_type=client_credentials&client_id=client-1&client_secret=s3cret-value"


async def test_a_refused_token_is_dropped_and_the_request_sent_once_more() -> None:
    router = routes()
    router.post(f"{API}/lm/executions").mock(
        side_effect=lambda r: (
            httpx.Response(401, text="Jwt is expired")
            if bearer(r) == "Bearer token-1"
            else httpx.Response(202, json={"id": "e1"})
        )
    )
    async with connected(router) as client:
        group = client.group("default")
        ids = await asyncio.gather(*(group.executions.create("c1") for _ in range(5)))
    assert ids == ["e1"] * 5
    assert router["token"].call_count == 2


async def test_a_second_401_stalls_with_the_issuer_hint() -> None:
    router = routes()
    route = router.get(META).respond(401, text="Jwt issuer is not configured")
    async with connected(router) as client:
        with pytest.raises(
            Stalled, match=r"Jwt issuer is not configured.*key\.json.*tenant and region"
        ) as caught:
            await client.meta()
    assert caught.value.reason == "Unauthorized"
    assert route.call_count == 2


async def test_a_rotated_key_is_used_at_once() -> None:
    router = routes()
    router.get(META).respond(json={})
    keys = [KEY]
    async with connected(router, key=lambda: keys[-1]) as client:
        await client.meta()
        keys.append(replace(KEY, client_secret="rotated"))
        await client.meta()
    assert router["token"].call_count == 2
    assert b"client_secret=rotated" in router["token"].calls[1].request.content


async def test_refused_credentials_stall_and_never_show_the_secret() -> None:
    router = routes()
    router["token"].mock(
        side_effect=None,
        return_value=httpx.Response(
            401, json={"error": "unauthorized", "error_description": "Bad credentials s3cret-value"}
        ),
    )
    async with connected(router) as client:
        with pytest.raises(Stalled) as caught, structlog.testing.capture_logs() as logs:
            await client.meta()
    assert caught.value.reason == "InvalidCredentials"
    assert "Bad credentials ***" in caught.value.message
    assert "zone-a" in caught.value.message
    assert "s3cret" not in repr(caught.value) + repr(logs)
    assert [entry["event"] for entry in logs] == ["aicore_token_failed"]


async def test_a_shaky_token_endpoint_is_retried_even_before_a_write() -> None:
    router = routes()
    router["token"].mock(
        side_effect=[
            httpx.Response(503),
            httpx.ConnectError("refused"),
            httpx.Response(200, text="<html>"),
            httpx.Response(200, json={"access_token": "t", "expires_in": 60}),
        ]
    )
    router.post(f"{API}/lm/executions").respond(202, json={"id": "e1"})
    async with connected(router) as client:
        assert await client.group("default").executions.create("c1") == "e1"


async def test_without_a_token_a_write_was_not_sent() -> None:
    router = routes()
    router["token"].mock(side_effect=httpx.ConnectError("no route"))
    clock = Clock()
    async with connected(router, clock=clock, deadline=0.0) as client:
        with pytest.raises(Transient) as caught:
            await client.group("default").executions.create("c1")
    assert not caught.value.ambiguous
    assert caught.value.reason == "TokenUnavailable"


async def test_a_cancelled_request_does_not_cancel_the_refresh_of_the_others() -> None:
    router = routes()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return httpx.Response(200, json={"access_token": "t", "expires_in": 60})

    router["token"].mock(side_effect=slowly)
    router.get(META).respond(json={})
    async with connected(router) as client:
        first = asyncio.create_task(client.meta())
        await asyncio.wait_for(asked.wait(), 5)
        second = asyncio.create_task(client.meta())
        first.cancel()
        await asyncio.wait([first])
        answer.set()
        await asyncio.wait_for(second, 5)
    assert router["token"].call_count == 1
