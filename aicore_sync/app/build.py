"""Wires one App from settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import structlog

from aicore_sync.app.board import Board
from aicore_sync.app.chronicle import Chronicle
from aicore_sync.app.estate import build_estate
from aicore_sync.app.handover import handed
from aicore_sync.app.identity import identity
from aicore_sync.app.people import people, tally, tracing
from aicore_sync.app.share import Share, share_of
from aicore_sync.app.sources import build_sources, push_of
from aicore_sync.app.wires import Clock, Wires
from aicore_sync.config import RenderEnvironment, Settings, secret_references
from aicore_sync.controller.apply import Applier
from aicore_sync.controller.desire import Desire
from aicore_sync.controller.estate import Estate
from aicore_sync.controller.loop import Loop, LoopOptions
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe import Reader
from aicore_sync.controller.queue import Backoff
from aicore_sync.controller.reconcile import Reconcile
from aicore_sync.controller.renders import SourceOptions, TemplateMaker
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.controller.source import Fetched, Sources
from aicore_sync.controller.triggers import (
    CommitTrigger,
    DecisionTrigger,
    SourcePoll,
    SourceTrigger,
    Sweep,
    SyncWatchers,
)
from aicore_sync.controller.watched import Maker, Watched
from aicore_sync.core.errors import InvalidInput, Problem, SyncError
from aicore_sync.core.lint import LintOptions, Override
from aicore_sync.core.model import Key, TemplateKey, TenantKey
from aicore_sync.git import Published
from aicore_sync.git.committer import OnResult
from aicore_sync.notify import Outbox
from aicore_sync.render import Dialect, Environment, Rendered, Renderer, RenderJob, RenderOptions
from aicore_sync.store import Store
from aicore_sync.telemetry import SHORTEST, Masker, Metrics, secret_leaves

# The sweep looks at all keys once per interval, one after the other, so that they share lists; a key by itself is
# looked at only when the sweep has not come.
SWEEPS = 1.5

log = structlog.get_logger()


@dataclass(frozen=True)
class App:
    """Everything that runs, wired and not started."""

    settings: Settings
    estate: Estate
    memory: Memory
    desire: Desire
    reader: Reader
    reconcile: Reconcile
    loop: Loop
    board: Board
    metrics: Metrics
    source: SourceTrigger
    polls: tuple[SourcePoll, ...]
    sweep: Sweep
    decided: DecisionTrigger
    watchers: SyncWatchers
    renderer: Renderer
    outboxes: tuple[Outbox, ...]
    store: Store
    chronicle: Chronicle
    share: Share

    def ask_sources(self) -> None:
        """The sources may have changed: have the service look soon."""
        self.source.ask()
        for poll in self.polls:
            poll.ask()

    async def look_at_sources(self, patience: float) -> None:
        """Look at the sources now, so that who asks for a pass gets one on their newest state.

        A remote that takes longer than `patience` seconds is waited for by the service, not by who asks.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.gather(*(poll.fetched.look() for poll in self.polls))
        await self.source.look()
        self.ask_sources()

    async def know_sources(self) -> None:
        """Read the sources, unless a service has done so and keeps up with them."""
        if not self.source.scanned.is_set():
            await self.read_sources()

    async def read_sources(self) -> None:
        """Read all sources as they are now; what cannot be read stands in their errors.

        In a service what has changed goes to its loop, which would hear of it from nobody else.
        """
        if self.source.scanned.is_set():
            await self.source.look()
            return
        await asyncio.gather(*(poll.fetched.look() for poll in self.polls))
        await self.desire.rescan()


@dataclass(frozen=True)
class BuildOptions:
    """`override_freeze` lifts freezes in this process.

    `history` keeps statuses on disk; `replica` shares the work with other processes where the settings say so.
    `rendered` is a directory that stands in for the sources: flows that were rendered elsewhere.
    `memory` is what the life before knew.
    """

    override_freeze: bool = False
    history: bool = True
    masker: Masker = field(default_factory=Masker)
    replica: bool = False
    clock: Clock = field(default_factory=Clock)
    rendered: Path | None = None
    memory: Memory = field(default_factory=Memory)


@asynccontextmanager
async def build(settings: Settings, options: BuildOptions | None = None) -> AsyncIterator[App]:
    """Wire everything; nothing is contacted, locked or written before somebody asks for it."""
    options = options or BuildOptions()
    for secret in known_secrets(settings):
        options.masker.add(secret)
    for key in short_secrets(settings):
        log.warning("secret_not_masked", key=key, text=f"it has less than {SHORTEST} characters")
    async with AsyncExitStack() as stack:
        holder = _holder(settings, stack)
        share = await share_of(settings, holder() if options.replica else None, stack)
        wires = Wires(settings, Metrics(), holder, stack, share, options.clock)
        estate = await build_estate(wires)
        estate = replace(estate, override_freeze=options.override_freeze)
        renderer = Renderer(render_options(settings))
        stack.push_async_callback(renderer.aclose)
        store = Store(settings.state_dir / "history.db" if options.history else None)
        stack.push_async_callback(store.close)
        yield _wire(wires, estate, renderer, store, options)


def _holder(settings: Settings, stack: AsyncExitStack) -> Callable[[], str]:
    """This process's name to the owner's lock, claimed when a lock is first wanted: most commands want none."""
    return lru_cache(1)(lambda: stack.enter_context(identity(settings.cache_dir, settings.owner)))


def _wire(wires: Wires, estate: Estate, renderer: Renderer, store: Store, options: BuildOptions) -> App:
    settings, metrics, memory = wires.settings, wires.metrics, options.memory
    traces = tracing(settings)
    wires.stack.push_async_callback(asyncio.to_thread, traces.close)
    snapshots = Snapshots(wires.clock.monotonic)
    metrics.count(lambda: tally(estate, snapshots))
    reader, applier = Reader(estate, memory, snapshots), Applier(estate, memory, snapshots)
    watched, maker, fetched = _read_from(wires, renderer, options.rendered)
    desire = Desire(estate, memory, maker, watched)
    reconcile = Reconcile(estate, memory, desire, reader, applier)
    notices, outboxes = people(settings, metrics)
    board = Board(store, metrics, notices, traces)
    loop = Loop(reconcile, board, board, _loop_options(wires, estate))
    watchers = SyncWatchers(estate, memory, reader, loop.add)
    commits = CommitTrigger(estate, memory, snapshots, loop.add)
    chronicle = Chronicle(store, estate, reader, wires.clock.now)
    board.to_live.push, chronicle.pushed = partial(push_of, fetched), board.to_live.pushed
    wires.answered = _both(commits.answered, chronicle.answered)
    applier.watch, applier.lost = watchers.kick, maker.forget
    reconcile.wake = reconcile.provided = _flows_of(desire, loop.add)
    reconcile.recheck = loop.add
    source = SourceTrigger(desire, loop.add)
    sweep = Sweep(estate, desire, reader, loop.add)
    decided = DecisionTrigger(estate, reader, sweep.ask)
    sweep.concerns = decided.concerns = wires.share.has
    return App(
        settings,
        estate,
        memory,
        desire,
        reader,
        reconcile,
        loop,
        board,
        metrics,
        source,
        tuple(SourcePoll(remote, source.ask) for remote in fetched),
        sweep,
        decided,
        watchers,
        renderer,
        outboxes,
        store,
        chronicle,
        wires.share,
    )


def _read_from(
    wires: Wires, renderer: Renderer, rendered: Path | None
) -> tuple[Watched, Maker, tuple[Fetched, ...]]:
    """Where flows come from and what makes templates of them."""
    settings = wires.settings
    if rendered:
        return *handed(settings, rendered, lint_options(settings)), ()
    sources, fetched = build_sources(wires)
    counted = CountedRenders(renderer, wires.metrics)
    maker = TemplateMaker(counted, _source_options(settings, sources), wires.clock.monotonic)
    return Watched(sources, settings.defaults, lint_options(settings)), maker, fetched


def _both(one: OnResult, other: OnResult) -> OnResult:
    def answered(key: Hashable, result: Published | SyncError) -> None:
        one(key, result)
        other(key, result)

    return answered


def _flows_of(desire: Desire, add: Callable[[Key], None]) -> Callable[[TemplateKey | TenantKey], None]:
    """Wakes the flows that use a template, or a tenant."""

    def wake(key: TemplateKey | TenantKey) -> None:
        for flow in desire.catalog.users(key):
            add(flow)

    return wake


def _source_options(settings: Settings, sources: Sources) -> SourceOptions:
    rules = lint_options(settings)
    return SourceOptions(sources, settings.cache_dir, settings.render.package_suffixes, rules)


def _loop_options(wires: Wires, estate: Estate) -> LoopOptions:
    timing = wires.settings.reconcile
    return LoopOptions(
        width=timing.workers,
        interval=SWEEPS * timing.interval,
        jitter=timing.jitter,
        backoff=Backoff(timing.backoff_first, timing.backoff_most),
        clock=wires.clock.now,
        monotonic=wires.clock.monotonic,
        random=wires.rng,
        lane=estate.lane,
        mine=lambda key: wires.share.works_on(key, estate),
    )


def render_options(settings: Settings) -> RenderOptions:
    """How renders are done."""
    render = settings.render
    return RenderOptions(
        cache_dir=settings.cache_dir,
        dialect=settings.defaults.dialect,
        concurrency=render.concurrency,
        deadline=render.deadline,
        memory=render.memory,
        sandbox=render.sandbox,
        environments={name: _environment(name, part) for name, part in render.environments.items()},
        index_file=render.index_file,
        progress=lambda line: log.info("render_environment_installing", line=line),
    )


def lint_options(settings: Settings) -> LintOptions:
    """How strict the rules are here, and the secrets that no template may hold."""
    lint = settings.lint
    declared = {name for tenant in settings.tenants for name in tenant.instance_types}
    return LintOptions(
        canaries=tuple(("the configuration", secret) for secret in known_secrets(settings)),
        overrides={code: Override(rule.severity, rule.reason) for code, rule in lint.rules.items()},
        plans=lint.resource_plans,
        instance_types=tuple(sorted(declared.union(lint.instance_types))),
        quota=lint.quota,
    )


def _environment(name: str, part: RenderEnvironment) -> Environment:
    """With the lines of its requirements file. Raises InvalidInput when that cannot be read."""
    lines = part.requirements
    if isinstance(lines, Path):
        key = f"render.environments.{name}.requirements"
        try:
            lines = tuple(lines.read_text(encoding="utf-8").splitlines())
        except OSError as error:
            found, cure = (
                f"{part.requirements}: {error.strerror}",
                "correct the path, or list the packages here",
            )
            raise InvalidInput([Problem("configuration", 0, key, found, "a readable file", cure)]) from None
    kept = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return Environment(part.python, kept, part.metaflow or "", part.index_file)


def known_secrets(settings: Settings) -> Iterator[str]:
    """The values of all secrets that can be read now; what cannot be read fails where it is needed."""
    for _, reference in secret_references(settings):
        with suppress(SyncError):
            value = reference.read()
            yield value
            yield from secret_leaves(value)  # a client secret is one wherever it is pasted, key file or not


def short_secrets(settings: Settings) -> Iterator[str]:
    """The keys of secrets that are too short to be masked."""
    for key, reference in secret_references(settings):
        with suppress(SyncError):
            if len(reference.read()) < SHORTEST:
                yield key


class CountedRenders:
    """The renderer with its results counted."""

    def __init__(self, renderer: Renderer, metrics: Metrics) -> None:
        self._renderer = renderer
        self._metrics = metrics

    async def version(self, dialect: Dialect, rendering: str = "") -> str:
        return await self._renderer.version(dialect, rendering)

    async def render(self, job: RenderJob) -> Rendered:
        try:
            rendered = await self._renderer.render(job)
        except SyncError:
            self._metrics.rendered("failed")
            raise
        self._metrics.rendered("rendered")
        return rendered
