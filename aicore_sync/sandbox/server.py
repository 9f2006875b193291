"""Puts the parts together and serves them until a signal comes, one life after the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from aicore_sync.sandbox import errors
from aicore_sync.sandbox.api import (
    artifacts,
    catalog,
    configurations,
    control,
    deployments,
    executions,
    gitadmin,
    metrics,
    schedules,
    secretadmin,
    tenantadmin,
)
from aicore_sync.sandbox.children import die_with_parent
from aicore_sync.sandbox.clock import Clock
from aicore_sync.sandbox.deployments import Deployer
from aicore_sync.sandbox.faults import Faults, Gate
from aicore_sync.sandbox.gitops import Syncer
from aicore_sync.sandbox.logs import Logs
from aicore_sync.sandbox.model import ObjectStore
from aicore_sync.sandbox.runs import Runner
from aicore_sync.sandbox.ticker import Ticker
from aicore_sync.sandbox.world import Options, World

log = structlog.get_logger()
FAMILIES = (
    catalog,
    artifacts,
    configurations,
    executions,
    deployments,
    schedules,
    metrics,
    gitadmin,
    secretadmin,
    tenantadmin,
)
Reset = Callable[[tuple[str, int]], None]
GIT_USER = "aicore"
SAVE_AFTER = 0.2  # seconds; what a request changed is saved before its answer


@dataclass(frozen=True)
class Start:
    """What the command line says. `git` is a directory of bare repositories to serve, `s3` asks for an object store."""

    options: Options
    host: str = "127.0.0.1"
    port: int = 0
    tenants: tuple[str, ...] = ("default",)
    manual_clock: bool = False
    s3: bool = False
    git: Path | None = None


def build(world: World) -> FastAPI:
    """The application over a world; its loops are on `app.state` and started by `serve`."""
    app = FastAPI(title="AI Core sandbox", openapi_url=None, docs_url=None, redoc_url=None)
    requests: list[dict[str, Any]] = []
    (world.options.work / "logs").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(world.options.work / "git", ignore_errors=True)  # a killed git leaves its locks behind
    (world.options.work / "git").mkdir()
    app.state.world = world
    app.state.log = requests
    app.state.faults = Faults(world)
    app.state.runner = Runner(world, Logs(world.options.work / "logs", world.clock))
    app.state.deployer = Deployer(world, app.state.runner.outcomes)
    app.state.syncer = Syncer(world, app.state.faults, world.options.work / "git")
    app.state.ticker = Ticker(world, app.state.runner)
    errors.install(app)
    for family in FAMILIES:
        app.include_router(family.router, prefix="/v2")
    app.include_router(metrics.tracking)
    app.include_router(control.tokens)
    app.include_router(control.control)
    app.add_middleware(Gate, world=world, faults=app.state.faults, log=requests)
    return app


class _Connections:
    """Open connections by the client's address, so that a fault can reset one."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """uvicorn's protocol class, which enters itself here."""
        book = self.open

        class Noted(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                # asyncio does this only for sockets whose protocol number is set, which accepted ones lack:
                # without it every answer waits 40 ms for the client's delayed acknowledgement.
                transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                book[transport.get_extra_info("peername")[:2]] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                book.pop(self.transport.get_extra_info("peername", ("", 0))[:2], None)

        return Noted

    def reset(self, client: tuple[str, int]) -> None:
        """Send RST: the client sees the connection reset, not closed. One that has left already is let go."""
        transport = self.open.get(tuple(client)[:2])  # type: ignore[arg-type]
        if transport is None:
            return
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: `serve` has its own, so that the parts stop in order."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(self.ready + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Life:
    """An application over one world with the loops that move it. `renew` ends it and begins with an empty world."""

    def __init__(self, start: Start, first: World, reset: Reset) -> None:
        self._start = start
        self._reset = reset
        self.world = first
        self.app = build(first)
        self._loops: list[asyncio.Task[None]] = []
        self._fallen: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def tell(self) -> dict[str, Any]:
        """The service key of each tenant."""
        return {name: self.world.service_key(tenant) for name, tenant in self.world.state.tenants.items()}

    def begin(self, fallen: Callable[[], None]) -> None:
        """Start the loops; `fallen` is called when one of them fails: half a sandbox only misleads."""
        self._fallen = fallen
        state = self.app.state
        state.reset, state.renew = self._reset, self.renew
        for name in self._start.tenants:
            self.world.add_tenant(name)
        state.runner.resume()
        state.deployer.resume()
        parts = (state.syncer.run(), state.ticker.run(), _keep_saved(self.world))
        self._loops = [asyncio.create_task(part) for part in parts]
        for loop in self._loops:
            loop.add_done_callback(self._fall)

    async def end(self) -> None:
        """Stop the loops, then the executions: the next start with the same state finds them running."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self.world.save()
        await self.app.state.deployer.close()
        await self.app.state.runner.close()

    async def renew(self) -> dict[str, Any]:
        """Forget everything but the object store's content and the git remotes; answers as `tell`."""
        await self.end()
        before = self.world
        clock = Clock(manual=self._start.manual_clock)
        self.world = World(before.options, clock, before.rng, url=before.url, store=before.store)
        shutil.rmtree(before.options.work / "logs", ignore_errors=True)
        self.app = build(self.world)
        self.begin(self._fallen)
        self.world.save()
        return self.tell()

    def _fall(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sandbox_loop_failed", error=repr(error), exc_info=error)
            self._fallen()


async def serve(start: Start) -> None:
    """Run until SIGTERM or SIGINT. Prints the ready line on stdout when requests are answered."""
    world = World(start.options, Clock(manual=start.manual_clock), random.SystemRandom())
    world.load()
    async with AsyncExitStack() as stack:
        s3 = await _object_store(stack, world) if start.s3 else None
        git = await _git_host(stack, world, start.git) if start.git else None
        listener = stack.enter_context(contextlib.closing(socket.create_server((start.host, start.port))))
        world.url = f"http://{start.host}:{listener.getsockname()[1]}"
        connections = _Connections()
        life = _Life(start, world, connections.reset)
        config = uvicorn.Config(
            life,
            http=connections.protocol(),
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, setattr, server, "should_exit", True)
        life.begin(lambda: setattr(server, "should_exit", True))
        server.ready = json.dumps({"url": world.url, "serviceKeys": life.tell(), "s3": s3, "git": git})
        await server.serve(sockets=[listener])
        await life.end()


async def _keep_saved(world: World) -> None:
    """Save what happens without a request: executions, schedules, syncs. Bursts are saved once."""
    while True:
        await world.pause(None)
        await asyncio.sleep(SAVE_AFTER)
        world.save()


async def _object_store(stack: AsyncExitStack, world: World) -> dict[str, str]:
    """Start the object store and make it the `default` secret of all resource groups."""
    from aicore_sync.sandbox.objectstore import start_object_store

    store = await start_object_store("aicore")
    stack.push_async_callback(store.aclose)
    world.store = ObjectStore(
        name="default",
        type="S3",
        bucket=store.bucket,
        endpoint=store.endpoint.removeprefix("http://"),
        region=store.region,
        usehttps="0",
        data={"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key},
    )
    for tenant in world.state.tenants.values():
        for group in tenant.groups.values():
            group.object_stores["default"] = world.store
    return {
        "endpoint": store.endpoint,
        "bucket": store.bucket,
        "accessKey": store.access_key,
        "secretKey": store.secret_key,
        "region": store.region,
    }


async def _git_host(stack: AsyncExitStack, world: World, root: Path) -> dict[str, str]:
    """Serve the bare repositories below `root` over HTTP with a password of this run."""
    password = world.uid()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "aicore_sync.sandbox.githost", "--root", str(root), "--user", GIT_USER, "--port", "0"),
        env={**os.environ, "AICORE_SYNC_GITHOST_PASSWORD": password},
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    stack.push_async_callback(_end, process)
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the git host ended before it was ready; its reason is on stderr")
    return {"url": json.loads(line)["url"], "username": GIT_USER, "password": password}


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
