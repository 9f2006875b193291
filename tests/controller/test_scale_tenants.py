"""Many tenants in one process: a dead one delays nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller_world import HOURLY, World, world

from aicore_sync.core.model import FlowKey, TemplateKey


class BlackHole:
    """A server that takes every connection and never says a word."""

    def __init__(self) -> None:
        self.callers: list[asyncio.StreamWriter] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(lambda _, w: self.callers.append(w), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def end(self) -> None:
        """From now on connections are refused."""
        if self._server:
            self._server.close()
        for writer in self.callers:
            writer.close()


@asynccontextmanager
async def black_hole() -> AsyncIterator[BlackHole]:
    hole = BlackHole()
    await hole.open()
    try:
        yield hole
    finally:
        hole.end()


def with_dead_tenant(w: World, url: str) -> None:
    """A second tenant beside `t`, in environment `dead`."""
    key = json.dumps(w.sandbox.service_keys["default"]).replace(w.sandbox.url, url)
    (w.room / "dead.json").write_text(key)
    (tenant,) = w.configuration()["tenants"]
    dead = tenant | {"name": "dead", "serviceKey": {"file": "dead.json"}}
    dead |= {"application": {"name": "dead", "path": "elsewhere"}}
    places = [
        {"name": name, "tenant": t, "resourceGroup": "default"}
        for name, t in (("default", "t"), ("dead", "dead"))
    ]
    w.extra |= {"tenants": [tenant, dead], "environments": places}


async def test_a_tenant_that_never_answers_delays_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile |= {"requestTimeout": "10m", "retryDeadline": "1s", "workers": 2}
        for number in range(6):  # more than there are workers
            w.write(f"dead-{number}", environments=["dead"])
        w.write("both", environments=["dead", "default"])
        w.write("alpha", run="onChange", schedule=HOURLY)
        async with black_hole() as hole:
            with_dead_tenant(w, hole.url)
            async with w.service() as app:
                await w.until(lambda: bool(hole.callers), "the dead tenant is asked")
                await w.healthy("alpha")
                before = w.version("alpha")
                w.write("alpha", run="onChange", schedule=HOURLY, text="print(2)")
                await w.until(lambda: w.version("alpha") not in ("", before), "an edit is live")
                await w.healthy("alpha")
                known = {status.key for status in app.board.all()}
                assert FlowKey("both", "default") in known
                assert not any(isinstance(key, TemplateKey) and key.tenant == "dead" for key in known)
                hole.end()
        (await w.group()).check()
