"""The owner's locks while the service runs: taken when this process has the branch, given back when it is another's."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog

from aicore_sync.app.build import App
from aicore_sync.app.tasks import first
from aicore_sync.controller.estate import Home
from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.core.model import Key

log = structlog.get_logger()
RETRY_LOCK = 5.0


async def keep_lock(app: App, home: Home) -> None:
    """Hold the owner's lock while its branches are ours to work on; when they are somebody else's, wait for them."""
    _show(app)
    while True:
        await app.share.until(home.name, True)
        look_at_all(app)
        while app.share.has(home.name):
            await _once(app, home)
        await hand_over(app, home)


async def _once(app: App, home: Home) -> None:
    """Take the lock, and hold it as long as that is right."""
    try:
        acquired = await home.lock.acquire()
    except SyncError as error:
        _show(app)
        log.warning("lock_not_acquired", repository=home.name, reason=error.reason, error=error.message)
        wait = error.retry_after if isinstance(error, Transient) else None
        await first(asyncio.sleep(min(RETRY_LOCK, wait or RETRY_LOCK)), app.share.until(home.name, False))
        return
    if not acquired.clean:
        app.memory.settled_at[home.name] = app.estate.clock() + timedelta(
            seconds=app.settings.reconcile.settle
        )
    _show(app)
    look_at_all(app)
    with suppress(SyncError):
        await first(home.lock.keep(), app.share.until(home.name, False))
    _show(app)


async def hand_over(app: App, home: Home) -> None:
    """Passes end, what is committed goes out, the lock is given back; the next process shows these flows."""

    def concerned(key: Key) -> bool:
        return app.estate.home_of(key) == home.name

    await app.loop.finished(concerned)
    app.memory.leave(concerned)
    if home.lock.held:
        for branch in app.estate.branches_at(home):
            await branch.committer.drain()
        await release_lock(app, home)
    _show(app)
    for status in app.board.all():
        app.loop.add(status.key)  # to be left


def look_at_all(app: App) -> None:
    """Every key of the source, and what git and AI Core know besides."""
    for key in app.desire.keys():  # noqa: SIM118  not a mapping
        app.loop.add(key)
    if app.source.scanned.is_set():
        app.sweep.ask()


async def release_locks(app: App) -> None:
    """Give all locks back."""
    for home in app.estate.homes():
        await release_lock(app, home)


async def release_lock(app: App, home: Home) -> None:
    """Give the lock back, with the time from which lists surely show what we wrote."""
    try:
        await home.lock.release(_settles(app, home))
    except SyncError as error:
        log.warning("lock_not_released", repository=home.name, reason=error.reason)


def _settles(app: App, home: Home) -> float:
    """Seconds since 1970: the last write that a list may not show yet, and what we waited for ourselves."""
    settle = timedelta(seconds=app.settings.reconcile.settle)
    inherited = app.memory.settled_at.get(home.name)
    times = [at + settle for at in app.memory.writes.values()] + ([inherited] if inherited else [])
    return max((at.timestamp() for at in times), default=0.0)


def _show(app: App) -> None:
    for branch in app.estate.branches.values():
        app.metrics.leader(branch.name, branch.lock.held)
