"""The renderer: one contained child per render, at most `concurrency` at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from aicore_sync.render.arguments import arguments
from aicore_sync.render.background import Background, Slow
from aicore_sync.render.child import Ended, Limits, Order, Room
from aicore_sync.render.environments import sweep_environments, sweep_old, sweep_unclaimed
from aicore_sync.render.failure import explained, silent
from aicore_sync.render.model import Dialect, Rendered, RenderFailed, RenderJob, RenderOptions
from aicore_sync.render.own import Own, own_packages
from aicore_sync.render.toolchains import Toolchain, Toolchains
from aicore_sync.render.verify import Library, Shelf, Verifier, parse_report
from aicore_sync.render.workers import Task

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")

log = structlog.get_logger()


class Renderer:
    """Renders flows. `start` once, then any number of concurrent `render`s, `aclose` at the end."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._limits = Limits(options.deadline, options.memory, options.output)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._toolchains = Toolchains(options)
        self._own = Background[tuple[Path, Own], Path]()
        self._shelf = Shelf(options.cache_dir.absolute() / "blobs")

    async def start(self) -> None:
        """Clean up, and make the environment ready before the first render asks for it.

        Raises Stalled or Transient when there is no environment to render in; a later render tries again.
        """
        await self.clean()
        await self._toolchains.get(self._options.dialect, "")

    def hurry(self) -> None:
        """From now on nobody waits for installers: EnvironmentBuilding is raised at once, and they go on."""
        self._own.patient = self._toolchains.preparing.patient = False

    def begin(self, dialect: Dialect, rendering: str = "") -> None:
        """Have an environment made ready, without waiting; who needs it hears what became of it."""
        self._toolchains.begin(dialect, rendering)

    async def clean(self) -> None:
        """Remove what is of no use: rooms and snapshots of dead processes; blobs, kept renders and environments that
        nobody has used for long."""
        cache, now = self._options.cache_dir.absolute(), self._options.now()
        for place in ("renders", "snapshots"):
            await asyncio.to_thread(sweep_unclaimed, cache / place)
        await asyncio.to_thread(self._shelf.sweep, now - self._options.keep_blobs)
        await asyncio.to_thread(sweep_old, cache / "rendered", now - self._options.keep_blobs)
        for place in ("envs", "own"):
            await asyncio.to_thread(sweep_environments, cache / place, now - self._options.keep_environments)

    async def aclose(self) -> None:
        """End our processes and remove our directories. Renders in flight must have been cancelled or awaited."""
        await self._own.aclose()
        await self._toolchains.aclose()

    async def version(self, dialect: Dialect, rendering: str = "") -> str:
        """Changes whenever the same flow may render differently in this environment: dialect, interpreter, Metaflow,
        plugin, our own code. What else is installed there does not count: it cannot be seen in full."""
        return (await self._toolchains.get(dialect, rendering)).version

    async def render(self, job: RenderJob) -> Rendered:
        """Render one flow.

        Raises RenderFailed when its owner must change something, Stalled or Transient when the environment or
        this machine is at fault.
        """
        toolchain = await self._toolchains.get(job.dialect, job.rendering)
        packages = await self._packages(job, toolchain)
        task = self._task(_settled(job), toolchain.library, packages)
        async with self._slots:
            rendered = await toolchain.workers.render(task, self._limits)
        log.debug("flow_rendered", name=job.name, script=job.script, uploads=len(rendered.uploads))
        return rendered

    async def _packages(self, job: RenderJob, toolchain: Toolchain) -> Path | None:
        if not job.requirements:
            return None
        python = toolchain.workers.ground.python
        own = Own(job.dialect, job.requirements, job.rendering)

        def install(slow: Slow) -> Coroutine[Any, Any, Path]:
            return own_packages(self._options, python, own, slow)

        try:
            return await self._own.get((python, own), install)
        except RenderFailed as error:
            raise RenderFailed(f"{job.script}: {error.message}", file=job.script) from error

    def _task(self, job: RenderJob, library: Library, packages: Path | None = None) -> Task[Rendered]:
        def take(room: Room, ended: Ended) -> Rendered:
            there = _moved(job, room)
            report = parse_report(ended.result)
            if report is None:
                raise silent(ended, there, self._limits)
            if report.failure is not None:
                raise explained(report.failure, there)
            try:
                limit = self._options.output
                return Verifier(there, room.output, library, self._shelf, limit).rendered(report)
            except RenderFailed as error:
                raise RenderFailed(f"{there.script}: {error.message}", file=there.script) from error

        return Task(job.directory, lambda room: _order(_moved(job, room), room, packages), take)


def _settled(job: RenderJob) -> RenderJob:
    """The job with no links in its paths."""
    script = (job.directory / job.script).resolve()
    if not script.is_file():
        raise RenderFailed(f"{job.script}: no such file in the flow's directory", file=job.script)
    if not _NAME.fullmatch(job.name):
        raise RenderFailed(
            f"the executable id '{job.name}' cannot name a template; use lower case letters, digits and '-'"
        )
    directory = job.directory.resolve()
    inside = script.relative_to(directory) if script.is_relative_to(directory) else Path(script.name)
    directory = directory if script.is_relative_to(directory) else script.parent
    root = job.datastore_root.rstrip("/")
    return replace(job, directory=directory, script=str(inside), datastore_root=root)


def _moved(job: RenderJob, room: Room) -> RenderJob:
    """The job in the room's copy, with the script's own directory as its root, as Metaflow packages it."""
    script = room.work / job.script
    return replace(job, directory=script.parent, script=script.name)


def _metaflow_settings(job: RenderJob) -> dict[str, str]:
    image = {"METAFLOW_KUBERNETES_CONTAINER_IMAGE": job.image} if job.image else {}
    return {"METAFLOW_DATASTORE_SYSROOT_S3": job.datastore_root, **image}


def _order(job: RenderJob, room: Room, packages: Path | None) -> Order:
    facts: dict[str, Any] = {
        "directory": str(job.directory),
        "script": job.script,
        "flow": job.flow,
        "root": job.datastore_root,
        "arguments": arguments(job),
        "stubs": job.stub_imports,
        "packages": str(packages or ""),
    }
    return Order("render", facts, {**room.settings(), **_metaflow_settings(job)})
