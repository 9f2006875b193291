"""Every secret of a configuration, looked for in everything that leaves the process: in good days and in bad ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from controller_world import DEADLINE, HOURLY, World, world
from githosts import git

TOKEN = "canary-token-0123456789abcdef"
CHAT = "canarychatword"
WRONG = "canary-wrong-password"
DATA = [{"name": "data", "kind": "dataset", "url": "ai://default/data"}]


def secrets(w: World) -> dict[str, str]:
    """Name → value of each secret that the service holds."""
    key = w.sandbox.service_keys["default"]
    assert w.sandbox.git
    assert w.sandbox.s3
    return {
        "git password": w.sandbox.git["password"],
        "client secret": key["clientsecret"],
        "store key": w.sandbox.s3["secretKey"],
        "API token": TOKEN,
        "chat address": CHAT,
        "wrong password": WRONG,
    }


def configured(w: World) -> None:
    (w.room / "token").write_text(TOKEN)
    (w.room / "chat").write_text(f"json://user:{CHAT}@127.0.0.1:9/hook")
    w.extra["http"] = {"port": 0, "login": {"tokens": [{"name": "pipeline", "token": {"file": "token"}}]}}
    w.extra["notifications"] = [{"name": "chat", "to": [{"file": "chat"}], "group": "0s"}]
    w.extra["log"] = {"format": "json", "level": "debug"}


class Leaks:
    """What was looked through, and what was found in it."""

    def __init__(self, wanted: dict[str, str]) -> None:
        self._wanted = {name: value.encode() for name, value in wanted.items()}
        self.places: list[str] = []
        self.found: list[str] = []

    def look(self, place: str, data: bytes | str) -> None:
        raw = data if isinstance(data, bytes) else data.encode()
        self.places.append(place)
        self.found += [f"{name} in {place}" for name, value in self._wanted.items() if value in raw]


async def crawl(http: httpx.AsyncClient, leaks: Leaks) -> None:
    """Every page that links reach, and every answer of the API that needs no argument."""
    described = (await http.get("/api/v1/openapi.json")).json()["paths"]
    todo = [
        "/",
        "/metrics",
        *(path for path, verbs in described.items() if "get" in verbs and "{" not in path),
    ]
    seen: set[str] = set()
    while todo:
        path = todo.pop()
        if path in seen or len(seen) > 200 or "events/stream" in path:
            continue
        seen.add(path)
        async with http.stream("GET", path) as answer:
            if "event-stream" in answer.headers.get("content-type", ""):
                continue
            text = (await answer.aread()).decode()
        leaks.look(f"GET {path}", text + str(answer.headers))
        if "html" in answer.headers.get("content-type", ""):
            todo += [re.split("[?#]", link)[0] for link in re.findall(r'href="(/[^"]*)"', text)]


def address(log: Path) -> str:
    for line in log.read_text().splitlines():
        if "web_started" in line:
            return str(json.loads(line)["url"])
    return ""


def files(*roots: Path) -> Iterator[tuple[str, bytes]]:
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()


@pytest.mark.slow
async def test_no_secret_is_logged_shown_published_or_kept(tmp_path: Path) -> None:
    async with world(tmp_path, "--s3") as w:
        configured(w)
        wanted = secrets(w)
        leaks = Leaks(wanted)
        w.write("alpha", run="onChange", schedule=HOURLY, artifacts=DATA)
        w.write("pasted", text=f"print('{wanted['client secret']}')")
        w.path("broken").parent.mkdir()
        w.path("broken", "aicore.yaml").write_text(f"template: {wanted['git password']}.yaml\nnope: 1\n")
        async with w.process() as process:
            log = w.room / "service.log"
            await w.seen(lambda: bool(address(log)), "the window")
            async with httpx.AsyncClient(base_url=address(log), timeout=DEADLINE) as http:
                await w.seen(lambda: w.file("alpha") is not None, "published")
                await crawl(http, leaks)
                http.headers["Authorization"] = f"Bearer {TOKEN}"
                await crawl(http, leaks)
                (w.room / "git-password").write_text(WRONG)
                (w.room / "key.json").write_text(
                    (w.room / "key.json").read_text().replace("clientsecret", "x")
                )
                w.write("alpha", run="onChange", schedule=HOURLY, artifacts=DATA, text="print(2)")
                await w.seen(lambda: b'"pass_failed"' in log.read_bytes(), "trouble")
                await crawl(http, leaks)
            leaks.look("argv", Path(f"/proc/{process.pid}/cmdline").read_bytes())
        for command in (["status"], ["plan"], ["check"], ["lint"], ["config", "check"]):
            _, out, err = await w.command(*command)
            leaks.look(" ".join(command), out + err)
        leaks.look("log", log.read_bytes())
        leaks.look("remote", git(w.remote, "log", "-p", "--all", "--format=%an %ae %B"))
        for place, data in files(w.room / "cache", w.room / "state", w.remote):
            leaks.look(place, data)
    assert not leaks.found
    pages = [place for place in leaks.places if place.startswith("GET /")]
    assert len(pages) > 10, "pages were found"
    assert "pasted" not in str(w.commits()), "a template that holds a secret is not published"
