"""How fast a tenant is asked: places, and the gap that a 429 opens and good answers close."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import API, connected, routes

from aicore_sync.aicore.pace import Gap
from aicore_sync.core.errors import Transient


def test_the_gap_opens_with_refusals_and_closes_with_answers() -> None:
    gap = Gap()
    gap.take(0.0)
    assert gap.wait(0.0) == 0.0, "nothing is slowed down without a reason"
    gap.refused(0.0, None)
    gap.refused(0.5, None)  # was under way with the first
    assert gap.seconds == 0.1
    gap.refused(2.0, 30.0)
    assert (gap.seconds, gap.wait(2.0)) == (0.2, 30.0)
    gap.take(32.0)
    assert gap.wait(32.0) == pytest.approx(0.2)
    for _ in range(40):
        gap.answered()
    assert gap.seconds == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=80))
def test_the_gap_stays_within_its_bounds_and_always_lets_go(steps: list[tuple[bool, float]]) -> None:
    gap, now = Gap(), 0.0
    for refused, pause in steps:
        now += pause
        if refused:
            gap.refused(now, None)
        else:
            gap.answered()
        assert 0.0 <= gap.seconds <= gap.most
        assert gap.wait(now) <= gap.most + 1e-9
        gap.take(now + gap.wait(now))
        now += gap.wait(now)


async def test_no_more_requests_than_places_are_under_way() -> None:
    router = routes()
    now, most, release = 0, 0, asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 3:
            release.set()
        await release.wait()
        now -= 1
        return httpx.Response(200, json={"id": "x", "count": 0, "resources": []})

    router.get(url__startswith=f"{API}/lm/configurations").mock(side_effect=slow)
    async with connected(router, at_once=3) as client:
        await asyncio.gather(*(client.group("default").configurations.list() for _ in range(12)))
    assert most == 3


async def test_a_write_does_not_wait_long_for_its_turn_and_was_not_sent() -> None:
    router = routes()
    busy = httpx.Response(429, headers={"Retry-After": "60"}, json={"error": {"message": "slow down"}})
    created = router.post(f"{API}/lm/executions").mock(return_value=busy)
    async with connected(router) as client:
        for expected in (1, 1):
            with pytest.raises(Transient) as refused:
                await client.group("default").executions.create("c")
            assert (refused.value.reason, refused.value.ambiguous) == ("RateLimited", False)
            assert created.call_count == expected, "the second never left"
        assert (refused.value.retry_after or 0) > 50


async def test_after_a_429_reads_go_one_after_the_other_and_all_arrive() -> None:
    router = routes()
    page = httpx.Response(200, json={"count": 0, "resources": []})
    route = router.get(url__startswith=f"{API}/lm/configurations")
    route.mock(side_effect=[httpx.Response(429, headers={"Retry-After": "0"}), *[page] * 8])
    async with connected(router, deadline=30.0) as client:
        await asyncio.gather(*(client.group("default").configurations.list() for _ in range(8)))
    assert route.call_count == 9
