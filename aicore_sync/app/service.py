"""The long-running service: window first, then locks, triggers and workers; stopped in the order that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from aicore_sync import __version__
from aicore_sync.app.access import access_of
from aicore_sync.app.answers import AppAnswers
from aicore_sync.app.board import Window, now
from aicore_sync.app.build import App
from aicore_sync.app.commits import commit_reports
from aicore_sync.app.desk import AppDesk
from aicore_sync.app.hooks import hook_room
from aicore_sync.app.lineage import source_commit
from aicore_sync.app.locks import keep_lock, release_locks
from aicore_sync.app.looking import AppRuns
from aicore_sync.app.peers import Peers
from aicore_sync.app.sources import intervals, watchers
from aicore_sync.app.tasks import background
from aicore_sync.controller.triggers import Timers
from aicore_sync.core.errors import SyncError
from aicore_sync.web import Parts, WebServer, create_app

log = structlog.get_logger()
DRAIN, RELEASE, LEASE, LAST_NOTES = 3.0, 4.0, 2.0, 3.0  # seconds while stopping
DAY = 86400.0
MEMORY = timedelta(days=2)  # longer than any decision looks back


@dataclass
class Life:
    """The service between two configurations: it listens on `listener` until `stop` is set.

    `again`: it goes on with the next configuration, so the Lease is kept.
    """

    listener: socket.socket
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    again: bool = False


async def serve(
    app: App,
    ready: Callable[[str], None] = lambda url: None,
    stop: asyncio.Event | None = None,
    life: Life | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or `stop`; with a `life` until that stops. `ready` gets the window's URL.

    Stop order: triggers, workers (they finish their pass), committers, locks, Lease, window. Each has its time, which
    together is less than 20 s; what does not end in it is cut off, and the next holder waits as after a crash.
    """
    stop = life.stop if life else stop or asyncio.Event()
    app.renderer.hurry()
    await app.board.recall()
    for name in () if life else (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    window = Window(app.board, app.metrics, _info(app))
    window.stuck, window.depth = app.loop.stuck, lambda: app.loop.depth
    http = app.settings.http
    asked = (AppDesk(app), AppRuns(app), AppAnswers(app), app.store)
    parts = Parts(window, *asked, now, access_of(app.settings), hook_room(app))
    server = WebServer(create_app(parts), http.host, http.port, life.listener.dup() if life else None)
    app.chronicle.made = partial(source_commit, app)
    ready(await server.start())
    try:
        branches = app.estate.branches.values()
        async with contextlib.AsyncExitStack() as stack, background(*_seated(app)):
            commits = await commit_reports(app, stack)
            async with (
                background(*(keep_lock(app, home) for home in app.estate.homes())),
                background(*(branch.committer.run() for branch in branches)),
                background(*(outbox.run() for outbox in app.outboxes), tidy(app.renderer.clean)),
                background(app.chronicle.run(), commits.run(app.board)),
            ):
                await _work(app, window, stop)
                await _within(DRAIN, asyncio.gather(*(branch.committer.drain() for branch in branches)))
            notes = (outbox.drain(LAST_NOTES) for outbox in app.outboxes)
            await asyncio.gather(_within(RELEASE, release_locks(app)), *notes)
            if app.share.seats and not (life and life.again):
                await _within(LEASE, app.share.seats.release())
    finally:
        parts.live.closing.set()
        await server.stop()
    log.info("stopped")


def _seated(app: App) -> list[Coroutine[Any, Any, None]]:
    """What replicas do besides: follow the Leases, and ask the others what they know."""
    seats = app.share.seats
    if seats is None:
        return []
    peers = Peers(app.share, app.settings.replicas.retry, _token(app))
    app.board.others = peers.statuses

    def look() -> None:
        for home in app.estate.homes():
            app.reader.lists.state_changed(home)
        app.ask_sources()
        app.sweep.ask()
        app.decided.ask()

    seats.nudged = look
    return [seats.run(), peers.run(), app.share.telling()]


async def tidy(clean: Callable[[], Awaitable[None]], pause: float = DAY) -> None:
    """Clean now and every `pause` seconds; what cannot be removed today costs no service."""
    while True:
        try:
            await clean()
        except OSError as error:
            log.warning("cache_not_cleaned", error=str(error))
        await asyncio.sleep(pause)


def _token(app: App) -> Callable[[], str]:
    """What replicas show each other where reading needs a login: the first of the tokens."""
    login = app.settings.http.login
    return login.tokens[0].token.read if login.required and login.tokens else str


async def _within(seconds: float, work: Awaitable[Any]) -> None:
    """Do it, but not for longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except (TimeoutError, SyncError) as error:
        log.warning("stop_cut_short", error=str(error) or f"not done in {seconds:g} s")


async def _work(app: App, window: Window, stop: asyncio.Event) -> None:
    timers = Timers()
    for poll, seconds in zip(app.polls, intervals(app.settings), strict=True):
        timers.every(seconds, f"source-{poll.fetched.name}", poll.ask)
    timers.every(app.settings.reconcile.interval, "sweep", app.sweep.ask)
    timers.every(3600.0, "forget", lambda: app.memory.forget_old(app.estate.clock(), MEMORY))
    timers.every(app.estate.timings.list_age, "decisions", app.decided.ask)
    directories = watchers(app.settings, app.source.ask, app.metrics.watch_event)
    sources = [*(watcher.run() for watcher in directories), *(poll.run() for poll in app.polls)]
    rooms = (app.source, app.sweep, app.decided, app.watchers)
    triggers = (*sources, *(room.run() for room in rooms), _first(app, window))
    async with background(*triggers):
        timers.start()
        try:
            await app.loop.run(stop)
            log.info("stopping")
        finally:
            timers.stop()


async def _first(app: App, window: Window) -> None:
    for poll in app.polls:  # what they hold must not look missing for a moment
        await poll.looked.wait()
    await app.source.scanned.wait()
    for dialect, name in sorted(app.desire.catalog.renderings()):
        app.renderer.begin(dialect, name)
    window.why_not_ready = ""
    app.sweep.ask()
    log.info("source_read", flows=app.desire.flow_count())


def _info(app: App) -> dict[str, str]:
    return {
        "owner": app.settings.owner,
        "version": __version__,
        "sources": ", ".join(sorted(source.name for source in app.settings.sources)),
        "environments": ", ".join(sorted(app.estate.environments)),
    }
