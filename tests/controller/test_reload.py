"""The service as a process: through changes of its configuration, and to its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from controller_world import HOURLY, World, world
from githosts import file_at

from aicore_sync.app import BuildOptions
from aicore_sync.app.reload import ServedFile, changes, fixed, serve_file
from aicore_sync.app.service import Life
from aicore_sync.config import Settings, parse_settings
from aicore_sync.core.model import FlowKey
from aicore_sync.telemetry import Masker

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def lines(w: World, event: str) -> list[dict[str, Any]]:
    """The log lines of that event."""
    text = (w.room / "service.log").read_text()
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def save(w: World, **changed: Any) -> None:
    config = yaml.safe_load(w.config.read_text()) | changed
    draft = w.config.with_suffix(".new")
    draft.write_text(yaml.safe_dump(config))
    draft.replace(w.config)


async def published(w: World, name: str) -> bool:
    return w.file(name) is not None


@pytest.mark.slow
async def test_a_changed_configuration_is_followed_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", schedule=HOURLY)
        w.write("beta", directory="../more/beta")
        async with w.process() as process:
            await w.seen(lambda: published(w, "alpha"), "alpha is published", 60)
            save(w, environments=[{"name": "default", "tenant": "nobody"}])
            await w.seen(lambda: bool(lines(w, "config_invalid")), "the mistake is told", 60)
            assert "nobody" in lines(w, "config_invalid")[0]["error"]
            w.settings()
            source = yaml.safe_load(w.config.read_text())["sources"][0]
            more = source | {"name": "more", "directory": "more", "environments": ["default"]}
            save(w, sources=[source | {"environments": ["default"]}, more])
            await w.seen(lambda: published(w, "beta"), "the new source is read", 60)
            assert lines(w, "config_changed")[0]["keys"] == ["sources"]
            assert len({line["url"] for line in lines(w, "web_started")}) == 1
            save(w, owner="others")
            assert await asyncio.wait_for(process.wait(), 60) == 6
        assert lines(w, "config_needs_restart")[0]["keys"] == ["owner"]
        assert json.loads(file_at(w.remote, "lock.json", revision="aicore-sync/team") or b"")["released"]
        (await w.group()).check()


async def test_brakes_go_on_under_the_next_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = yaml.safe_load(EXAMPLE.read_text()) | {"http": {"port": 0}}
    config, started = tmp_path / "config.yaml", FlowKey("alpha", "dev")
    config.write_text(yaml.safe_dump(example))
    given: list[tuple[str, set[FlowKey]]] = []

    def load() -> Settings:
        return parse_settings(config.read_text(), config, {})

    @asynccontextmanager
    async def building(settings: Settings, options: BuildOptions) -> AsyncIterator[Any]:
        given.append((settings.log.level, set(options.memory.starts_made)))
        yield SimpleNamespace(memory=replace(options.memory, starts_made={started: datetime.now(UTC)}))

    async def serving(app: Any, ready: Any, life: Life) -> None:
        if len(given) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        config.write_text(yaml.safe_dump(example | {"log": {"level": "debug"}}))
        await life.stop.wait()

    monkeypatch.setattr("aicore_sync.app.reload.build", building)
    monkeypatch.setattr("aicore_sync.app.reload.serve", serving)
    monkeypatch.setattr("aicore_sync.app.reload.LOOK", 0.01)
    assert await serve_file(ServedFile(config, load, Masker()), load(), lambda url: None) == ()
    assert given == [("info", set()), ("debug", {started})]


@pytest.mark.slow
async def test_a_process_under_load_ends_in_time_and_gives_the_lock_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.reconcile |= {"requestTimeout": "60s", "settle": "90s"}
        for number in range(3):
            w.write(f"flow-{number}", schedule=HOURLY)
        await w.sandbox.faults({"route": "/lm/configurations$", "method": "POST", "latency": 120})
        async with w.process() as process:
            await w.seen(lambda: creates(w), "a request hangs", 60)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0
            assert time.monotonic() - began < 60, "the request would take two minutes"
        held = json.loads(file_at(w.remote, "lock.json", revision="aicore-sync/team") or b"")
        assert held["released"]
        assert held["settles"] > time.time(), "what was cut off may still arrive"


async def creates(w: World) -> bool:
    return any(
        r["method"] == "POST" and r["path"].endswith("/configurations") for r in await w.sandbox.requests()
    )


def test_what_a_running_process_cannot_follow() -> None:
    text = EXAMPLE.read_text()
    old = parse_settings(text, Path("config.yaml"), {})
    changed = {
        "http": {"port": 8081, "host": "127.0.0.1"},
        "stateDir": "elsewhere",
        "log": {"level": "debug"},
    }
    new = parse_settings(yaml.safe_dump(yaml.safe_load(text) | changed), Path("config.yaml"), {})
    assert changes(old, old) == []
    assert changes(old, new) == ["http", "log", "stateDir"]
    assert list(fixed(old, new)) == ["stateDir", "http.port"]
