"""What people do in the window, on the real service: the commit has their name, and the loop obeys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from controller_world import World, world
from githosts import git

from aicore_sync.core.model import FlowKey, Health, Status

TOKEN = "a-token-of-mira-1234"
LOGIN = {"http": {"port": 0, "login": {"tokens": [{"name": "mira", "token": {"file": "web-token"}}]}}}


async def test_acting_by_the_api_leaves_the_users_name_and_is_obeyed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        (tmp_path / "web-token").write_text(TOKEN)
        w.extra = LOGIN
        w.write("alpha")
        async with w.service(), client_of(w) as client:
            await w.healthy("alpha")
            body = {"flow": "alpha", "environment": "default", "reason": "quarter end"}
            answer = await client.post("/api/v1/suspend", json=body)
            assert answer.json() == {"message": "mira suspended alpha in default: quarter end", "by": "mira"}
            author = git(w.remote, "log", "-1", "--format=%an: %s", "aicore-sync/team", "--", "suspended")
            assert author == "mira: mira: suspend alpha in default: quarter end"
            await w.until(lambda: status(w).health is Health.SUSPENDED, "suspended")
            held = await client.post("/api/v1/trigger", json={"flow": "alpha"})
            assert (held.status_code, held.json()["error"]["reason"]) == (409, "FlowSuspended")
            await client.post("/api/v1/resume", json=body)
            await w.healthy("alpha")
            started = await client.post("/api/v1/trigger", json={"flow": "alpha"})
            assert started.json()["message"] == "mira asked for a run of alpha"
            await w.until(lambda: any(o.kind == "execution" for o in status(w).objects), "a run")
            (run,) = (o for o in status(w).objects if o.kind == "execution")
            await client.post("/api/v1/stop", json={"execution": run.id})
            told = (await client.get("/api/v1/events", params={"flow": "alpha"})).json()["items"]
            acts = {event["reason"]: event for event in told if event["kind"] == "action"}
            assert set(acts) == {"SuspendedByHand", "ResumedByHand", "TriggerAsked", "StopAsked"}
            assert {event["by"] for event in acts.values()} == {"mira"}
            assert (acts["StopAsked"]["environment"], run.id in acts["StopAsked"]["message"]) == (
                "default",
                True,
            )
            nobody = await client.post("/api/v1/sync", json={"flow": "nobody"})
            assert (nobody.status_code, nobody.json()["error"]["reason"]) == (404, "NotFound")
            nothing = await client.post("/api/v1/confirm", json={"fingerprint": "0123456789ab"})
            assert (nothing.status_code, nothing.json()["error"]["reason"]) == (409, "NothingWaits")


@asynccontextmanager
async def client_of(w: World) -> AsyncIterator[httpx.AsyncClient]:
    """Mira's client of the running service."""
    await w.until(lambda: bool(w.urls), "the window's address")
    login = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=w.urls[-1], headers=login, timeout=60, trust_env=False) as client:
        yield client


def status(w: World) -> Status:
    assert w.app
    found = w.app.board.known(FlowKey("alpha", "default"))
    assert found
    return found
