"""The whole product on embedded parts: a git remote, a small AI Core, sample flows, and the service with its page."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import yaml

from aicore_sync.app import App, BuildOptions, build
from aicore_sync.app.service import serve
from aicore_sync.config import load_settings
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import STAGES, Condition, Health, Stage, Status
from aicore_sync.core.world import Upload
from aicore_sync.datastore import DataStore, DataStoreOptions, StoreKeys
from aicore_sync.telemetry import Masker, configure_logging
from aicore_sync.terminal import coloured, err, print_table

HERE = Path(__file__).resolve().parent
BRAKES = {"settle": "3s", "allowShortSettle": True, "runQuiet": "1s", "goneAfter": "3s", "interval": "20s"}
FLOWS = ("churn-train", "hyper-search", "evaluate", "score-template")
MARKER = ".aicore-sync-demo"  # lies in every directory that a demo works in, and in no other
SCHEMA = re.compile(r"^# yaml-language-server:.*\n", re.MULTILINE)


@dataclass(frozen=True)
class World:
    """What the sandbox process says about itself, and where everything lies."""

    room: Path
    ready: dict[str, Any]
    process: asyncio.subprocess.Process | None = None

    async def ended(self) -> None:
        """Until the sandbox is no more."""
        assert self.process is not None
        await self.process.wait()

    @property
    def source(self) -> Path:
        return self.room / "flows"

    def head(self) -> str:
        """The published commit, "" before the first."""
        ref = self.room / "git" / "templates.git" / "refs" / "heads" / "main"
        return ref.read_text().strip() if ref.exists() else ""

    @property
    def config(self) -> Path:
        return self.room / "config.yaml"


async def run_demo(*, once: bool, directory: Path | None, timeout: float) -> int:
    """Run until Ctrl-C, or with `once` until every flow is healthy. Returns the exit code."""
    room = room_of(directory)
    _say(f"working in {room}")
    _say(
        "brakes are short here: "
        + ", ".join(f"{k} {v}" for k, v in BRAKES.items())
        + "; real ones are minutes"
    )
    masker = Masker()
    log = (room / "service.log").open("a", encoding="utf-8")
    configure_logging("info", "json", masker=masker, stream=log)
    try:
        async with sandbox(room) as world:
            prepare(world)
            settings = load_settings(world.config, {})
            async with build(settings, BuildOptions(masker=masker)) as app:
                return await _drive(app, world, once, timeout)
    except Stalled as error:
        err.print(error.message, markup=False)
        return 2
    finally:
        log.close()
        if directory is None and once:
            shutil.rmtree(room, ignore_errors=True)
        else:
            _say(f'ended; to go on where it was: make demo ARGS="--directory {room}"')


def room_of(directory: Path | None) -> Path:
    """The directory to work in: new, empty, or one of an earlier demo; another's files would be written over."""
    room = directory or Path(tempfile.mkdtemp(prefix="aicore-sync-demo-"))
    room.mkdir(parents=True, exist_ok=True)
    marker = room / MARKER
    if not marker.exists():
        if any(room.iterdir()):
            raise Stalled(
                f"{room} holds files that are of no demo, and the demo would write over them; "
                "name a new or empty directory",
                reason="DemoFailed",
            )
        marker.write_text("{}")
    return room


@asynccontextmanager
async def sandbox(room: Path) -> AsyncIterator[World]:
    """A git remote with an empty repository, and the sandbox as a process of its own."""
    remote = room / "git" / "templates.git"
    if not remote.exists():
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)  # noqa: ASYNC221
    command = [sys.executable, "-m", "aicore_sync.sandbox", "--s3", "--git", str(room / "git")]
    command += ["--work", str(room / "sandbox"), "--die-with-parent"]
    with (room / "sandbox.log").open("ab") as log:
        # In a session of its own: Ctrl-C is for the service, which still has something to say to it.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True
        )
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            if not line:
                raise Stalled(f"the sandbox did not start; see {room / 'sandbox.log'}", reason="DemoFailed")
            yield World(room, json.loads(line), process)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def prepare(world: World, flows: Iterable[str] = FLOWS) -> None:
    """Sample flows, secrets in files, and the configuration."""
    if not world.source.exists():  # in a demo that goes on, they are what somebody made of them
        _copy_examples(world.source, flows)
    secrets = world.room / "secrets"
    secrets.mkdir(exist_ok=True, mode=0o700)
    git, s3 = world.ready["git"], world.ready["s3"]
    (secrets / "service-key.json").write_text(json.dumps(world.ready["serviceKeys"]["default"]))
    _keep(secrets / "web-token", token_urlsafe(24))
    (secrets / "git-password").write_text(git["password"])
    (secrets / "s3-key").write_text(s3["accessKey"])
    (secrets / "s3-secret").write_text(s3["secretKey"])
    _configure(world, git, s3)


def _copy_examples(source: Path, flows: Iterable[str]) -> None:
    """All or none of them. Without the line for editors: where it points is beside the examples only."""
    examples = next(p for p in (HERE / "_examples", HERE.parent / "examples" / "flows") if p.is_dir())
    half = source.with_name(f"{source.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    for name in flows:
        shutil.copytree(examples / name, half / name, ignore=shutil.ignore_patterns("__pycache__"))
    for manifest in half.rglob("aicore.yaml"):
        manifest.write_text(SCHEMA.sub("", manifest.read_text()))
    half.rename(source)


def _configure(world: World, git: dict[str, str], s3: dict[str, str]) -> None:
    """The configuration: of a demo that goes on the one that is there, with the addresses of now."""
    marker, now = world.room / MARKER, {"git": git["url"], "s3": s3["endpoint"]}
    before = json.loads(marker.read_text()) if marker.exists() else {}
    if before and world.config.exists():
        moved = {before[name]: now[name] for name in now}
        old = re.compile(rf"({'|'.join(map(re.escape, moved))})(?!\d)")
        world.config.write_text(old.sub(lambda found: moved[found[1]], world.config.read_text()))
    else:
        world.config.write_text(yaml.safe_dump(_configuration(git, s3), sort_keys=False))
    marker.write_text(json.dumps(now))


def _keep(file: Path, value: str) -> None:
    """Write a secret where none is yet: a demo that goes on in its directory keeps its logins."""
    if not file.exists():
        file.write_text(value)


def _configuration(git: dict[str, str], s3: dict[str, str]) -> dict[str, Any]:
    keys = {"accessKeyId": {"file": "secrets/s3-key"}, "secretAccessKey": {"file": "secrets/s3-secret"}}
    store = {"root": f"s3://{s3['bucket']}/metaflow", "endpoint": s3["endpoint"], "region": s3["region"]}
    login = {"username": git["username"], "password": {"file": "secrets/git-password"}}
    return {
        "owner": "demo",
        "sources": [{"name": "flows", "directory": "flows"}],
        "repositories": [{"name": "templates", "url": f"{git['url']}/templates.git", "credentials": login}],
        "tenants": [
            {
                "name": "demo",
                "serviceKey": {"file": "secrets/service-key.json"},
                "repository": "templates",
                "application": {"name": "demo", "path": "templates"},
                "datastore": {**store, "credentials": keys},
            }
        ],
        "environments": [{"name": "dev", "tenant": "demo", "resourceGroup": "default"}],
        "defaults": {"environments": ["dev"]},
        "reconcile": BRAKES,
        "http": {"port": 0, "login": {"tokens": [{"name": "you", "token": {"file": "secrets/web-token"}}]}},
        "stateDir": "state",
    }


async def seed(world: World) -> None:
    """The input data that the hand-written template reads."""
    s3 = world.ready["s3"]
    bucket, data = s3["bucket"], world.source / "score-template" / "data"
    options = DataStoreOptions(f"s3://{bucket}", s3["endpoint"], s3["region"])
    store = DataStore(options, lambda: StoreKeys(s3["accessKey"], s3["secretKey"]))
    for file in sorted(p for p in data.rglob("*") if p.is_file()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        url = f"s3://{bucket}/data/customers/{file.relative_to(data).as_posix()}"
        await store.ensure(Upload(url, digest, str(file)))


async def _drive(app: App, world: World, once: bool, timeout: float) -> int:
    _say("preparing the rendering environment (built once, then cached)")
    await app.renderer.start()
    await seed(world)
    stop = asyncio.Event()
    service = asyncio.create_task(serve(app, lambda url: _point(world, url), stop))
    watching = asyncio.create_task(_narrate(app))
    sandbox_end = asyncio.create_task(world.ended())
    ends = {service, sandbox_end}
    try:
        if once:
            return await _once(app, world, ends, timeout)
        _say(f"to act in the page, log in with the token in {world.room / 'secrets' / 'web-token'}")
        _say(f"edit the flows in {world.source} and watch; start again for changes of {world.config.name}")
        _say("Ctrl-C ends")
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return 0 if service.done() else 2
    finally:
        if sandbox_end.done() and not service.done():
            _say(f"the small AI Core has ended; its last words are in {world.room / 'sandbox.log'}")
        sandbox_end.cancel()
        watching.cancel()
        stop.set()
        await service


def _point(world: World, url: str) -> None:
    """The page, and what makes every command of another terminal speak to this demo."""
    _say(f"status page: {url}")
    token = world.room / "secrets" / "web-token"
    program = (
        "" if shutil.which("aicore-sync") else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH "
    )
    _say(
        f"commands: export {program}AICORE_SYNC_CONFIG={world.config} AICORE_SYNC_URL={url} "
        f"AICORE_SYNC_TOKEN=$(cat {token})"
    )
    _say(
        "commands: then aicore-sync status, aicore-sync sync --wait, aicore-sync tree, aicore-sync events -w"
    )


async def _once(app: App, world: World, ends: set[asyncio.Task[None]], timeout: float) -> int:
    healthy = asyncio.create_task(_all_healthy(app, sum((world.source / name).is_dir() for name in FLOWS)))
    done, _ = await asyncio.wait({healthy, *ends}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    healthy.cancel()
    rows = sorted(app.board.rows(), key=lambda s: str(s.key))
    print_table(("FLOW", "HEALTH", "VERSION", "RUNS", "OUTPUTS"), map(_summary, rows))
    if healthy in done:
        _say("every demo flow is healthy")
        return 0
    for status in rows:
        if status.health is not Health.HEALTHY:
            err.print(f"{status.key}: {status.message}", markup=False)
    return 3 if not done else 2


def _summary(status: Status) -> tuple[str, ...]:
    runs = [o for o in status.objects if o.kind == "execution"]
    outputs = sorted(
        {name for run in runs for name in run.detail.split(", ") if run.state == "COMPLETED" and name}
    )
    return (
        str(status.key),
        coloured(status.health.value, status.health),
        status.facts.get("version", ""),
        ", ".join(f"{run.id} {run.state}" for run in runs),
        ", ".join(outputs),
    )


async def _all_healthy(app: App, flows: int) -> None:
    while True:
        rows = app.board.rows()
        if len(rows) >= flows and all(row.health is Health.HEALTHY for row in rows):
            return
        await app.board.news()


async def _narrate(app: App) -> None:
    """A line for every stage that changes its word."""
    told: dict[tuple[str, Stage], str] = {}
    while True:
        for status in app.board.rows():
            for stage in (Stage.DESIRE, *STAGES):
                condition = status.condition(stage)
                place = (str(status.key), stage)
                if condition and told.get(place) != condition.reason:
                    told[place] = condition.reason
                    _tell(status, condition)
        await app.board.news()


def _tell(status: Status, condition: Condition) -> None:
    stage = coloured(condition.stage.value.ljust(9), condition.mark)
    err.print(f"  {stage} {str(status.key).ljust(22)} ", end="", soft_wrap=True)
    err.print(f"{condition.reason} {condition.message}".strip(), markup=False, soft_wrap=True)


def _say(text: str) -> None:
    err.print(f"demo: {text}", markup=False, soft_wrap=True)
