"""The parents of one rendering environment: a warm one for all renders, a cold one where that must not be risked.

render → warm parent → Ended
            │ it died, or the child was killed from outside: perhaps by another flow
            └→ a cold parent of its own, once: who kills it now kills nobody else
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.render import child
from aicore_sync.render.child import Answer, Ended, Limits, Order, Room
from aicore_sync.render.model import Dialect, RenderOptions
from aicore_sync.render.own import place_of
from aicore_sync.render.parent import Launch, Parent, ParentBroken, ParentLost, unavailable
from aicore_sync.render.worker import posix

# What differs from job to job; see `worker.settings`.
_MARKED = (
    *("METAFLOW_TEMPDIR", "METAFLOW_ARTIFACT_LOCALROOT"),
    *("METAFLOW_DATASTORE_SYSROOT_S3", "METAFLOW_KUBERNETES_CONTAINER_IMAGE"),
)
# The child found a marker in the template: this version of Metaflow hides one from `worker.settings`.
_UNSETTLED = b'"unsettled": true}'

NEEDS = {
    "native": "metaflow (2.12 to 2.19), boto3 and requests",
    "plugin": "sap-ai-core-metaflow, metaflow, boto3, requests and kubernetes",
}

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Ground:
    """Where parents stand: their interpreter, the directory of rooms, and how to get a room in it.

    `extension` is a directory that shows our compiler to Metaflow.
    """

    python: Path
    dialect: Dialect
    extension: Path
    rooms: Path
    options: RenderOptions


@dataclass(frozen=True)
class Task(Generic[T]):
    """What to do in a room: the flow's directory to copy into it, the order, and what to make of the outcome.

    `take` may block and raise; it is called before the room is removed, and never twice.
    """

    source: Path | None
    order: Callable[[Room], Order]
    take: Callable[[Room, Ended], T]


class _Again(Exception):
    """The outcome says nothing about the flow yet."""


class Workers:
    """Runs orders. `aclose` ends the warm parent; renders in flight must have ended before."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._warm: Parent | None = None
        self._starting = asyncio.Lock()
        self._warned = False
        self._library: Path | None = None
        self._user: int | None = None
        self._busy = 0

    @property
    def ground(self) -> Ground:
        return self._ground

    @property
    def idle(self) -> bool:
        """No render is at work, so `aclose` disturbs nobody; the next render starts a parent again."""
        return not self._busy

    async def describe(self, take: Callable[[Room, Ended], bytes], limits: Limits) -> bytes:
        """Ask the environment what it is; `take` gets what it says and returns the library part of packages,
        which all renders to come need."""
        task = Task(None, lambda room: Order("describe", {}, room.settings()), take)
        warm = await self._parent()
        try:
            data = await self._once(warm, task, limits)
        except (ParentLost, _Again):
            raise Transient(
                f"{self._ground.python} was killed while it was asked for its versions", reason="RenderKilled"
            ) from None
        self._library = self._ground.rooms / "library"
        await asyncio.to_thread(self._library.write_bytes, data)
        warm.learn(self._library)
        return data

    async def render(self, task: Task[T], limits: Limits) -> T:
        """In the warm parent; again, and alone, when something other than the flow may have ended it.

        Raises Transient when no process can be started, and whatever `task.take` raises.
        """
        self._busy += 1
        try:
            return await self._once(await self._parent(), task, limits)
        except (ParentLost, _Again) as why:
            log.warning("render_repeated", parent_lost=isinstance(why, ParentLost))
            return await self.alone(task, limits)
        finally:
            self._busy -= 1

    async def alone(self, task: Task[T], limits: Limits) -> T:
        """In a parent of its own that has the job's settings from the start; how it ends is the flow's doing."""
        async with self.room(self._user, task.source) as room:
            order = task.order(room)
            parent = await self._start(dict(order.settings), warm=False)
            try:
                if self._library is not None:
                    parent.learn(self._library)
                answer = await parent.run(order, room, limits)
            except ParentLost:
                if fault := await parent.fault():
                    raise cannot_render(self._ground.dialect, self._ground.python, fault) from None
                answer = Answer(code=-signal.SIGKILL)
            finally:
                await parent.aclose()
            return await asyncio.to_thread(_taken, task, room, answer, limits)

    async def _once(self, parent: Parent, task: Task[T], limits: Limits) -> T:
        async with self.room(parent.user, task.source) as room:
            answer = await parent.run(task.order(room), room, limits)
            if answer.error:
                raise unavailable(self._ground.python, answer.error)
            return await asyncio.to_thread(_taken, task, room, answer, limits, again=True)

    @contextlib.asynccontextmanager
    async def room(self, owner: int | None, source: Path | None = None) -> AsyncIterator[Room]:
        """A new room with a copy of `source`, removed afterwards, whatever happens."""
        room = Room(self._ground.rooms / uuid.uuid4().hex)
        try:
            await asyncio.to_thread(room.prepare, owner, source)
            yield room
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, room.path, ignore_errors=True))

    async def aclose(self) -> None:
        if self._warm is not None:
            await self._warm.aclose()
            self._warm = None

    async def _parent(self) -> Parent:
        async with self._starting:
            if self._warm is None or self._warm.lost:
                await self.aclose()
                self._warm = await self._start({}, warm=True)
                self._user = self._warm.user
                self._warn(self._warm.missing)
                log.info("render_parent_started", pid=self._warm.pid, user=self._warm.user)
                if self._library is not None:
                    self._warm.learn(self._library)
            return self._warm

    async def _start(self, settings: dict[str, str], warm: bool) -> Parent:
        posix.keep_private()  # where walls are missing, users' code runs as the same user as we do
        options, mark = self._ground.options, uuid.uuid4().hex
        markers = {name: f"/nonexistent/{mark}/{n}" for n, name in enumerate(_MARKED)} if warm else {}
        python, rooms = self._ground.python, self._ground.rooms
        env = {
            **child.environment(python),
            "TMPDIR": str(rooms),
            **settings,
            **markers,
        }
        async with self.room(None) as probe:
            _offer(probe, options)
            ground = (
                python,
                self._ground.dialect,
                self._ground.extension,
                place_of(options).resolve(),
                rooms,
            )
            launch = Launch(*ground, probe, options.sandbox, options.user, env, markers, mark)
            try:
                parent = await Parent.start(launch)
            except ParentBroken as error:
                raise cannot_render(self._ground.dialect, python, str(error)) from error
        if parent.missing and options.sandbox == "strict":
            await parent.aclose()
            raise _not_strict(parent.missing)
        return parent

    def _warn(self, missing: tuple[str, ...]) -> None:
        if missing and not self._warned:
            self._warned = True
            log.warning("render_sandbox_incomplete", missing=list(missing))


def _offer(probe: Room, options: RenderOptions) -> None:
    """Give the room to the user that children shall become, if that can be done: they try it with this room."""
    if os.geteuid() == 0 and options.sandbox != "off":
        with contextlib.suppress(OSError):
            os.chown(probe.output, options.user, options.user)


def _taken(task: Task[T], room: Room, answer: Answer, limits: Limits, *, again: bool = False) -> T:
    """What the caller makes of it; _Again when the warm parent's word is not the last."""
    ended = room.ended(answer, limits)
    killed = ended.code == -signal.SIGKILL and not (ended.timed_out or ended.result or ended.excess)
    if again and (killed or ended.result.endswith(_UNSETTLED)):
        raise _Again
    return task.take(room, ended)


def cannot_render(dialect: Dialect, python: Path, why: str) -> Stalled:
    """The interpreter lacks something."""
    return Stalled(
        f"{python} cannot render: {why}; dialect {dialect} needs {NEEDS[dialect]}. Correct the environment's "
        "python in render.environments, or remove the built environment to have it made anew",
        reason="EnvironmentFailed",
    )


def _not_strict(missing: tuple[str, ...]) -> Stalled:
    return Stalled(
        f"render.sandbox: strict, but this system does not give {'; '.join(missing)}. Run as root or with user "
        "namespaces, or set render.sandbox to auto",
        reason="SandboxUnavailable",
    )
