"""From settings to webhooks, and whom they wake."""

from __future__ import annotations

from datetime import timedelta

import structlog

from aicore_sync.app.build import App
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.web import Hook, HookRoom

log = structlog.get_logger()


def hook_room(app: App) -> HookRoom:
    """The webhooks of the configuration."""
    hooks = tuple(
        Hook(
            one.name,
            one.type,
            one.secret.read,
            frozenset(one.wakes),
            frozenset(one.events),
            timedelta(seconds=one.replay),
        )
        for one in app.settings.http.webhooks
    )
    waker = Waker(app)
    return HookRoom(hooks, waker.ours, waker.wake)


class Waker:
    """Looks at sources and repositories before their turn."""

    def __init__(self, app: App) -> None:
        self._app = app
        settings = app.settings
        self._addresses = {r.name: normal_url(r.url) for r in settings.repositories}
        self._addresses |= {s.name: normal_url(s.git.url) for s in settings.sources if s.git}

    def ours(self, commit: str) -> bool:
        """Whether this process pushed that commit."""
        return any(
            b.clone.pushed(commit) or b.state.pushed(commit) for b in self._app.estate.branches.values()
        )

    async def wake(self, names: frozenset[str], addresses: frozenset[str]) -> None:
        """Look at what is named, else at what has one of the addresses, without addresses at everything."""
        known = frozenset(self._addresses) | {s.name for s in self._app.settings.sources}
        given = frozenset(map(normal_url, addresses))
        meant = frozenset(name for name, url in self._addresses.items() if url in given) if given else known
        self._look(names or meant)
        log.info("woken_by_hook", names=sorted(names or meant))
        await self._app.share.tell()

    def _look(self, names: frozenset[str]) -> None:
        app = self._app
        for poll in app.polls:
            if poll.fetched.name in names:
                poll.ask(app.estate.clock())
        if any(source.directory and source.name in names for source in app.settings.sources):
            app.source.ask()
        changed = [branch for branch in app.estate.branches.values() if branch.name in names]
        for branch in changed:
            app.reader.lists.branch_changed(branch)
        if changed:
            app.decided.ask()
            app.sweep.ask()
