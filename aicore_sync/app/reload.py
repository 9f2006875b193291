"""The service under a configuration file that changes: stopped in order and built anew, in the same process.

The window's socket stays open meanwhile, so nobody is turned away, and a replica keeps its Lease.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from aicore_sync.app.build import App, BuildOptions, build, known_secrets
from aicore_sync.app.service import Life, serve
from aicore_sync.app.tasks import first
from aicore_sync.config import Settings
from aicore_sync.controller.memory import Memory
from aicore_sync.core.errors import SyncError
from aicore_sync.telemetry import Masker
from aicore_sync.web import listen

log = structlog.get_logger()
LOOK = 2.0  # seconds between two looks at the file


@dataclass(frozen=True)
class ServedFile:
    """`load` reads the file at `path` and sets logging up as it says; raises InvalidInput."""

    path: Path
    load: Callable[[], Settings]
    masker: Masker


async def serve_file(file: ServedFile, settings: Settings, ready: Callable[[str], None]) -> tuple[str, ...]:
    """Serve until SIGTERM or SIGINT, through changes of the configuration.

    Returns the keys that have changed and need a new process; none when a signal ended it. Raises SyncError when the
    first configuration cannot be used at all.
    """
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    watch = ConfigWatch(file, settings)
    before: Settings | None = None
    memory = Memory()
    with closing(listen(settings.http.host, settings.http.port)) as listener:
        while True:
            life = Life(listener)
            async with AsyncExitStack() as stack:
                try:
                    app = await stack.enter_async_context(
                        build(settings, BuildOptions(masker=file.masker, replica=True, memory=memory))
                    )
                except SyncError as error:
                    if before is None or ended.is_set():
                        raise
                    log.error("config_not_used", reason=error.reason, error=error.message)
                    settings, before = before, None
                    continue
                await _one(app, life, watch, ended, ready)
                memory = app.memory.braked()
            if ended.is_set() or watch.final:
                return watch.final
            settings, before = watch.settings, settings


async def _one(
    app: App, life: Life, watch: ConfigWatch, ended: asyncio.Event, ready: Callable[[str], None]
) -> None:
    """Serve one configuration."""

    async def mind() -> None:
        await first(watch.changed(), _wait(ended))
        life.again = not (ended.is_set() or watch.final)
        life.stop.set()
        await ended.wait()
        life.again = False

    minding = asyncio.create_task(mind())
    try:
        await serve(app, ready, life=life)
    finally:
        minding.cancel()
        await asyncio.gather(minding, return_exceptions=True)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


class ConfigWatch:
    """Looks at the file. `settings` are the newest that could be read, `final` what needs a new process."""

    def __init__(self, file: ServedFile, settings: Settings) -> None:
        self._file = file
        self._digest = digest_of(file.path)
        self.settings = settings
        self.final: tuple[str, ...] = ()

    async def changed(self) -> None:
        """Until the file says something else that can be used."""
        while True:
            await asyncio.sleep(LOOK)
            for secret in await asyncio.to_thread(lambda: list(known_secrets(self.settings))):
                self._file.masker.add(secret)  # rotated ones, too
            digest = await asyncio.to_thread(digest_of, self._file.path)
            if digest in (self._digest, None):
                continue
            self._digest = digest
            if self._read():
                return

    def _read(self) -> bool:
        try:
            found = self._file.load()
        except SyncError as error:
            log.error("config_invalid", reason=error.reason, error=error.message)
            return False
        if found == self.settings:
            return False
        self.final = tuple(fixed(self.settings, found))
        if self.final:
            log.error("config_needs_restart", keys=self.final)
        else:
            log.info("config_changed", keys=changes(self.settings, found))
        self.settings = found
        return True


def digest_of(path: Path) -> bytes | None:
    """Names the content of the file; None while it cannot be read, as between two versions of a mount."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None


def changes(old: Settings, new: Settings) -> list[str]:
    """The sections that differ, as the file calls them."""
    fields = type(new).model_fields.items()
    return [field.alias or name for name, field in fields if getattr(old, name) != getattr(new, name)]


def fixed(old: Settings, new: Settings) -> Iterator[str]:
    """Changed keys that a running process cannot follow: who it is, where it listens, where it keeps its files."""
    yield from (name for name in changes(old, new) if name in {"owner", "replicas", "cacheDir", "stateDir"})
    if old.http.host != new.http.host:
        yield "http.host"
    if old.http.port != new.http.port:
        yield "http.port"
