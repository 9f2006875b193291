"""A whole world for one test: a git remote, an AI Core sandbox, a source directory, and the real service on them.

async with world(tmp_path) as w:
    w.write("alpha", run="onChange")
    async with w.service():
        await w.healthy("alpha")
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from githosts import commit_as_somebody, file_at, git, make_remote
from sandboxes import Sandbox, renewed_sandbox

from aicore_sync.aicore import AICore, ClientOptions, ObjectStoreSecret, parse_service_key
from aicore_sync.app import App, BuildOptions, Clock, apply_once, build
from aicore_sync.app.service import serve
from aicore_sync.config import Settings, load_settings
from aicore_sync.core.model import FlowKey, Health, Key, Stage, Status, TemplateKey

DEADLINE = 180.0  # on a busy machine; nothing waits longer than it must
EXECUTABLE = Path(sys.executable).with_name("aicore-sync")
OF_CONFIGURATION = (
    "run",
    "schedule",
    "rerun",
    "retention",
    "onFailure",
    "inputs",
    "onUpstream",
    "deployment",
)
STORE = ObjectStoreSecret(
    "default",
    {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
    bucket="data",
    endpoint="s3.test",
    region="eu",
)
HOURLY = {"cron": "0 * * * *"}
QUICK = {
    "settle": 0,
    "allowShortSettle": True,
    "runQuiet": 0,
    "goneAfter": "1s",
    "interval": "1s",
    "requestTimeout": "5s",
    "retryDeadline": "2s",
    "backoffFirst": "100ms",
    "backoffMost": "1s",
}


@dataclass
class World:
    """What a test holds in its hands. `reconcile`, `source` and `extra` are what it may change of the configuration."""

    room: Path
    sandbox: Sandbox
    remote: Path
    reconcile: dict[str, Any] = field(default_factory=lambda: dict(QUICK))
    environments: tuple[str, ...] = ("default",)
    render: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    repository: str = "templates.git"  # below the sandbox's git server
    window: str = "300ms"  # in which commits are joined
    tenant: str = "default"  # as the sandbox calls it
    ahead: timedelta = timedelta()  # how far the service's clock is ahead of the real one
    app: App | None = None
    urls: list[str] = field(default_factory=list)  # where each service in this process could be reached

    @property
    def source(self) -> Path:
        return self.room / "flows"

    @property
    def clock(self) -> Clock:
        """What the service takes for the time."""
        return Clock(
            lambda: datetime.now(UTC) + self.ahead, lambda: time.monotonic() + self.ahead.total_seconds()
        )

    @property
    def config(self) -> Path:
        return self.room / "config.yaml"

    # --- the source ---

    def write(self, name: str, **options: Any) -> None:
        """A hand-written template with its manifest; every option has a default. Files are replaced atomically."""
        directory = self.source / options.pop("directory", name)
        directory.mkdir(parents=True, exist_ok=True)
        text = {"template": options.pop("text", "print(1)"), "parameters": options.pop("declares", ["alpha"])}
        replace(directory / "template.yaml", template(name, **text))
        replace(directory / "aicore.yaml", manifest(name, **options))

    def path(self, name: str, file: str = "template.yaml") -> Path:
        return self.source / name / file

    # --- the service ---

    def settings(self) -> Settings:
        self.config.write_text(yaml.safe_dump(self.configuration()))
        return load_settings(self.config, {})

    def configuration(self) -> dict[str, Any]:
        """What the configuration file holds; the files that it names are written."""
        assert self.sandbox.git
        (self.room / "git-password").write_text(self.sandbox.git["password"])
        (self.room / "key.json").write_text(json.dumps(self.sandbox.service_keys[self.tenant]))
        login = {"username": self.sandbox.git["username"], "password": {"file": "git-password"}}
        repository = {"name": "templates", "url": f"{self.sandbox.git['url']}/{self.repository}"}
        tenant = {"name": "t", "serviceKey": {"file": "key.json"}, "repository": "templates"}
        tenant |= {"application": {"name": "main", "path": "templates"}}
        tenant |= {"datastore": self._datastore()}
        return {
            "owner": "team",
            "sources": [{"name": "flows", "directory": "flows", "quiet": "100ms", "atMost": "1s"}],
            "repositories": [repository | {"credentials": login, "window": self.window}],
            "tenants": [tenant],
            "environments": [
                {"name": name, "tenant": "t", "resourceGroup": name} for name in self.environments
            ],
            "reconcile": self.reconcile,
            "render": self.render,
            "http": {"port": 0},
            "cacheDir": "cache",
            "stateDir": "state",
            "log": {"format": "json", "level": "info"},
        } | self.extra

    def _datastore(self) -> dict[str, Any]:
        s3 = self.sandbox.s3
        if s3 is None:
            return {"root": "s3://nowhere/metaflow"}
        for name in ("accessKey", "secretKey"):
            (self.room / name).write_text(s3[name])
        keys = {"accessKeyId": {"file": "accessKey"}, "secretAccessKey": {"file": "secretKey"}}
        place = {"root": f"s3://{s3['bucket']}/metaflow", "endpoint": s3["endpoint"], "region": s3["region"]}
        return place | {"credentials": keys}

    async def object_store(self, group: str = "default") -> None:
        """Register an object store with a resource group, as runs with artifacts need it."""
        async with self.somebody() as client:
            await client.secrets.create_object_store(group, STORE)

    async def resource_group(self, name: str) -> None:
        """Create a resource group."""
        async with self.somebody() as client:
            await client.resource_groups.create(name, {})

    @asynccontextmanager
    async def somebody(self) -> AsyncIterator[AICore]:
        """A person with the tenant's service key: what is done here is not the service's."""
        key = parse_service_key(json.dumps(self.sandbox.service_keys[self.tenant]), "sandbox")
        async with AICore(ClientOptions(), lambda: key, clock=time.monotonic, rng=random.Random(1)) as client:
            yield client

    @asynccontextmanager
    async def service(self) -> AsyncIterator[App]:
        """The service in this process; stopped cleanly at the end of the block."""
        stop = asyncio.Event()
        async with build(self.settings(), BuildOptions(history=False, clock=self.clock)) as app:
            running = asyncio.create_task(serve(app, self.urls.append, stop))
            self.app = app
            try:
                yield app
            finally:
                stop.set()
                await asyncio.wait_for(running, DEADLINE)
                self.app = None

    async def apply(self, timeout: float = DEADLINE) -> App:
        """One `apply`; returns the app as it was left, for its board."""
        options = BuildOptions(history=False, clock=self.clock)
        async with build(self.settings(), options) as app:
            assert (await apply_once(app, timeout)).settled, self.report(app)
            return app

    @asynccontextmanager
    async def process(self, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """The service as the process that people start; killed at the end of the block if it still runs."""
        self.settings()
        with (self.room / "service.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                str(EXECUTABLE), "run", "-c", str(self.config), stderr=log, env={**os.environ, **environment}
            )
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGKILL)
                await process.wait()

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """A command of the command line: exit code, stdout, stderr."""
        self.settings()
        process = await asyncio.create_subprocess_exec(
            str(EXECUTABLE),
            *arguments,
            env=os.environ | {"AICORE_SYNC_CONFIG": str(self.config)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    # --- waiting ---

    async def until(self, true: Callable[[], bool], what: str = "", deadline: float = DEADLINE) -> None:
        """Wait for news of the service's board until `true`."""
        app = self.app
        assert app
        try:
            async with asyncio.timeout(deadline):
                while not true():
                    await app.board.news()
        except TimeoutError:
            raise AssertionError(f"not in {deadline} s: {what}\n{self.report(app)}") from None

    async def seen(
        self, true: Callable[[], Awaitable[bool] | bool], what: str = "", deadline: float = DEADLINE
    ) -> None:
        """Look at the world outside, again and again, until `true`."""
        try:
            async with asyncio.timeout(deadline):
                while True:
                    answer = true()
                    if answer if isinstance(answer, bool) else await answer:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            file = self.room / "service.log"
            text = file.read_text()[-4000:] if file.exists() else ""
            words = self.report(self.app) if self.app else text
            raise AssertionError(f"not in {deadline} s: {what}\n{words}") from None

    async def healthy(self, *names: str, deadline: float = DEADLINE) -> None:
        """Until these flows (all of the source when none is named) are Healthy at their newest version."""
        assert self.app
        wanted = names or tuple(p.parent.name for p in self.source.glob("*/aicore.yaml"))

        def well() -> bool:
            rows = {s.key.flow: s for s in self.rows() if isinstance(s.key, FlowKey)}
            return all(name in rows and rows[name].health is Health.HEALTHY for name in wanted)

        await self.until(well, f"healthy: {', '.join(wanted)}", deadline)

    async def round(self, ahead: timedelta) -> None:
        """Move the service's clock, ask for a sweep, and wait until every key has been looked at since."""
        app = self.app
        assert app
        self.ahead += ahead
        began = app.estate.clock()
        app.sweep.ask()

        def all_looked_at() -> bool:
            statuses = app.board.all()
            return app.desire.keys() <= {s.key for s in statuses} and all(
                s.updated and s.updated >= began for s in statuses
            )

        await self.until(all_looked_at, "one round")
        await app.loop.rested()

    async def quiet(self) -> None:
        """Until two sweeps have passed after now: what the service wanted to do, it has done."""
        assert self.app
        done: Counter[Key] = Counter()
        wait: dict[Key, int] = {s.key: 2 for s in self.app.board.all()}
        before = {s.key: s.updated for s in self.app.board.all()}

        def turned() -> bool:
            assert self.app
            for status in self.app.board.all():
                if status.updated != before.get(status.key):
                    before[status.key] = status.updated
                    done[status.key] += 1
            present = {s.key for s in self.app.board.all()}
            return all(done[key] >= count for key, count in wait.items() if key in present)

        await self.until(turned, "two rounds")

    def rows(self) -> tuple[Status, ...]:
        assert self.app
        return self.app.board.rows()

    def status(self, name: str, environment: str = "default") -> Status | None:
        assert self.app
        return next((s for s in self.rows() if s.key == FlowKey(name, environment)), None)

    def template_status(self, name: str) -> Status | None:
        assert self.app
        return self.app.board.known(TemplateKey("t", name))

    def version(self, name: str) -> str:
        """The version that a flow's row shows, "" before there is one."""
        status = self.status(name)
        return status.facts.get("version", "") if status else ""

    def reasons(self, name: str) -> set[str]:
        """All reasons on the conditions of a flow and of its template."""
        found = (self.status(name), self.template_status(name))
        return {c.reason for s in found if s for c in s.conditions}

    def sentence(self, name: str, stage: Stage) -> str:
        """What the conditions of a stage say, of the flow and of its template."""
        found = (self.status(name), self.template_status(name))
        return "; ".join(c.message for s in found if s for c in s.conditions if c.stage is stage)

    def fingerprint(self, name: str) -> str:
        """The fingerprint that a condition of the flow or its template names; "" without one."""
        words = " ".join(self.sentence(name, stage) for stage in Stage)
        return (words.partition("--expect ")[2].split() or [""])[0].strip(";")

    @staticmethod
    def report(app: App) -> str:
        lines = []
        for status in app.board.all():
            lines.append(f"{status.key} {status.health.value}: {status.message}")
            lines += [f"    {c.stage} {c.mark} {c.reason} {c.subject} {c.message}" for c in status.conditions]
        return "\n".join(lines)

    # --- the world outside ---

    def commits(self) -> list[str]:
        """Subjects on the published branch, newest first; empty before the first commit."""
        if not git(self.remote, "for-each-ref", "refs/heads/main"):
            return []
        return git(self.remote, "log", "--format=%s", "main").splitlines()

    def file(self, name: str) -> str | None:
        """A published template's text."""
        data = file_at(self.remote, f"templates/wt-{name}.yaml") if self.commits() else None
        return data.decode() if data is not None else None

    def commit(self, files: Mapping[str, bytes | str | None]) -> str:
        """Somebody else's commit."""
        return commit_as_somebody(self.remote, files)

    async def group(self, name: str = "default") -> Group:
        """What a resource group holds."""
        tenant = (await self.sandbox.dump())["tenants"][self.tenant]
        return Group(tenant["groups"][name], tenant["executables"])

    async def writes(self, since: int = 0) -> list[str]:
        """Every write that AI Core was sent: method and path, tokens left out."""
        return [
            f"{r['method']} {r['path']}"
            for r in await self.sandbox.requests(since)
            if r["method"] != "GET" and r["path"] != "/oauth/token"
        ]


@dataclass(frozen=True)
class Group:
    """One resource group of the sandbox's dump."""

    state: dict[str, Any]
    executables: dict[str, Any]

    def _all(self, kind: str) -> list[dict[str, Any]]:
        return list(self.state.get(kind, {}).values())

    @property
    def schedules(self) -> dict[str, dict[str, Any]]:
        return {s["name"]: s for s in self._all("schedules")}

    @property
    def configurations(self) -> list[dict[str, Any]]:
        return self._all("configurations")

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        return self._all("artifacts")

    @property
    def deployments(self) -> list[dict[str, Any]]:
        return self._all("deployments")

    @property
    def executions(self) -> list[dict[str, Any]]:
        return self._all("executions")

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """The executions of a flow that no schedule fired."""
        return [e for e in self.executions if e["executableId"] == flow and not e.get("executionScheduleId")]

    def owner(self, execution: str) -> str:
        """Whom the tag of an execution names, "" where there is none."""
        tags = self.state["metrics"].get(execution, {}).get("tags", [])
        return next((str(t["value"]) for t in tags if t["name"] == "aicore-sync.owner"), "")

    def current(self, schedule: str) -> dict[str, Any]:
        """The configuration that a schedule points at."""
        identity = self.schedules[schedule]["configurationId"]
        return next(c for c in self.configurations if c["id"] == identity)

    def version(self, executable: str) -> str:
        return str(self.executables[executable]["versionId"])

    def check(self) -> None:
        """No two schedules, configurations or artifacts that mean the same, no content that has run twice."""
        schedules = self._all("schedules")
        configurations, runs = self.configurations, self.executions
        fired = [r["configurationId"] for r in runs if not r.get("executionScheduleId")]
        names = {
            "schedules": [s["name"] for s in schedules],
            "configurations": [c["name"] for c in configurations],
            "artifacts": [_meaning(a) for a in self.artifacts],
            "runs": fired,
        }
        for kind, found in names.items():
            twice = {name: count for name, count in Counter(found).items() if count > 1}
            assert not twice, f"more than one of these {kind}: {twice}"


def _meaning(artifact: dict[str, Any]) -> tuple[str, ...]:
    """What the labels of an artifact say that it is; its id where there are none."""
    values = {label["key"].rpartition(".")[2]: label["value"] for label in artifact.get("labels") or ()}
    return (values["key"], values["hash"]) if "key" in values else (artifact["id"],)


def template(name: str, template: str = "print(1)", parameters: list[str] | None = None) -> str:
    """A WorkflowTemplate with one container."""
    declared = [{"name": p} for p in parameters or ()]
    container = {"image": "docker.io/library/python:3.11", "command": ["python", "-c"], "args": [template]}
    main = {
        "name": "main",
        "metadata": {"labels": {"ai.sap.com/resourcePlan": "starter"}},
        "container": container,
    }
    metadata = {
        "name": name,
        "labels": {"scenarios.ai.sap.com/id": "tests", "ai.sap.com/version": "1"},
        "annotations": {"scenarios.ai.sap.com/name": "Tests", "executables.ai.sap.com/name": name},
    }
    spec = {"entrypoint": "main", "arguments": {"parameters": declared}, "templates": [main]}
    document = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate"}
    return yaml.safe_dump(document | {"metadata": metadata, "spec": spec}, sort_keys=False)


def manifest(name: str, **options: Any) -> str:
    """A manifest with one configuration `main`; `options` replace parts of it."""
    configuration: dict[str, Any] = {"name": "main", "parameters": options.pop("values", {"alpha": "1"})}
    configuration |= {key: options.pop(key) for key in OF_CONFIGURATION if key in options}
    document: dict[str, Any] = {
        "template": "template.yaml",
        "version": "1",
        "scenario": {"id": "tests", "name": "Tests"},
        "executable": {"id": name, "name": name},
        "environments": ["default"],
        "configurations": [configuration],
    }
    return yaml.safe_dump(document | options, sort_keys=False)


def replace(path: Path, text: str) -> None:
    """Save a file as editors do."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text)
    draft.replace(path)


@asynccontextmanager
async def world(tmp_path: Path, *arguments: str) -> AsyncIterator[World]:
    """A world with an empty source; `arguments` are the sandbox's."""
    (tmp_path / "flows").mkdir()
    order = ("--executor", "instant", "--sync-interval", "3600", *arguments)
    async with renewed_sandbox(tmp_path, *order) as sandbox:
        yield World(tmp_path, sandbox, make_remote(tmp_path / "git", "templates.git"))
