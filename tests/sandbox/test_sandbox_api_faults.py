"""Faults on order: each one seen from the client's side of the wire."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from callers import Caller

pytest_plugins = ["sandbox_fixtures"]
pytestmark = pytest.mark.asyncio(loop_scope="session")
ARTIFACT = {"name": "cases", "kind": "dataset", "url": "ai://default/cases", "scenarioId": "lab-scenario"}


async def count(call: Caller) -> int:
    return int((await call("GET", "/lm/artifacts")).body["count"])


async def test_a_refusal_strikes_as_often_as_ordered(call: Caller) -> None:
    await call.sandbox.faults({"route": "/lm/artifacts$", "method": "GET", "status": 429, "retryAfter": 7, "count": 1,
                               "body": "slow down"})  # fmt: skip
    answer = await call.http.get("/v2/lm/artifacts")
    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (429, "7", "slow down")
    assert await count(call) == 0


async def test_a_reset_has_no_answer_and_no_effect(call: Caller) -> None:
    await call.sandbox.faults({"route": "/lm/artifacts", "reset": True, "count": 1})
    with pytest.raises(httpx.TransportError):
        await call("POST", "/lm/artifacts", ARTIFACT)
    assert await count(call) == 0
    last = [r for r in await call.sandbox.requests() if r["tenant"] == call.tenant and r["method"] == "POST"][
        -1
    ]
    assert (last["path"], last["status"], last["resourceGroup"]) == ("/v2/lm/artifacts", None, "default")


async def test_a_post_is_applied_without_an_answer(call: Caller) -> None:
    await call.sandbox.faults(
        {"route": "/lm/artifacts", "method": "POST", "applyThenReset": True, "count": 1}
    )
    with pytest.raises(httpx.TransportError):
        await call("POST", "/lm/artifacts", ARTIFACT)
    assert await count(call) == 1


@pytest.mark.parametrize("fault", [{}, {"applyThenReset": True}, {"status": 503}])
async def test_a_client_that_does_not_wait_changes_nothing_of_what_happens(
    call: Caller, fault: dict[str, object]
) -> None:
    await call.sandbox.faults(
        {"route": "/lm/artifacts", "method": "POST", "latency": 0.5, "count": 1, **fault}
    )
    headers = {"Authorization": f"Bearer {call.token}", "AI-Resource-Group": "default"}
    with pytest.raises(httpx.ReadTimeout):
        await call.http.post("/v2/lm/artifacts", json=ARTIFACT, headers=headers, timeout=0.1)
    assert await count(call) == 0
    await asyncio.sleep(1)
    assert await count(call) == (0 if "status" in fault else 1)


async def test_latency_delays_and_lets_through(call: Caller) -> None:
    await call.sandbox.faults({"route": "/lm/artifacts", "latency": 0.2})
    began = time.monotonic()
    assert await count(call) == 0
    assert time.monotonic() - began >= 0.2


async def test_stale_lists_are_bounded(call: Caller) -> None:
    await call.sandbox.faults(staleLists=20)
    made = (await call("POST", "/lm/artifacts", ARTIFACT)).body["id"]
    assert await count(call) == 0
    assert int((await call("GET", "/lm/artifacts/$count")).body) == 0
    assert (await call("GET", f"/lm/artifacts/{made}")).status == 200, "only lists are stale"
    await call.sandbox.clock(advance=21)
    assert await count(call) == 1


async def test_tokens_expire_on_order_and_by_time(call: Caller) -> None:
    key = call.sandbox.service_keys[call.tenant]
    form = {
        "grant_type": "client_credentials",
        "client_id": key["clientid"],
        "client_secret": key["clientsecret"],
    }
    await call.sandbox.faults(expireTokens=True)
    assert (await call("GET", "/lm/artifacts")).status == 401
    call.token = (await call.http.post("/oauth/token", data=form)).json()["access_token"]
    assert (await call("GET", "/lm/artifacts")).status == 200
    await call.sandbox.clock(advance=50_000)
    answer = await call("GET", "/lm/artifacts")
    assert (answer.status, answer.body) == (401, "Jwt is expired")
