"""Starting and stopping runs by hand: with the owner's lock, or by asking the service that holds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.identity import operator
from aicore_sync.app.locks import release_lock
from aicore_sync.app.patience import until
from aicore_sync.app.runs import Asked, Found, group_of
from aicore_sync.app.tasks import background
from aicore_sync.controller.apply import Applier
from aicore_sync.controller.estate import Branch, Environment
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import Plan, StartExecution, StopExecution
from aicore_sync.core.asks import Ask, ask_path
from aicore_sync.core.catalog import NOWHERE
from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantFlow
from aicore_sync.core.errors import InvalidInput, Stalled, Transient
from aicore_sync.core.model import FlowKey
from aicore_sync.core.plan.flows import Bound, bound_configurations
from aicore_sync.core.plan.runs import make_way
from aicore_sync.core.world import Configuration

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Ready:
    """What a start needs to know."""

    place: Environment
    want: WantFlow
    seen: SeenFlow
    configuration: Configuration
    name: str

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(e.id for e in self.seen.executions if e.configuration == self.configuration.id)


async def trigger_run(app: App, asked: Asked, say: Say) -> Found | None:
    """Start a run of a flow's current configuration; None when a running service was asked to and has not yet.

    Raises Stalled when it is not clear which one is meant, when it does not exist yet, or when `concurrency: forbid`
    and another run forbid it.
    """
    key = await _key(app, asked)
    ready = await _ready(app, key, asked.configuration)
    digest = ready.seen.live.run_digest if ready.seen.live else ""
    source = ready.seen.live.source_revision if ready.seen.live else ""
    wanted = next(c for c in ready.want.configurations if c.name == ready.name)
    rule = wanted.concurrency or ready.want.policy.concurrency
    way = make_way(ready.want, ready.seen, wanted, now())
    if rule == "forbid" and way.holds:
        raise Stalled(f"{way.holds[0].message}; stop it first, or wait for its end", reason="ConcurrencyHeld")
    start = StartExecution(key, ready.configuration.id, ready.configuration.name, digest, source, ready.runs)
    ask = Ask("start", ready.configuration.id, operator(), now(), ready.runs)
    done = await _write(app, ready.place, _Wish(key, ask), lambda: _start(app, ready, wanted, start), say)
    return await _started(app, ready) if done else None


async def _start(app: App, ready: _Ready, wanted: WantConfiguration, start: StartExecution) -> None:
    """Stop what is to be replaced, wait for its end, start."""

    async def free() -> bool | None:
        seen = await app.reader.flow(ready.want, app.desire.flow_count())
        way = make_way(ready.want, seen, wanted, now())
        for action in way.actions:
            if isinstance(action, StopExecution):
                await _do(app, action)
        return True if way == Plan() else None

    await until(free)
    await _do(app, start)


async def stop_run(app: App, found: Found, say: Say) -> str:
    """Stop an execution of ours; says what became of it. Raises Stalled for those of others."""
    if not found.execution.active:
        return f"execution {found.execution.id} is {found.execution.status} already, so nothing was stopped"
    flow = found.name.split(".")[1] if found.name.count(".") > 1 else ""
    if not flow or found.whose == "foreign":
        raise Stalled(
            f"execution {found.execution.id} was not started by owner {app.estate.owner} and is left alone; "
            "stop it in the Launchpad",
            reason="Contested",
        )
    key, user = FlowKey(flow, found.place.name), operator()
    action = StopExecution(key, found.execution.id, f"{user} asked for it")
    wish = _Wish(key, Ask("stop", found.execution.id, user, now()))
    done = await _write(app, found.place, wish, lambda: _do(app, action), say)
    return f"execution {found.execution.id} " + (
        "is asked to stop" if done else "will be stopped by the service"
    )


async def _key(app: App, asked: Asked) -> FlowKey:
    await app.read_sources()
    flows = [k for k in app.desire.catalog.flows if k.flow == asked.flow and k.environment != NOWHERE]
    chosen = [k for k in flows if asked.environment in ("", k.environment)]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        where = ", ".join(sorted(k.environment for k in chosen))
        raise Stalled(f"{asked.flow} is in {where}; say which with --environment", reason="Ambiguous")
    known = (
        ", ".join(sorted({str(k) for k in app.desire.catalog.flows if k.environment != NOWHERE})) or "none"
    )
    wanted = f"{asked.flow}/{asked.environment}" if asked.environment else asked.flow
    unread = _unreadable(app, asked.flow)
    raise Stalled(f"there is no flow {wanted}; known are: {known}{unread}", reason="NotFound")


def _unreadable(app: App, flow: str) -> str:
    """What may be the flow that somebody named, and cannot be understood. Raises InvalidInput when it surely is."""
    broken = app.desire.catalog.broken
    for name, found in broken.items():
        if flow in (name, found.file):
            raise InvalidInput(found.problems)
    problems = "; ".join(str(problem) for found in broken.values() for problem in found.problems)
    return f"; or it is one that cannot be read: {problems}" if problems else ""


async def _ready(app: App, key: FlowKey, configuration: str) -> _Ready:
    """The current configuration of a flow, as AI Core has it."""
    await app.reconcile.look(app.desire.catalog.flows[key].key, now())
    want = await app.reconcile.gates.flow(await app.desire.flow(key), now())
    for block in want.blocked:
        raise Stalled(f"{key} is not started now: {block.message}", reason=block.reason)
    seen = await app.reader.flow(want, app.desire.flow_count())
    names = [c.name for c in want.configurations]
    name = configuration or (names[0] if len(names) == 1 else "")
    if name not in names:
        listing = ", ".join(names) or "none"
        said = f"has no configuration {name}" if name else "has not exactly one configuration"
        raise Stalled(f"{key} {said}; name one of: {listing} with --configuration", reason="Ambiguous")
    there = bound_configurations(want, seen).get(name)
    return _Ready(app.estate.environment(key.environment), want, seen, _fit(want, there, name), name)


def _fit(want: WantFlow, bound: Bound | None, name: str) -> Configuration:
    """The one in AI Core. Raises Stalled when there is none, or when a run of it would only be stuck."""
    if bound is None or bound.existing is None:
        waits = [h.message for h in (*want.desire_holds, *want.template_holds)]
        why = f" ({waits[0]})" if waits else ""
        words = f"configuration {name} of {want.key} is not in AI Core as the source wants it{why}; "
        raise Stalled(words + "run `aicore-sync apply`", reason="ConfigurationMissing")
    if bound.problems:
        words = f"configuration {name} of {want.key} does not fit the template that is live: "
        raise Stalled(words + "; ".join(bound.problems), reason="BindingInvalid")
    return bound.existing


@dataclass(frozen=True)
class _Wish:
    key: FlowKey
    ask: Ask


async def _write(
    app: App, place: Environment, wish: _Wish, perform: Callable[[], Awaitable[None]], say: Say
) -> bool:
    """Do it with the owner's lock, or leave the wish for the service that holds it: then False."""
    branch = app.estate.tenant_of(place.name).branch
    if branch.lock.held:  # by this very process: its loop does it
        await _leave(branch, wish)
        return False
    try:
        acquired = await branch.lock.acquire()
    except Transient as error:
        if error.reason not in ("LockHeld", "LockLost"):  # lost: a replica that does not work on this branch
            raise
        await _leave(branch, wish)
        say("a running service holds the lock; it has been asked and does it in its next pass")
        return False
    try:
        async with background(branch.lock.keep()):
            if not acquired.clean:
                await _settle(app, branch, wish.ask, say)
            await perform()
    finally:
        await release_lock(app, branch.home)  # the next holder waits for a start whose answer got lost
    return True


async def _settle(app: App, branch: Branch, ask: Ask, say: Say) -> None:
    """What the last holder sent may not show yet: a start waits for it, a stop leaves the wait to the next holder."""
    settle = app.settings.reconcile.settle
    app.memory.settled_at[branch.home.name] = app.estate.clock() + timedelta(seconds=settle)
    if ask.do == "start":
        say(
            f"the last holder of the lock did not give it back: waits {settle:g} s until lists are trustworthy"
        )
        await asyncio.sleep(settle)
        del app.memory.settled_at[branch.home.name]


async def _leave(branch: Branch, wish: _Wish) -> None:
    """Leave the wish on the state branch, for whoever holds the lock."""
    identity = f"{wish.ask.do}-{time.time_ns():x}"
    note = f"{wish.ask.by} asks to {wish.ask.do} {wish.ask.target}"
    await branch.state.write({ask_path(wish.key, identity): wish.ask.encoded()}, note)


async def _do(app: App, action: StartExecution | StopExecution) -> None:
    applier = Applier(app.estate, app.memory, Snapshots(time.monotonic))
    for outcome in await applier.apply(action.key, Plan((action,))):
        if outcome.error:
            raise outcome.error


async def _started(app: App, ready: _Ready) -> Found:
    """The run that was not there before."""
    for identity in app.memory.started:
        found = await group_of(app, ready.place).executions.get(identity)
        return Found(ready.place, found, ready.configuration.name, "aicore-sync")
    raise Stalled(
        "another run of this configuration was started at the same moment, so none was added",
        reason="Contested",
    )
