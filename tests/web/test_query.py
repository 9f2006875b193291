"""What may stand behind the `?` of the API."""

from __future__ import annotations

import httpx
from web_world import TOKEN, MadeUpDesk, parts

from aicore_sync.core.kinds import LIMITED
from aicore_sync.web import create_app
from aicore_sync.web.api.answers import LISTS

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def client_of(desk: MadeUpDesk | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(parts(desk=desk)), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://window", headers=BEARER)


MISSPELT = [
    ("status?onw=true", "onw: found an unknown key, expected one of own; did you mean `own`?"),
    ("flows?environmnet=dev", "did you mean `environment`?"),
    ("flows/churn-train/dev?x=1", "x: found an unknown key, expected none"),
    ("events?flows=a&limt=3", "did you mean `limit`?"),
    ("tenants?limit=3", "limit: found an unknown key, expected none"),
    ("compare?execution=a&execution=b&metric=x", "expected one of environment, execution"),
    ("executions/e-1/log?folow=true", "did you mean `follow`?"),
]


async def test_a_misspelt_filter_is_refused_and_named() -> None:
    async with client_of() as client:
        for asked, said in MISSPELT:
            answer = await client.get(f"/api/v1/{asked}")
            error = answer.json()["error"]
            assert (answer.status_code, error["reason"]) == (422, "InvalidInput"), asked
            assert said in error["message"]


async def test_an_action_whose_scope_stands_in_the_address_is_none() -> None:
    desk = MadeUpDesk()
    async with client_of(desk) as client:
        assert (await client.post("/api/v1/sync?flow=churn-train", json={})).status_code == 422
    assert desk.asked == [], "it would have been about everything"


async def test_what_is_known_may_be_asked() -> None:
    async with client_of() as client:
        for asked in (
            "status?own=true",
            "flows?q=churn&health=Healthy&environment=dev&page=1&perPage=5",
            "events?flow=a&environment=dev&tenant=t&text=x&mark=ok&after=1&limit=5",
            "ticks?flow=a&environment=dev&limit=5",
            "executions/e-1/log?environment=dev&since=2026-03-04T05:06:07Z",
        ):
            assert (await client.get(f"/api/v1/{asked}")).status_code == 200, asked


def test_commands_ask_for_so_many_at_most_where_that_can_be_asked_for() -> None:
    assert {kind for kind, (asked, _) in LISTS.items() if "limit" in asked.model_fields} == LIMITED
