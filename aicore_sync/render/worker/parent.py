"""Imports Metaflow once, then forks one guarded child per render. Single-threaded; runs no user's code itself.

Lines of JSON on stdin, first the plan, then orders:

    {"dialect", "extension", "packages", "rooms", "probe", "user", "sandbox", "markers"}
    {"op": "render" | "describe", "id", "room", "limits", "job"}   {"op": "stop", "id"}
    {"op": "library", "path"}                                      {"op": "ping"}

and on stdout: {"ready", "missing"} or {"broken"}, then {"id", "code", "timed_out", "excess"} and {"pong"}.
Results lie in the rooms. The end of stdin is the end of everything.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import posix, script, settings
from .capture import Job
from .child import Place, guard
from .walls import Walls, build


@dataclass
class Live:
    """A guard that runs: `status` is the reading end of its pipe, `until` its deadline by our clock."""

    number: int
    status: int
    until: float
    timed_out: bool = False


class Parent:
    """The state between two looks at stdin."""

    def __init__(self, plan: dict[str, Any], walls: Walls, say: Callable[..., None]) -> None:
        self._dialect = _dialect(plan)
        self._walls = walls
        self._say = say
        self._markers: dict[str, str] = plan["markers"]
        self._places = settings.find(self._markers)
        self._library: Any = None
        self._live: dict[int, Live] = {}

    def obey(self, order: dict[str, Any]) -> None:
        operation = order["op"]
        if operation == "ping":
            self._say(pong=True)
        elif operation == "library":
            self._library = self._dialect.learn(order["path"])
            _settle()
        elif operation == "stop":
            for pid in [p for p, live in self._live.items() if live.number == order["id"]]:
                _kill(pid)
        else:
            self._fork(order)

    def _fork(self, order: dict[str, Any]) -> None:
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(read)
            self._say(id=order["id"], error=error.strerror)
        else:
            if pid == 0:
                place = Place(order["room"], order["limits"], self._walls)
                guard(place, write, lambda result: self._work(order, result))
            until = time.monotonic() + order["limits"]["deadline"]
            self._live[pid] = Live(order["id"], read, until)
        finally:
            os.close(write)

    def _work(self, order: dict[str, Any], result: int) -> None:
        """Runs in the child."""
        settings.apply(self._places, self._markers, order["job"]["settings"])
        if order["op"] == "describe":
            script.describe(self._dialect, order["job"]["output"], result)
        else:
            marks = tuple(self._markers.values())
            script.render(Job.of(order["job"], result, marks), self._dialect, self._library)

    def patience(self) -> float | None:
        """Milliseconds until the next deadline."""
        waiting = [live.until for live in self._live.values() if not live.timed_out]
        return max(0.0, min(waiting) - time.monotonic()) * 1000 + 1 if waiting else None

    def strike(self) -> None:
        """Kill what is over its deadline."""
        for pid, live in self._live.items():
            if not live.timed_out and time.monotonic() >= live.until:
                live.timed_out = True
                _kill(pid)

    def bury(self) -> None:
        """Reap the dead, tell how they ended, and kill what they left behind: it is our child by now."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            if pid in self._live:
                self._tell(self._live.pop(pid))
        for orphan in posix.children():
            if orphan not in self._live:
                _kill(orphan)

    def _tell(self, live: Live) -> None:
        with os.fdopen(live.status, "rb") as pipe:
            os.set_blocking(pipe.fileno(), False)
            said = pipe.read() or b""
        code, _, excess = said.decode().partition(" ")
        number = int(code) if code else -signal.SIGKILL  # the guard was killed, and the child with it
        self._say(id=live.number, code=number, timed_out=live.timed_out, excess=excess)

    def end(self) -> None:
        for pid in [*self._live, *posix.children()]:
            _kill(pid)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0):
                for pid in posix.children():
                    _kill(pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _settle() -> None:
    """What lives now is never collected, so that children share its memory."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)  # a child lives for milliseconds


def serve() -> None:
    orders, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def say(**facts: Any) -> None:
        data = json.dumps(facts).encode() + b"\n"
        while data:
            data = data[os.write(answers, data) :]

    lines = Lines(orders)
    plan = lines.wait()
    parent = _prepared(plan, say) if plan else None
    if parent is not None:
        _loop(parent, lines)


def _dialect(plan: dict[str, Any]) -> Any:
    """The module `native` or `plugin`."""
    return importlib.import_module(f"{__package__}.{plan['dialect']}")


def _prepared(plan: dict[str, Any], say: Callable[..., None]) -> Parent | None:
    os.chdir("/")  # a `.metaflow/config.json` above the flow would configure Metaflow: it is read at import
    posix.adopt_orphans()
    try:
        _dialect(plan).prepare(plan["extension"])
        walls = Walls("", ())
        if plan["sandbox"] != "off":
            walls = build(plan["rooms"], plan["probe"], plan["packages"], plan["user"])
        for module in _dialect(plan).MODULES:
            importlib.import_module(module)
    except Exception as error:
        say(broken=f"{type(error).__name__}: {error}")
        return None
    parent = Parent(plan, walls, say)
    _settle()
    say(ready=True, missing=walls.missing, user=walls.user)
    return parent


def _loop(parent: Parent, lines: Lines) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.set_blocking(read, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    watch = select.poll()
    watch.register(lines.descriptor, select.POLLIN)
    watch.register(read, select.POLLIN)
    while not lines.ended:
        for descriptor, _ in watch.poll(parent.patience()):
            if descriptor == read:
                os.read(read, 4096)
            else:
                for order in lines.read():
                    parent.obey(order)
        parent.strike()
        parent.bury()
    parent.end()


class Lines:
    """JSON lines from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.ended = False
        self._rest = b""

    def read(self) -> list[dict[str, Any]]:
        """What has come; blocks when nothing has."""
        data = os.read(self.descriptor, 1 << 16)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self) -> dict[str, Any] | None:
        """The first line; later ones must not come before it is answered."""
        while not self.ended:
            for order in self.read():
                return order
        return None
