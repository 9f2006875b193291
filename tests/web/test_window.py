"""The window over real HTTP: its own server on a free port."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs
from web_world import NOW, STATUSES, MadeUpView, parts

from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import Condition, FlowKey, Health, Mark, Stage, Status
from aicore_sync.core.statuses import StatusAnswer, statuses_in
from aicore_sync.web import WebServer, create_app


@pytest.fixture
def view() -> MadeUpView:
    return MadeUpView()


@pytest.fixture
async def client(view: MadeUpView) -> AsyncIterator[httpx.AsyncClient]:
    server = WebServer(create_app(parts(view)), "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=await server.start(), timeout=10, trust_env=False) as client:
        yield client
    await server.stop()


async def test_pages_answer_with_strict_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/flows/churn-train/dev", "/flows/scratch/-", "/templates/team-a/orphan-template"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; script-src 'self'; "
        )
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
    assert (await client.head("/")).status_code == 200


async def test_a_search_by_address_whatever_is_written_there(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", params={"q": "churn", "health": "Suspended", "page": "-1"})
    assert "/flows/churn-train/prod" in answer.text
    assert "/flows/churn-train/dev" not in answer.text
    odd = await client.get("/", params={"q": '"><script>', "page": "9" * 50, "refresh": "<b>"})
    assert odd.status_code == 200
    assert "<script>" not in odd.text


async def test_style_and_icon_are_served_by_us(client: httpx.AsyncClient) -> None:
    style = await client.get("/static/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert (await client.get("/static/icon.svg")).headers["content-type"] == "image/svg+xml"
    assert (await client.get("/static/../application.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/application.py")).status_code == 404


async def test_the_status_as_json(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/status")).json()
    assert answer["summary"] == {
        "NeedsAttention": 2,
        "Progressing": 1,
        "Suspended": 1,
        "Healthy": 2,
        "NotTargeted": 1,
    }
    assert answer["info"] == {"owner": "team-a", "version": "0.1.0"}
    assert len(answer["items"]) == len(STATUSES)
    item = next(i for i in answer["items"] if i["name"] == "churn-train" and i["environment"] == "dev")
    assert item["conditions"][0] == {
        "stage": "configure",
        "mark": "ok",
        "reason": "Configured",
        "message": "",
        "subject": "",
        "fingerprint": "",
    }
    assert item["objects"][1]["state"] == "ACTIVE"
    assert item["updated"] == "2026-03-04T05:05:55Z"
    assert (item["kind"], item["tenant"]) == ("flow", None)


async def test_replicas_read_each_other(client: httpx.AsyncClient, view: MadeUpView) -> None:
    waits = Condition(Stage.EXECUTE, Mark.WAIT, "NeedsConfirmation", "Six runs would start.", "", "9c01ab23")
    held = Status(FlowKey("held", "dev"), Health.PROGRESSING, "waits", (waits,), updated=NOW)
    view.now_statuses = [held, *STATUSES]
    answer = await client.get("/api/v1/status", params={"own": "true"})
    assert statuses_in(StatusAnswer.model_validate_json(answer.content)) == tuple(view.now_statuses[:1])
    answer = await client.get("/api/v1/status")
    found = statuses_in(StatusAnswer.model_validate_json(answer.content))
    assert {status.key: status for status in found} == {status.key: status for status in view.now_statuses}


async def test_a_place_that_there_is_not_is_not_found(client: httpx.AsyncClient, view: MadeUpView) -> None:
    view.named = {"owner": "team-a", "environments": "dev, prod, empty"}
    codes = [("environments/dev", 200), ("environments/empty", 200), ("environments/typo", 404)]
    for path, code in [*codes, ("scenarios/churn", 200), ("scenarios/typo", 404)]:
        assert (await client.get(f"/{path}")).status_code == code, path
    flows = (await client.get("/tenants/team-a")).text
    assert ("churn-train" in flows, "scratch" in flows) == (True, False), (
        "nothing is declared, so its flows are shown"
    )
    for path in ("tenants/typo", "templates/team-a/typo"):
        page = await client.get(f"/{path}")
        kind, name = path.split("/")[0].removesuffix("s"), path.rpartition("/")[2]
        assert (page.status_code, f"There is no {kind} {name}" in page.text) == (404, True), page.text


async def test_the_api_describes_itself(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    assert {
        "/api/v1/status",
        "/api/v1/suspend",
        "/api/v1/rollback/undo",
        "/healthz",
        "/readyz",
        "/metrics",
    } <= set(described["paths"])
    assert "mark" in json.dumps(described["components"]["schemas"]["ConditionAnswer"])


async def test_probes_say_what_the_view_says(client: httpx.AsyncClient, view: MadeUpView) -> None:
    assert (await client.get("/healthz")).text == "ok\n"
    assert (await client.get("/readyz")).text == "ok\n"
    view.is_alive, view.is_ready = False, (False, "the configuration is not valid")
    assert (await client.get("/healthz")).status_code == 503
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "the configuration is not valid\n")


async def test_metrics_have_the_type_that_prometheus_expects(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.text == "aicore_sync_leader 1.0\n"
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_errors_are_pages_and_for_machines_json(client: httpx.AsyncClient) -> None:
    missing = await client.get("/flows/nobody/dev")
    assert missing.status_code == 404
    assert "No flow of this name has been seen" in missing.text
    assert "content-security-policy" in missing.headers
    refused = await client.post("/")
    assert (refused.status_code, "for reading" in refused.text) == (405, True)
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}
    error = (await client.get("/api/v1/nothing")).json()["error"]
    assert error == {
        "code": 404,
        "title": "There is nothing here",
        "message": "The address is not one of ours.",
        "reason": "",
    }


async def test_what_breaks_inside_is_logged_and_not_shown(
    client: httpx.AsyncClient, view: MadeUpView
) -> None:
    view.breaks = True
    with capture_logs() as logs:
        page = await client.get("/")
        answer = await client.get("/api/v1/status")
    assert (page.status_code, answer.status_code) == (500, 500)
    assert "a secret-looking detail" not in page.text + answer.text
    assert "Something broke on our side" in page.text
    assert [line["event"] for line in logs] == ["request_failed", "request_failed"]
    view.breaks = False
    assert (await client.get("/")).status_code == 200


async def test_a_taken_address_is_named() -> None:
    first = WebServer(create_app(parts()), "127.0.0.1", 0)
    port = int((await first.start()).rsplit(":", 1)[1])
    second = WebServer(create_app(parts()), "127.0.0.1", port)
    with pytest.raises(Stalled, match=rf"cannot listen on 127.0.0.1 port {port} .*http.port"):
        await second.start()
    await second.stop()
    await first.stop()
    await first.stop()


async def test_stopping_lets_a_request_finish_and_signals_stay_with_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(scope: object, receive: object, send: object) -> None:
        entered.set()
        await leave.wait()
        await create_app(parts())(scope, receive, send)  # type: ignore[arg-type]

    server = WebServer(slow, "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=await server.start(), trust_env=False) as client:
        request = asyncio.create_task(client.get("/healthz"))
        await entered.wait()
        assert signal.getsignal(signal.SIGTERM) is before
        stopping = asyncio.create_task(server.stop())
        leave.set()
        assert (await request).text == "ok\n"
        await asyncio.wait_for(stopping, 10)
