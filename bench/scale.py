"""What a settled round costs: requests, CPU and memory, for many tenants with many resource groups.

usage: python bench/scale.py [--cells 2x1 2x5 ... 200x20] [--templates 50] [--rounds 3] [--old 10000]

A cell `20x5` is 20 tenants with 5 resource groups each: every template is in all groups of its tenant, with a
configuration and a schedule in each, and has a scenario of its own. `--old` are configurations of ours that nothing
wants any more, in the first group of each tenant. Git and the sandbox are real and on loopback, and begin with all of
this in place: it is checked that the service writes nothing. Its clock is moved by three minutes for each round. Every
cell has a process of its own, so that memory is that of the cell. CPU counts the service with the git that it starts,
not the sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import yaml

from aicore_sync.aicore import AICore, ClientOptions, GitCredentials, parse_service_key
from aicore_sync.app import App, BuildOptions, Clock, build, release_locks, take_locks
from aicore_sync.app.tasks import background
from aicore_sync.config import load_settings
from aicore_sync.core.model import Health, Key
from aicore_sync.core.plan import configuration_hash, configuration_name, schedule_name
from aicore_sync.core.world import Repository
from aicore_sync.telemetry import Masker, configure_logging

ROUND = timedelta(seconds=180)
CELLS = ["2x1", "2x5", "2x20", "20x1", "20x5", "20x20", "200x1", "200x5", "200x20"]
CRON = "0 3 1 1 *"
VALUES = {"alpha": "1"}
LONGEST_LINE = 2**24  # the keys of all tenants
LONG_AGO = "2024-01-01T00:00:00Z"
PUT_IN_PLACE = {"/v2/admin/repositories", "/v2/admin/applications", "/oauth/token"}


@dataclass
class Cell:
    """One installation. `at` is what its service takes for the time."""

    tenants: int
    groups: int
    templates: int
    room: Path
    old: int = 0
    ahead: timedelta = timedelta()

    @property
    def keys(self) -> int:
        """Templates, and flows in environments."""
        return self.tenants * self.templates * (1 + self.groups)

    @property
    def group_names(self) -> list[str]:
        return [f"group-{number}" for number in range(self.groups)]

    @property
    def clock(self) -> Clock:
        return Clock(
            lambda: datetime.now(UTC) + self.ahead, lambda: time.monotonic() + self.ahead.total_seconds()
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What a settled round costs.")
    parser.add_argument("--cells", nargs="+", default=CELLS, help="TENANTSxGROUPS")
    parser.add_argument("--templates", type=int, default=50, help="templates per tenant")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that are measured")
    parser.add_argument("--old", type=int, default=0, help="old configurations per tenant")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        tenants, groups = map(int, options.cells[0].split("x"))
        with tempfile.TemporaryDirectory(prefix="aicore-sync-bench-") as room:
            cell = Cell(tenants, groups, options.templates, Path(room), options.old)
            print(json.dumps(asyncio.run(measure(cell, options.rounds))))
        return
    print(
        "| tenants | groups each | keys | setup s | requests | per group | per tenant | CPU s | ms per key | RSS MB |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for name in options.cells:
        command = [sys.executable, __file__, "--one", "--cells", name, "--templates", str(options.templates)]
        command += ["--rounds", str(options.rounds), "--old", str(options.old)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        print(row(json.loads(done.stdout)), flush=True)


def row(m: dict[str, Any]) -> str:
    """A line of the table; requests, CPU and time are of one round."""
    groups = m["tenants"] * m["groups"]
    values = [m["tenants"], m["groups"], m["keys"], f"{m['setup']:.0f}", f"{m['requests']:.0f}"]
    values += [f"{m['in_groups'] / groups:.1f}", f"{m['in_tenants'] / m['tenants']:.1f}", f"{m['cpu']:.2f}"]
    values += [f"{1000 * m['cpu'] / m['keys']:.2f}", f"{m['rss']:.0f}"]
    return "| " + " | ".join(map(str, values)) + " |"


async def measure(cell: Cell, rounds: int) -> dict[str, Any]:
    """Put everything in place, look twice, then measure."""
    masker = Masker()
    configure_logging("error", "json", masker=masker)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(sandbox(cell))
        admin = await stack.enter_async_context(httpx.AsyncClient(base_url=ready["url"], timeout=3600))
        settings = load_settings(prepare(cell, ready), {})
        options = BuildOptions(history=False, masker=masker, clock=cell.clock)
        app = await stack.enter_async_context(build(settings, options))
        await app.read_sources()
        await settle(cell, app, ready, admin)
        await take_locks(app)
        stop = asyncio.Event()
        async with background(app.sweep.run()):
            loop = asyncio.create_task(app.loop.run(stop))
            for _ in range(2):
                await one_round(cell, app)
            setup, since, cpu = time.monotonic() - began, len(await requests(admin, 0)), cpu_seconds()
            for _ in range(rounds):
                await one_round(cell, app)
            spent = cpu_seconds() - cpu
            everything = await requests(admin, 0)
            made = everything[since:]
            stop.set()
            await loop
        await release_locks(app)
    assert_read_only(everything)
    grouped = [one for one in made if one["resourceGroup"] not in (None, "*")]
    figures = {"tenants": cell.tenants, "groups": cell.groups, "keys": cell.keys, "setup": setup}
    counts = {"requests": len(made), "in_groups": len(grouped), "in_tenants": len(made) - len(grouped)}
    return figures | {k: n / rounds for k, n in counts.items()} | {"cpu": spent / rounds, "rss": rss()}


def assert_read_only(made: list[dict[str, Any]]) -> None:
    """Nothing was written but what put the world in place: it was settled, and a settled round writes nothing."""
    writes = {one["path"] for one in made if one["method"] != "GET"}
    assert all(path in PUT_IN_PLACE or path.startswith("/sandbox/") for path in writes), writes


async def one_round(cell: Cell, app: App) -> None:
    """Three minutes later everything is looked at once."""
    cell.ahead += ROUND
    began = app.estate.clock()
    await app.desire.rescan()
    app.sweep.ask()
    left = list(app.desire.keys())
    while left:
        await asyncio.sleep(0.5)  # looking after every pass would cost more than the passes
        while left and looked_at(app, left[-1], began):
            left.pop()
    await app.loop.rested()
    statuses = app.board.all()
    unwell = [s.message for s in statuses if s.health is not Health.HEALTHY]
    assert not unwell, unwell


def looked_at(app: App, key: Key, since: datetime) -> bool:
    status = app.board.known(key)
    return bool(status and status.updated and status.updated >= since)


async def requests(admin: httpx.AsyncClient, since: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await admin.get("/sandbox/requests", params={"since": since})).json()
    return [one for one in found if one["path"] != "/oauth/token"]


def cpu_seconds() -> float:
    """Of this process and of its children that have ended: git."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def rss() -> float:
    """Megabytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


# --- the world ---


@asynccontextmanager
async def sandbox(cell: Cell) -> AsyncIterator[dict[str, Any]]:
    """A sandbox with these tenants, and a git server."""
    git = cell.room / "git" / "templates.git"
    git.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(git)], check=True)
    for key in ("http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        subprocess.run(["git", "-C", str(git), "config", key, "true"], check=True)
    command = [
        sys.executable,
        "-m",
        "aicore_sync.sandbox",
        "--executor",
        "instant",
        "--sync-interval",
        "86400",
    ]
    command += ["--die-with-parent", "--work", str(cell.room / "work"), "--git", str(cell.room / "git")]
    command += [
        "--tenants",
        ",".join(f"t{n}" for n in range(cell.tenants)),
        "--quota",
        str(max(50, cell.templates)),
    ]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=LONGEST_LINE
    )
    try:
        assert process.stdout
        yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


def prepare(cell: Cell, ready: dict[str, Any]) -> Path:
    """Flows and the configuration; returns the configuration's path."""
    (cell.room / "password").write_text(ready["git"]["password"])
    tenants, environments = [], []
    for number in range(cell.tenants):
        name = f"t{number}"
        (cell.room / f"{name}.json").write_text(json.dumps(ready["serviceKeys"][name]))
        place = {"name": f"app-{name}", "path": f"templates/{name}"}
        key = {"serviceKey": {"file": f"{name}.json"}, "repository": "templates"}
        store = {"datastore": {"root": "s3://nowhere/metaflow"}}
        tenants.append({"name": name, "application": place} | key | store)
        places = {f"{name}-{group}": group for group in cell.group_names}
        environments += [{"name": n, "tenant": name, "resourceGroup": g} for n, g in places.items()]
        for at in range(cell.templates):
            write_flow(cell.room / "flows" / name / f"flow-{at}", f"{name}-flow-{at}", list(places))
    login = {"username": ready["git"]["username"], "password": {"file": "password"}}
    repository = {"name": "templates", "url": f"{ready['git']['url']}/templates.git", "credentials": login}
    document = {
        "owner": "bench",
        "sources": [{"name": "flows", "directory": "flows"}],
        "repositories": [repository],
        "tenants": tenants,
        "environments": environments,
        "reconcile": {"settle": 0, "allowShortSettle": True, "lockExpiry": "1000h"},
        "cacheDir": "cache",
        "stateDir": "state",
    }
    path = cell.room / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


# --- the settled state, put in place instead of reached: the service finds nothing to do ---


async def settle(cell: Cell, app: App, ready: dict[str, Any], admin: httpx.AsyncClient) -> None:
    """Publish what the service would publish, have AI Core sync it, and fill its resource groups."""
    files: dict[str, bytes] = {}
    for key, target in app.desire.catalog.targets.items():
        template = (await app.desire.make(target)).template
        files[f"templates/{key.tenant}/{template.file}"] = template.data
    commit(cell.room / "git" / "templates.git", files)
    login = GitCredentials(ready["git"]["username"], ready["git"]["password"])
    for number in range(cell.tenants):
        name = f"t{number}"
        async with client_of(ready["serviceKeys"][name]) as client:
            wanted = app.estate.tenants[name].wanted_application
            await client.repositories.create(Repository("templates", wanted.repository_url), login)
            await client.applications.create(wanted)
            while (await client.applications.status(wanted.name)).sync != "Synced":
                await asyncio.sleep(0.05)
        groups = [filled(cell, name, at) for at in range(cell.groups)]
        (await admin.post(f"/sandbox/tenants/{name}/groups", json=groups)).raise_for_status()


def client_of(service_key: dict[str, Any]) -> AICore:
    key = parse_service_key(json.dumps(service_key), "sandbox")
    return AICore(ClientOptions(), lambda: key, clock=time.monotonic, rng=Random(1))


def commit(repository: Path, files: dict[str, bytes]) -> None:
    """One commit on the branch main of a bare repository."""
    parts = [b"commit refs/heads/main\ncommitter bench <bench@example.com> 1700000000 +0000\ndata 0\n"]
    for path, data in files.items():
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    command = ["git", "-C", str(repository), "fast-import", "--quiet"]
    subprocess.run(command, input=b"".join(parts), check=True)


def filled(cell: Cell, tenant: str, at: int) -> dict[str, Any]:
    """A resource group with a configuration and a schedule of each template; the first one with old ones too."""
    group, made = cell.group_names[at], {"createdAt": LONG_AGO, "modifiedAt": LONG_AGO}
    configurations, schedules = {}, {}
    for number in range(cell.templates):
        flow, one = f"{tenant}-flow-{number}", f"{tenant}-{at}-{number}"
        digest = configuration_hash(flow, flow, VALUES, {}, "")
        name = configuration_name("bench", flow, "main", digest)
        configurations[one] = configuration(one, name, flow, VALUES["alpha"])
        plan = {"name": schedule_name("bench", flow, "main"), "cron": CRON, "configurationId": one}
        schedules[one] = {"id": one, "start": LONG_AGO} | plan | made
    for number in range(0 if at else cell.old):
        flow, one = f"{tenant}-flow-0", f"{tenant}-old-{number}"
        configurations[one] = configuration(one, f"bench.{flow}.main.{number:012x}", flow, f"old {number}")
    content = {"configurations": configurations, "schedules": schedules}
    return {"resourceGroupId": group, "createdAt": LONG_AGO} | content


def configuration(identity: str, name: str, flow: str, value: str) -> dict[str, Any]:
    bindings = [{"key": "alpha", "value": value}]
    place = {"executableId": flow, "scenarioId": flow, "createdAt": LONG_AGO}
    return {"id": identity, "name": name, "parameterBindings": bindings} | place


def write_flow(directory: Path, name: str, environments: list[str]) -> None:
    """A hand-written template with a configuration and a schedule."""
    directory.mkdir(parents=True)
    container = {"image": "docker.io/library/python:3.11", "command": ["python", "-c"], "args": ["print(1)"]}
    labels = {"scenarios.ai.sap.com/id": name, "ai.sap.com/version": "1"}
    names = {"scenarios.ai.sap.com/name": "Bench", "executables.ai.sap.com/name": name}
    main_ = {
        "name": "main",
        "metadata": {"labels": {"ai.sap.com/resourcePlan": "starter"}},
        "container": container,
    }
    spec = {"entrypoint": "main", "arguments": {"parameters": [{"name": "alpha"}]}, "templates": [main_]}
    template = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "spec": spec}
    template["metadata"] = {"name": name, "labels": labels, "annotations": names}
    schedule: dict[str, Any] = {"name": "main", "parameters": VALUES, "schedule": {"cron": CRON}}
    manifest = {"template": "template.yaml", "version": "1", "scenario": {"id": name, "name": "Bench"}}
    manifest |= {
        "executable": {"id": name, "name": name},
        "environments": environments,
        "configurations": [schedule],
    }
    (directory / "template.yaml").write_text(yaml.safe_dump(template))
    (directory / "aicore.yaml").write_text(yaml.safe_dump(manifest))


if __name__ == "__main__":
    main()
