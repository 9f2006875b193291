"""Wakes the loop when the source may have changed. An event is only a wake-up; what changed is found by a scan.

What watchdog does not tell is found here: overflows (only logged), a replaced root, a dead observer. Measured on
watchdog 7.1: reading a directory causes opened/closed events, a handler that works loses events, and a root that
is renamed and made again is never seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from aicore_sync.controller.mounts import remote_type
from aicore_sync.controller.source.selection import is_noise

log = structlog.get_logger()

_OVERFLOW_LOGGER = "watchdog.observers.inotify_c"
_READING = frozenset({"opened", "closed_no_write"})


@dataclass(frozen=True)
class WatchOptions:
    """Times in seconds.

    A burst of events ends after `quiet` without one, and after `at_most` in any case. `rescan` is the longest time
    without a wake-up. `poll_interval` counts in mode `poll`, which `auto` chooses for network file systems and when
    the kernel has no watches left. Root and observer are looked at every `check`.
    """

    mode: Literal["auto", "poll"] = "auto"
    quiet: float = 0.3
    at_most: float = 2.0
    rescan: float = 180.0
    poll_interval: float = 2.0
    check: float = 1.0


class Watcher:
    """Calls `on_change` in the event loop: once when the watch stands, after each burst, and every `rescan`.

    `counts` has what happened, by name: started, burst, rescan, overflow, root_replaced, root_missing,
    observer_died, fell_back. `count` is called with the same names, for metrics.
    """

    def __init__(
        self,
        root: Path,
        on_change: Callable[[], None],
        options: WatchOptions | None = None,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.root = root
        self.options = options or WatchOptions()
        self.counts: Counter[str] = Counter()
        self._on_change = on_change
        self._count = count
        self._wake = asyncio.Event()
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None

    async def run(self) -> None:
        """Watch until cancelled. Never raises for what happens to the source."""
        loop = asyncio.get_running_loop()
        overflows = _Overflows(lambda: loop.call_soon_threadsafe(self._overflowed))
        logger = logging.getLogger(_OVERFLOW_LOGGER)
        if not logger.isEnabledFor(logging.WARNING):
            logger.setLevel(logging.WARNING)
        logger.addHandler(overflows)
        try:
            await self._restart()
            await self._serve(loop)
        finally:
            logger.removeHandler(overflows)
            await self._stop()

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        self._on_change()
        due = loop.time() + self.options.rescan
        while True:
            woken = await self._woken(min(self.options.check, max(0.0, due - loop.time())))
            if woken:
                await self._burst(loop)
            if not await self._healthy():
                await self._restart()
                woken = True
            if woken or loop.time() >= due:
                self._note("burst" if woken else "rescan")
                due = loop.time() + self.options.rescan
                self._on_change()

    async def _woken(self, timeout: float) -> bool:
        """True when an event came within `timeout` seconds; takes the wake-up."""
        # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        woken = self._wake.is_set()
        self._wake.clear()
        return woken

    async def _burst(self, loop: asyncio.AbstractEventLoop) -> None:
        end = loop.time() + self.options.at_most
        while (left := end - loop.time()) > 0:
            if not await self._woken(min(self.options.quiet, left)):
                return

    async def _healthy(self) -> bool:
        """False when the root is another directory than the watched one, or the observer has died."""
        identity = await asyncio.to_thread(_identity, self.root)
        if identity is None:
            if self._identity is not None:
                self._note("root_missing")
                log.warning("watch_root_missing", root=str(self.root))
                self._identity = None
            return True  # nothing to watch; looked at again after `check`
        if identity != self._identity:
            self._note("root_replaced")
            log.warning("watch_root_replaced", root=str(self.root))
            return False
        if self._observer is None or not _alive(self._observer):
            self._note("observer_died")
            log.warning("watch_observer_died", root=str(self.root))
            return False
        return True

    async def _restart(self) -> None:
        await self._stop()
        # The identity is taken first: a root that is replaced right now is noticed by the next check.
        self._identity = await asyncio.to_thread(_identity, self.root)
        if self._identity is None:
            return
        real = await asyncio.to_thread(os.path.realpath, self.root)
        handler = _Handler(asyncio.get_running_loop(), self._wake, real)
        try:
            self._observer = await asyncio.to_thread(_start, self._new_observer(), handler)
        except OSError as error:
            self._note("fell_back")
            log.warning("watch_falls_back_to_polling", root=str(self.root), error=str(error))
            polling = PollingObserver(timeout=self.options.poll_interval)
            with contextlib.suppress(OSError):  # the root vanished meanwhile: the next check sees it
                self._observer = await asyncio.to_thread(_start, polling, handler)
        self._note("started")

    def _new_observer(self) -> BaseObserver:
        if self.options.mode == "poll":
            return PollingObserver(timeout=self.options.poll_interval)
        kind = _remote_type(self.root)
        if kind is not None:
            log.info("watch_polls_network_mount", root=str(self.root), type=kind)
            return PollingObserver(timeout=self.options.poll_interval)
        return Observer()

    async def _stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            await asyncio.to_thread(_stop, observer)

    def _overflowed(self) -> None:
        self._note("overflow")
        log.warning("watch_overflow", root=str(self.root))
        self._wake.set()

    def _note(self, name: str) -> None:
        self.counts[name] += 1
        self._count(name)


class _Handler(FileSystemEventHandler):
    """Runs in watchdog's thread: sets the flag and nothing else."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: asyncio.Event, root: str) -> None:
        self._loop, self._wake, self._root = loop, wake, root

    def dispatch(self, event: FileSystemEvent) -> None:
        # A directory is modified by what is created, moved or deleted in it, which has an event of its own.
        if event.event_type in _READING or (event.is_directory and event.event_type == "modified"):
            return
        # A flag that is set already will be cleared before the scan that it asks for, so this event is covered.
        if self._wake.is_set() or not self._counts(event):
            return
        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            self._loop.call_soon_threadsafe(self._wake.set)

    def _counts(self, event: FileSystemEvent) -> bool:
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        return any(not any(map(_is_silent, path[len(self._root) :].split("/"))) for path in paths)


def _is_silent(name: str) -> bool:
    # Kubernetes swaps the content of a mounted ConfigMap by renaming `..data`.
    return is_noise(name) and not name.startswith("..")


class _Overflows(logging.Handler):
    """watchdog only logs that the kernel has lost events; this turns the log line into a call."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(logging.WARNING)
        self._call = call

    def emit(self, record: logging.LogRecord) -> None:
        if "queue overflowed; filesystem events were lost" in record.getMessage():
            with contextlib.suppress(RuntimeError):
                self._call()


def _identity(root: Path) -> tuple[int, int] | None:
    """Device and inode of the directory behind `root`, None when there is none."""
    try:
        info = root.stat()
    except OSError:
        return None
    return (info.st_dev, info.st_ino) if root.is_dir() else None


def _remote_type(root: Path) -> str | None:
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="replace")
    except OSError:
        return None
    return remote_type(root.resolve(), mounts)


def _start(observer: BaseObserver, handler: _Handler) -> BaseObserver:
    # A directory that is made together with its children is watched twice for a moment; watchdog mends it itself.
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, r"watchdog\.")
    observer.schedule(handler, handler._root, recursive=True)
    observer.start()
    return observer


def _alive(observer: BaseObserver) -> bool:
    return observer.is_alive() and bool(observer.emitters) and all(e.is_alive() for e in observer.emitters)


def _stop(observer: BaseObserver) -> None:
    observer.stop()
    if observer.is_alive():
        observer.join(timeout=5)
