"""Rendering environments that answered: one set of processes each, of which only the latest used stay warm."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import structlog

from aicore_sync.render import repair
from aicore_sync.render.background import Background, Slow
from aicore_sync.render.child import Ended, Limits, Room
from aicore_sync.render.environments import claimed, environment_python, held
from aicore_sync.render.extension import shown
from aicore_sync.render.model import Dialect, RenderOptions
from aicore_sync.render.parent import WORKER
from aicore_sync.render.verify import Library
from aicore_sync.render.workers import Ground, Workers, cannot_render

_PROBE_DEADLINE = 120.0  # seconds

log = structlog.get_logger()


@dataclass(frozen=True)
class Toolchain:
    """A rendering environment that answered: its processes, and the library part of its code packages.

    `version` changes whenever the same flow could render differently; it belongs into the input digest.
    """

    workers: Workers
    version: str
    library: Library
    stack: contextlib.ExitStack

    def usable(self) -> bool:
        """False when somebody emptied the cache below a running service."""
        ground = self.workers.ground
        return all(p.exists() for p in (ground.python, ground.extension, ground.rooms / "library"))

    async def aclose(self) -> None:
        """End the processes and remove the rooms."""
        await self.workers.aclose()
        await asyncio.to_thread(self.stack.close)


class Toolchains:
    """Environments by dialect and name, built and asked what they are at first use, each in a task of its own."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self.preparing = Background[tuple[Dialect, str], Toolchain]()
        self._resting = asyncio.Lock()
        self._known: dict[tuple[Dialect, str], Toolchain] = {}  # the latest used is the last

    async def get(self, dialect: Dialect, name: str) -> Toolchain:
        """The environment's toolchain. Raises Stalled or Transient when there is none; asking again tries again.

        While one is being built, everybody waits, or hears EnvironmentBuilding; the others are there all the same.
        """
        found = self._ready(dialect, name)
        if found is None:
            found = await self.preparing.get((dialect, name), lambda slow: self._prepare(dialect, name, slow))
        async with self._resting:
            await self._rest()
        return found

    def begin(self, dialect: Dialect, name: str) -> None:
        """Have it made ready, without waiting."""
        if self._ready(dialect, name) is None:
            self.preparing.begin((dialect, name), lambda slow: self._prepare(dialect, name, slow))

    def _ready(self, dialect: Dialect, name: str) -> Toolchain | None:
        found = self._known.get((dialect, name))
        if found is None or not found.usable():
            return None
        self._known[dialect, name] = self._known.pop((dialect, name))
        return found

    async def _prepare(self, dialect: Dialect, name: str, slow: Slow) -> Toolchain:
        old = self._known.pop((dialect, name), None)
        if old is not None:
            await old.aclose()
        found = self._known[dialect, name] = await self._probe(dialect, name, slow)
        return found

    async def _rest(self) -> None:
        """Too many warm parents: those go that have no work and were used longest ago."""
        for toolchain in list(self._known.values())[: -self._options.warm]:
            if toolchain.workers.idle:
                await toolchain.workers.aclose()

    async def aclose(self) -> None:
        await self.preparing.aclose()
        while self._known:
            await self._known.popitem()[1].aclose()

    async def _probe(self, dialect: Dialect, name: str, slow: Slow) -> Toolchain:
        """Ask the environment what it is, and have it pack the part that all code packages share."""
        python = await environment_python(self._options, dialect, name, slow)
        stack = contextlib.ExitStack()
        place = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        rooms = stack.enter_context(claimed(self._options.cache_dir.absolute() / "renders" / place))
        rooms.chmod(0o711)
        stack.enter_context(held(python, self._options))
        extension = await asyncio.to_thread(shown, self._options.cache_dir.absolute() / "extension")
        workers = Workers(Ground(python, dialect, extension, rooms.resolve(), self._options))
        versions: dict[str, str] = {}

        def take(room: Room, ended: Ended) -> bytes:
            versions.update(_versions(ended, dialect, python), dialect=dialect)
            return (room.output / "library").read_bytes()

        try:
            limits = Limits(_PROBE_DEADLINE, self._options.memory, self._options.output)
            data = await workers.describe(take, limits)
            library = await asyncio.to_thread(Library.of, data, self._options.output)
        except BaseException:
            await workers.aclose()
            stack.close()
            raise
        log.info("render_environment_found", interpreter=str(python), **versions)
        wanted = self._options.environments[name].requirements if name in self._options.environments else ()
        return Toolchain(workers, _version(versions, wanted, data), library, stack)


def _versions(ended: Ended, dialect: Dialect, python: Path) -> dict[str, str]:
    try:
        facts = json.loads(ended.result)
        return {str(k).replace("-", "_"): str(v) for k, v in facts.items()}
    except (ValueError, AttributeError):
        last = ended.errors.strip().splitlines()[-1:] or ["no message"]
        raise cannot_render(dialect, python, last[0]) from None


def _version(versions: dict[str, str], requirements: tuple[str, ...], library: bytes) -> str:
    content = json.dumps(versions, sort_keys=True).encode() + library + "\0".join(requirements).encode()
    for file in (*sorted(WORKER.glob("*.py")), Path(repair.__file__)):
        content += file.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]
