"""The pages of the past: what was published, what happened, and what is gone by now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from web_world import COMMIT, NOW, RUN, parts

from aicore_sync.core.chronicle import Event, Publication
from aicore_sync.core.world import Artifact
from aicore_sync.store import Store
from aicore_sync.web import RunDetails, create_app
from aicore_sync.web.pages.run import compared


@pytest.fixture
async def window() -> AsyncIterator[tuple[httpx.AsyncClient, Store]]:
    made = parts()
    transport = httpx.ASGITransport(create_app(made), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://window") as client:
        yield client, made.store
    await made.store.close()


async def test_what_was_removed_is_told_without_a_link_to_it(
    window: tuple[httpx.AsyncClient, Store],
) -> None:
    client, store = window
    put = Publication("team-a", "bygone", NOW, "1", COMMIT, "f.py@0f3c", document=b"kind: x")
    await store.record(put)
    await store.record(replace(put, version="", source="", document=b""))
    await store.record(replace(put, executable="churn-train"))
    for flow in ("bygone", "churn-train"):
        await store.record(
            Event(NOW - timedelta(hours=1), "condition", "Synced", "", flow=flow, environment="dev")
        )
    for path in ("/", "/events"):
        page = await client.get(path)
        assert page.status_code == 200, path
        assert "bygone" in page.text
        assert "/flows/bygone" not in page.text
        assert "/flows/churn-train/dev" in page.text
    for identity in (1, 2, 3):
        page = await client.get(f"/publications/{identity}")
        assert page.status_code == 200, page.text


def test_outputs_are_compared_without_the_run_that_wrote_them() -> None:
    def run(identity: str, place: str) -> RunDetails:
        output = Artifact("model", "model", "churn", f"ai://default/{identity}/{place}", "churn")
        return RunDetails(replace(RUN, execution=replace(RUN.execution, id=identity, outputs=(output,))))

    assert compared([run("e-1", "model"), run("e-2", "model")])[0].values == ("ai://default/<run>/model",) * 2
    assert compared([run("e-1", "model"), run("e-2", "other")])[0].differs


async def test_events_stand_by_their_time(window: tuple[httpx.AsyncClient, Store]) -> None:
    client, store = window
    for reason, minutes in (("Newer", 1), ("Older", 5), ("Newest", 0)):  # one was written down late
        await store.record(Event(NOW - timedelta(minutes=minutes), "condition", reason, ""))
    text = (await client.get("/events")).text
    assert text.index("Newest") < text.index("Newer<") < text.index("Older")
