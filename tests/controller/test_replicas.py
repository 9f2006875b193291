"""Many replicas as the processes that people start, on one sandbox, one git remote and one Kubernetes API.

Whatever happens to them: nothing exists twice, nobody writes beside the holder of the lock, and the work goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from controller_world import EXECUTABLE, HOURLY, Group, World, world
from githosts import git, make_remote
from lease_api import LeaseApi, lease_api

from aicore_sync.core.shards import seat_of

DEADLINE = 240.0  # on a quiet machine a tenth of it is enough
TOKEN = "a-token-that-is-long-enough-for-the-window"
LOGIN = {"Authorization": f"Bearer {TOKEN}"}
REQUEST = timedelta(seconds=2)  # that one request may take
SHORT = {"duration": "2s", "renewDeadline": "1500ms", "retry": "200ms"}
WRITES = re.compile(r"/lm/(executions|configurations|executionSchedules|artifacts)")


@dataclass
class Replica:
    """One process of the service."""

    name: str
    process: asyncio.subprocess.Process
    url: str
    log: Path

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def statuses(self, own: bool = False) -> dict[str, str]:
        """Key → health, as its API tells."""
        async with httpx.AsyncClient(timeout=10, headers=LOGIN) as http:
            answer = await http.get(f"{self.url}/api/v1/status", params={"own": str(own).lower()})
        return {f"{i['kind']} {i['name']}": i["health"] for i in answer.json()["items"]}

    async def act(self, what: str, **body: str) -> None:
        """Somebody asks this replica for something."""
        async with httpx.AsyncClient(timeout=30, headers=LOGIN) as http:
            answer = await http.post(f"{self.url}/api/v1/{what}", json=body)
        assert answer.is_success, answer.text


@dataclass
class Cluster:
    """A world with replicas in it. `times` are those of their Leases."""

    world: World
    api: LeaseApi
    shards: int
    times: dict[str, str] = field(default_factory=lambda: dict(SHORT))
    program: Path = EXECUTABLE
    replicas: dict[str, Replica] = field(default_factory=dict)

    async def start(self, name: str) -> Replica:
        """One more replica; returns when its window answers."""
        self.world.settings()
        config = yaml.safe_load(self.world.config.read_text())
        port = free_port()
        path = self.world.room / f"config-{name}.yaml"
        replicas = {"leases": "shard", "shards": self.shards, "address": "127.0.0.1", **self.times}
        config |= {"cacheDir": f"cache-{name}", "stateDir": f"state-{name}", "replicas": replicas}
        (self.world.room / "token").write_text(TOKEN)
        login = {"required": True, "tokens": [{"name": "anna", "token": {"file": "token"}}]}
        path.write_text(yaml.safe_dump(config | {"http": {"port": port, "login": login}}))
        log = self.world.room / f"{name}.log"
        environment = {**os.environ, **self.api.environment(name)}
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                str(self.program), "run", "-c", str(path), stderr=out, env=environment
            )
        started = self.replicas[name] = Replica(name, process, f"http://127.0.0.1:{port}", log)
        async with httpx.AsyncClient(timeout=5) as http:

            async def answers() -> bool:
                assert process.returncode is None, log.read_text()[-4000:]
                try:
                    return (await http.get(f"{started.url}/readyz")).is_success
                except httpx.HTTPError:
                    return False

            await self.until(answers, f"{name} answers")
        return started

    async def until(self, true: Any, what: str) -> None:
        """Look again and again."""
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    answer = true()
                    if answer if not asyncio.iscoroutine(answer) else await answer:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            logs = "\n".join(f"--- {r.name}\n{r.log.read_text()[-3000:]}" for r in self.replicas.values())
            raise AssertionError(f"not in {DEADLINE} s: {what}\n{logs}") from None

    async def holder(self, shard: int = 0) -> Replica:
        """The replica that holds the Lease."""
        lease = f"shard-{shard}"
        await self.until(lambda: self.by_address(lease) is not None, f"{lease} is held")
        found = self.by_address(lease)
        assert found
        return found

    def by_address(self, lease: str) -> Replica | None:
        notes = self.api.leases[lease]["metadata"].get("annotations") or {}
        return next((r for r in self.replicas.values() if r.url == notes.get("aicore-sync/address")), None)

    async def runs(self, flow: str, tenant: str = "default") -> int:
        found = (await self.world.sandbox.dump())["tenants"][tenant]
        return len(Group(found["groups"]["default"], found["executables"]).runs(flow))

    async def check(self, tenant: str = "default", remote: Path | None = None) -> None:
        """Nothing exists twice, and the writers are those that the lock names, in that order."""
        found = (await self.world.sandbox.dump())["tenants"][tenant]
        Group(found["groups"]["default"], found["executables"]).check()
        writes = [
            (agent[1], datetime.fromisoformat(request["time"]))
            for request in await self.world.sandbox.requests()
            if request["method"] != "GET" and WRITES.search(request["path"]) and request["tenant"] == tenant
            if (agent := re.search(r"\((.*)\)", request["userAgent"] or ""))
        ]
        takers = lock_takers(remote or self.world.remote)
        assert len(set(takers)) > 1, "the lock went from one to another"
        assert in_turn(writes, takers), (writes, takers)


def in_turn(writes: list[tuple[str, datetime]], takers: list[str]) -> bool:
    """Whether everybody wrote only between taking the lock and the next one's taking it.

    What was on the wire when the next one began may land for the time of one request.
    """
    turns: list[str] = []
    began = datetime.min.replace(tzinfo=UTC)
    for who, at in writes:
        late = turns[-2:-1] == [who] and at - began < REQUEST
        if turns[-1:] != [who] and not late:
            turns.append(who)
            began = at
    rest = iter(takers)
    return all(any(turn == taker for taker in rest) for turn in turns)


def lock_takers(remote: Path) -> list[str]:
    """Who took the owner's lock, oldest first."""
    subjects = git(remote, "log", "--reverse", "--format=%s", "aicore-sync/team").splitlines()
    return [s.split()[1] for s in subjects if s.startswith("lock: ") and s.endswith(" takes it")]


@asynccontextmanager
async def cluster(tmp_path: Path, shards: int = 1) -> AsyncIterator[Cluster]:
    with lease_api(tmp_path, *(f"shard-{number}" for number in range(shards))) as api:
        async with world(tmp_path) as w:
            w.reconcile |= {"requestTimeout": "2s", "settle": "4s"}
            made = Cluster(w, api, shards)
            try:
                yield made
            finally:
                for replica in made.replicas.values():
                    if replica.process.returncode is None:
                        replica.signal(signal.SIGKILL)
                    await replica.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_checker_finds_writers_beside_each_other() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def writes(*seconds: tuple[str, float]) -> list[tuple[str, datetime]]:
        return [(who, start + timedelta(seconds=at)) for who, at in seconds]

    assert in_turn(writes(("a", 0), ("b", 5), ("b", 9)), ["a", "b"])
    assert in_turn(writes(("a", 0), ("b", 5), ("a", 6.9), ("b", 8)), ["a", "b"]), "it was on the wire"
    assert not in_turn(writes(("a", 0), ("b", 5), ("a", 7.1)), ["a", "b"])
    assert in_turn(writes(("a", 0), ("b", 5), ("a", 17)), ["a", "b", "a"])
    assert not in_turn(writes(("a", 0), ("c", 5)), ["a", "b"])


@pytest.mark.slow
async def test_killed_stopped_or_ended_leaders_are_followed_and_nothing_runs_twice(tmp_path: Path) -> None:
    async with cluster(tmp_path) as c:
        c.world.write("alpha", run="onChange", schedule=HOURLY)
        for name in ("a", "b", "c"):
            await c.start(name)
        killed = await c.holder()
        await c.until(lambda: ran(c, "alpha"), "alpha runs")

        killed.signal(signal.SIGKILL)
        stopped = await next_holder(c, killed)
        c.world.write("alpha", run="onChange", schedule=HOURLY, values={"alpha": "2"})
        await c.until(lambda: ran(c, "alpha", 2), "the new content runs")

        stopped.signal(signal.SIGSTOP)
        try:
            third = await next_holder(c, stopped)
            for number in range(3):
                c.world.write(f"flow-{number}", run="onChange", schedule=HOURLY)
            await c.until(lambda: ran(c, "flow-0"), "the new flow runs")
        finally:
            stopped.signal(signal.SIGCONT)
        await c.until(lambda: ran(c, "flow-2"), "all run")
        await c.until(lambda: is_empty(stopped), "who was stopped works on nothing")
        await c.until(lambda: same(stopped, third), "both windows show all")
        assert c.by_address("shard-0") is third

        third.signal(signal.SIGTERM)
        assert await asyncio.wait_for(third.process.wait(), DEADLINE) == 0
        assert "lease_released" in third.log.read_text()
        assert await next_holder(c, third) is stopped
        c.world.write("beta", run="onChange")
        await c.until(lambda: ran(c, "beta"), "beta runs")
        await c.check()


async def next_holder(c: Cluster, before: Replica) -> Replica:
    await c.until(lambda: c.by_address("shard-0") not in (before, None), "another one takes over")
    return await c.holder()


async def ran(c: Cluster, flow: str, times: int = 1, tenant: str = "default") -> bool:
    found = await c.runs(flow, tenant)
    assert found <= times
    return found == times


async def is_empty(replica: Replica) -> bool:
    return not await replica.statuses(own=True)


async def same(one: Replica, other: Replica) -> bool:
    shown = await one.statuses()
    return bool(shown) and shown == await other.statuses()


@pytest.mark.slow
async def test_a_leader_without_the_kubernetes_api_stops_writing(tmp_path: Path) -> None:
    async with cluster(tmp_path) as c:
        c.world.write("alpha", run="onChange", schedule=HOURLY)
        for name in ("a", "b"):
            await c.start(name)
        first = await c.holder()
        await c.until(lambda: ran(c, "alpha"), "alpha runs")
        c.api.cut_off(first.name)
        second = next(r for r in c.replicas.values() if r is not first)
        await c.until(lambda: c.by_address("shard-0") is second, "the other takes over")
        c.world.write("beta", run="onChange", schedule=HOURLY)
        await c.until(lambda: ran(c, "beta"), "beta runs")
        c.api.mend()
        c.api.failing = 503  # nobody can renew: nobody writes
        await c.until(lambda: is_empty(second), "the second one gives up")
        c.world.write("gamma", run="onChange")
        c.api.mend()
        await c.until(lambda: ran(c, "gamma"), "gamma runs after the outage")
        await c.check()


@pytest.mark.slow
async def test_two_shards_are_worked_on_by_two_and_then_by_the_one_that_is_left(tmp_path: Path) -> None:
    seats = ["shard-0", "shard-1"]
    names = (f"more-{number}" for number in range(20))
    name = next(n for n in names if seat_of(n, seats) != seat_of("templates", seats))
    async with cluster(tmp_path, shards=2) as c:
        w = c.world
        remote = make_remote(tmp_path / "git", f"{name}.git")
        (tmp_path / "second.json").write_text(json.dumps(await w.sandbox.tenant("second")))
        w.settings()
        config = yaml.safe_load(w.config.read_text())
        tenant, repository = config["tenants"][0], config["repositories"][0]
        url = repository["url"].replace("templates.git", f"{name}.git")
        w.extra = {
            "repositories": [repository, repository | {"name": name, "url": url}],
            "tenants": [
                tenant,
                tenant | {"name": "u", "serviceKey": {"file": "second.json"}, "repository": name},
            ],
            "environments": [*config["environments"], {"name": "second", "tenant": "u"}],
        }
        w.write("alpha", run="onChange", schedule=HOURLY)
        w.write("beta", run="onChange", schedule=HOURLY, environments=["second"])
        one = await c.start("a")
        await c.until(lambda: ran(c, "alpha"), "the first works on everything")
        await c.until(lambda: ran(c, "beta", tenant="second"), "the first works on everything")
        two = await c.start("b")
        await c.until(lambda: apart(one, two), "each works on its own")
        await c.until(lambda: same(one, two), "both windows show all")
        assert len(await one.statuses()) == 4

        theirs = next(key.split()[1] for key in await two.statuses(own=True))
        await one.act("suspend", flow=theirs)
        await c.until(lambda: shows(two, f"flow {theirs}", "Suspended"), "asked of one, done by the other")
        await one.act("resume", flow=theirs)
        await c.until(lambda: shows(two, f"flow {theirs}", "Healthy"), "and taken back")
        assert await pipeline(one) == 0

        moved = "second" if c.by_address(str(seat_of(name, seats))) is two else "default"
        two.signal(signal.SIGKILL)
        w.write("alpha", run="onChange", schedule=HOURLY, values={"alpha": "2"})
        w.write("beta", run="onChange", schedule=HOURLY, environments=["second"], values={"alpha": "2"})
        await c.until(lambda: ran(c, "alpha", 2), "the one that is left works on everything")
        await c.until(lambda: ran(c, "beta", 2, "second"), "the one that is left works on everything")
        await c.check(moved, remote if moved == "second" else None)


async def pipeline(replica: Replica) -> int:
    """What a pipeline runs for a push to main, beside a service: its exit code."""
    script = Path(__file__).parents[2] / "deploy/ci/apply.sh"
    environment = {"PATH": f"{EXECUTABLE.parent}:{os.environ['PATH']}", "AICORE_SYNC_URL": replica.url}
    process = await asyncio.create_subprocess_exec(
        "bash", str(script), "nowhere.yaml", "60", env=environment | {"AICORE_SYNC_TOKEN": TOKEN}
    )
    return await asyncio.wait_for(process.wait(), DEADLINE)


async def shows(replica: Replica, key: str, health: str) -> bool:
    return (await replica.statuses(own=True)).get(key) == health


async def apart(one: Replica, two: Replica) -> bool:
    first, second = await one.statuses(own=True), await two.statuses(own=True)
    return len(first) == len(second) == 2 and not first.keys() & second.keys()
