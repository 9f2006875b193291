from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import structlog
from wires import API, connected, routes

from aicore_sync.aicore import LogLine

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def line(milliseconds: float, text: str) -> LogLine:
    return LogLine(START + timedelta(milliseconds=milliseconds), text)


def served(lines: list[LogLine], *, inclusive: bool = True) -> Any:
    """The log endpoint: a window, a page size, an order. Whether `start` is in the window is not documented."""

    def answer(request: httpx.Request) -> httpx.Response:
        start = datetime.fromisoformat(request.url.params["start"])
        inside = [at for at in lines if (at.time >= start if inclusive else at.time > start)]
        if request.url.params["$order"] == "desc":
            inside.reverse()
        page = inside[: int(request.url.params["$top"])]
        result = [{"timestamp": at.time.isoformat(), "msg": at.text, "pod": at.pod} for at in page]
        return httpx.Response(200, json={"data": {"result": result}})

    return answer


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("page", [4, 7, 100])
async def test_no_line_is_lost_or_doubled(page: int, inclusive: bool) -> None:
    lines = [line(10 + n / 2, "same text" if n % 3 else f"line {n}") for n in range(40)]
    lines.insert(5, lines[5])  # a program may print the same line twice in one instant
    router = routes()
    router.get(f"{API}/lm/executions/e1/logs").mock(side_effect=served(lines, inclusive=inclusive))
    async with connected(router) as client:
        found = [at async for at in client.group("dev").logs.read("e1", START, page=page * 2)]
    assert found == lines


async def test_more_lines_in_an_instant_than_a_page_holds_end_with_a_warning() -> None:
    lines = [line(10, f"burst {n}") for n in range(9)] + [line(20, "end")]
    router = routes()
    router.get(f"{API}/lm/executions/e1/logs").mock(side_effect=served(lines))
    with structlog.testing.capture_logs() as logs:
        async with connected(router) as client:
            found = [at.text async for at in client.group("dev").logs.read("e1", START, page=4)]
    assert found[0] == "burst 0"
    assert found[-1] == "end"
    assert len(found) == len(set(found))
    assert "aicore_log_gap" in [entry["event"] for entry in logs]


async def test_deployments_have_logs_and_details_of_their_own() -> None:
    router = routes()
    router.get(f"{API}/lm/deployments/d1/logs").mock(side_effect=served([line(1, "no GPU")]))
    details = {"id": "d1", "statusDetails": {"details": [{"message": "OOMKilled"}]}}
    router.get(f"{API}/lm/deployments/d1").mock(httpx.Response(200, json=details))
    async with connected(router) as client:
        group = client.group("dev")
        assert [at.text for at in await group.serving_logs.tail("d1", START)] == ["no GPU"]
        assert await group.deployments.details("d1") == details["statusDetails"]


async def test_the_tail_is_oldest_first() -> None:
    lines = [line(n, f"line {n}") for n in range(10)]
    router = routes()
    router.get(f"{API}/lm/executions/e1/logs").mock(side_effect=served(lines))
    async with connected(router) as client:
        assert await client.group("dev").logs.tail("e1", START, 3) == lines[-3:]
