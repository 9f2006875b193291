"""From settings to sources: directories that are watched, remotes that are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from aicore_sync.app.wires import Wires, git_network, login_of
from aicore_sync.config import GitSource, Settings, Source
from aicore_sync.controller.source import Fetched, Origin, Push, Sources, View
from aicore_sync.controller.watch import Watcher, WatchOptions
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.core.rights import Rights
from aicore_sync.git import Author, Followed, Follower, Remote, Trust


def build_sources(wires: Wires) -> tuple[Sources, tuple[Fetched, ...]]:
    """All sources, and those of them that are in git; nothing is contacted yet."""
    fetched = {s.name: _fetched(wires, s, s.git) for s in wires.settings.sources if s.git}
    origins = [_origin(wires.settings, source, fetched.get(source.name)) for source in wires.settings.sources]
    return Sources(origins), tuple(fetched.values())


def intervals(settings: Settings) -> list[float]:
    """Seconds between two looks at each source in git, in the order of `build_sources`."""
    return [source.git.interval for source in settings.sources if source.git]


def push_of(fetched: Iterable[Fetched], source: str) -> Push | None:
    """When a source revision `file@commit` was pushed; None for one that is not in git, or came before we did."""
    commit = source.rpartition("@")[2]
    return next(filter(None, (one.push(commit) for one in fetched)), None)


def rights_of(settings: Settings, source: Source) -> Rights:
    """What the flows of a source may do."""
    rendering = frozenset(settings.render.environments)
    return Rights(source.name, settings.environments_of(source), source.flows, rendering)


def watchers(settings: Settings, ask: Callable[[], None], count: Callable[[str], None]) -> list[Watcher]:
    """One for every directory; with sources in git only, none."""
    return [_watcher(item, item.directory, ask, count) for item in settings.sources if item.directory]


def _watcher(
    source: Source, directory: Path, ask: Callable[[], None], count: Callable[[str], None]
) -> Watcher:
    options = WatchOptions(source.watch, source.quiet, source.at_most, source.rescan, source.poll_interval)
    return Watcher(directory.resolve(), ask, options, count)


def _origin(settings: Settings, source: Source, fetched: Fetched | None) -> Origin:
    rights = rights_of(settings, source)
    if fetched:
        return Origin(fetched.view, source.include, source.exclude, rights)
    assert source.directory is not None
    view = View(source.directory.resolve())
    return Origin(lambda: view, source.include, source.exclude, rights)


def _fetched(wires: Wires, source: Source, item: GitSource) -> Fetched:
    settings = wires.settings
    remote = Remote(
        name=source.name,
        url=item.url,
        branch=item.tag or item.branch,
        cache_dir=settings.cache_dir / "git",
        author=Author("nobody", ""),
        credentials=lambda: login_of(item),
        network=git_network(settings.network),
        timeout=settings.reconcile.git_timeout,
        tag=item.tag is not None,
        observe=wires.metrics.git_request,
    )
    trust = Trust(item.verify.allowed_signers, item.verify.gpg_keys) if item.verify else None
    follower = Follower(remote, Followed(item.path or "", published_in(settings, item), trust))
    wires.stack.push_async_callback(follower.close)
    return Fetched(follower, wires.clock.now)


def published_in(settings: Settings, item: GitSource) -> tuple[str, ...]:
    """Directories of a source that we write ourselves: a publish must not look like news from its people."""
    places = {r.name: (normal_url(r.url), r.branch) for r in settings.repositories}
    here = (normal_url(item.url), item.branch if item.tag is None else "")
    return tuple(t.application.path for t in settings.tenants if places[t.repository] == here)
