"""Our end of a worker's parent process: start it, give it orders, notice when it dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from aicore_sync.core.errors import Transient
from aicore_sync.render.child import Answer, Limits, Order, Room
from aicore_sync.render.model import Dialect

WORKER = Path(__file__).with_name("worker")
MARK = "AICORE_SYNC_RENDER"  # the variable by which a dead parent's leftovers are found
_START_DEADLINE = 120.0  # seconds; the first import compiles bytecode
_PING_AFTER = 5.0
_LAST = 4096  # bytes
_PATIENCE = 20.0  # for a pong, on a busy machine


class ParentLost(Exception):
    """The parent process died or hung, and all its children with it; it was not necessarily this job's fault."""


class ParentBroken(Exception):
    """The environment cannot be imported; the text says why."""


@dataclass(frozen=True)
class Launch:
    """How to start a parent: `mark` is unique to it; `rooms` is the directory of all rooms, `probe` one of them, and
    `packages` that of all flows' own packages.
    """

    python: Path
    dialect: Dialect
    extension: Path
    packages: Path
    rooms: Path
    probe: Room
    sandbox: str
    user: int
    env: Mapping[str, str]
    markers: Mapping[str, str]
    mark: str

    def plan(self) -> dict[str, Any]:
        rooms, probe = str(self.rooms), str(self.probe.path)
        plan = {"rooms": rooms, "probe": probe, "sandbox": self.sandbox, "user": self.user}
        return {
            **plan,
            "dialect": self.dialect,
            "extension": str(self.extension),
            "packages": str(self.packages),
            "markers": dict(self.markers),
        }

    def command(self) -> tuple[str, ...]:
        # No user site, no script directory on sys.path, no bytecode in our tree or the user's.
        return (str(self.python), "-s", "-P", "-B", "-X", "utf8", str(WORKER / "__main__.py"))


class Parent:
    """A running parent process. Made by `start`; ends with `aclose`, or when it is lost."""

    def __init__(self, process: asyncio.subprocess.Process, launch: Launch, said: BinaryIO) -> None:
        self._process = process
        self._said = said  # its stderr; the file's name is gone with the probe
        self._launch = launch
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._pong = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.lost = False
        self.missing: tuple[str, ...] = ()
        self.user: int | None = None

    @classmethod
    async def start(cls, launch: Launch) -> Parent:
        """Raises ParentBroken when it cannot import what it needs, Transient when no process can be started."""
        log = launch.probe.path / "stderr"
        try:
            said = log.open("w+b")
            process = await asyncio.create_subprocess_exec(
                *launch.command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                env={**launch.env, MARK: launch.mark},
                cwd="/",
            )
        except OSError as error:
            raise unavailable(launch.python, error.strerror or str(error)) from error
        parent = cls(process, launch, said)
        try:
            await parent._greet()
        except BaseException:
            await parent.aclose()
            raise
        return parent

    async def _greet(self) -> None:
        self._send(self._launch.plan())
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_DEADLINE):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ParentBroken(f"not ready within {_START_DEADLINE:g} s") from None
        if not line:
            raise ParentBroken(await asyncio.to_thread(self._last_words) or "no message")
        facts = json.loads(line)
        if "broken" in facts:
            raise ParentBroken(facts["broken"])
        self.missing, self.user = tuple(facts["missing"]), facts["user"]
        self._reader = asyncio.create_task(self._read())

    async def fault(self) -> str:
        """Its last words when it is lost because it failed by itself, "" when it was killed."""
        code = await self._process.wait()
        return await asyncio.to_thread(self._last_words) or f"exit code {code}" if code > 0 else ""

    def _last_words(self) -> str:
        file = self._said.fileno()
        end = os.fstat(file).st_size
        lines = os.pread(file, _LAST, max(0, end - _LAST)).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def learn(self, library: Path) -> None:
        """Tell it where the library part of packages lies; before the first render."""
        self._send({"op": "library", "path": str(library)})

    async def run(self, order: Order, room: Room, limits: Limits) -> Answer:
        """Run one child to its end or deadline; when cancelled, the child is dead on return.

        Raises ParentLost.
        """
        number = next(self._numbers)
        answer = self._expect(number)
        try:
            self._send({**order.message(room, limits), "id": number})
            while not (await asyncio.wait({answer}, timeout=_PING_AFTER))[0]:
                await self._ping()
            return answer.result()
        except asyncio.CancelledError:
            self._send({"op": "stop", "id": number})
            await asyncio.wait({answer}, timeout=_PATIENCE)
            raise
        finally:
            self._waiting.pop(number, None)

    def _expect(self, number: int) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        return answer

    async def _ping(self) -> None:
        self._pong.clear()
        self._send({"op": "ping"})
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._pong.wait()
        except TimeoutError:
            self._kill()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                self._hear(json.loads(line))
        finally:
            self.lost = True
            self._pong.set()
            self._kill()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ParentLost())

    def _hear(self, facts: dict[str, Any]) -> None:
        if "pong" in facts:
            self._pong.set()
            return
        answer = self._waiting.get(facts.pop("id"))
        if answer is not None and not answer.done():
            answer.set_result(Answer(**facts))

    def _send(self, facts: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        if self.lost or self._process.stdin.is_closing():
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ParentLost())
            return
        self._process.stdin.write(json.dumps(facts).encode() + b"\n")

    def _kill(self) -> None:
        """Not `process.kill`: that may reap a process which asyncio waits for, and its exit code is lost."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """End it and everything that it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        if self._reader is not None:
            await asyncio.wait({self._reader})
        if self._process.returncode:
            await asyncio.to_thread(bury, self._launch.mark)
        self._said.close()


def bury(mark: str) -> int:
    """Kill what a parent left that was killed itself: processes with our mark in their environment; how many."""
    wanted, gone = f"{MARK}={mark}".encode(), 0
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in place.read_bytes().split(b"\0"):
                os.kill(int(place.parent.name), signal.SIGKILL)
                gone += 1
    return gone


def unavailable(python: Path, why: str) -> Transient:
    message = f"cannot start {python} to render: {why}; is the machine out of memory or disk?"
    return Transient(message, reason="RenderUnavailable")
