"""One-shot work for people and pipelines: what would happen, and make it happen."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from aicore_sync.app.again import try_again
from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.everywhere import everywhere, gathered
from aicore_sync.app.identity import operator
from aicore_sync.app.locks import release_lock, release_locks
from aicore_sync.app.tasks import background
from aicore_sync.controller.estate import Home
from aicore_sync.controller.reconcile import Look
from aicore_sync.core.actions import Plan
from aicore_sync.core.decisions import CONFIRMED, Decision
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.model import FlowKey, Health, Hold, Key, Mark, Stage, Status, TemplateKey, TenantKey
from aicore_sync.core.wording import lasting

Progress = Callable[[Status], None]  # news of a flow
Advance = Callable[[int, int], None]  # how many steps of how many are done


@dataclass(frozen=True)
class Planned:
    """What would happen: a plan per key, and its fingerprint.

    `looks` are what the plans were made of; a key that could not be looked at has only a plan, which says why.
    """

    plans: dict[Key, Plan] = field(default_factory=dict)
    looks: dict[Key, Look] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """How many actions there are."""
        return sum(len(plan.actions) for plan in self.plans.values())

    @property
    def failures(self) -> list[tuple[Key, Hold]]:
        """Holds that a person must end."""
        return [(key, h) for key, plan in self.plans.items() for h in plan.holds if h.mark is Mark.FAIL]

    @property
    def summary(self) -> str:
        """In a few words what is to do, by whom."""
        names = {key.executable if isinstance(key, TemplateKey) else key[0] for key, _ in self.failures}
        flows = all(isinstance(key, FlowKey | TemplateKey) and "*" not in key for key, _ in self.failures)
        what, count = "flow" if flows else "thing", len(names)
        waits = f"{count} {what} needs a person" if count == 1 else f"{count} {what}s need a person"
        verb = (
            f"{self.changes} actions" if self.changes else "nothing else to do" if names else "nothing to do"
        )
        return f"{waits}; {verb}" if names else verb

    @property
    def fingerprint(self) -> str:
        """Names exactly these actions."""
        lines = [f"{key}: {lasting(a)}" for key, plan in self.plans.items() for a in plan.actions]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]

    @property
    def awaited(self) -> frozenset[str]:
        """Fingerprints that holds wait for."""
        return frozenset(h.fingerprint for plan in self.plans.values() for h in plan.holds if h.fingerprint)


@dataclass(frozen=True)
class Applied:
    """Whether all that was worked on is settled, and repositories that were left out, with the reasons."""

    settled: bool
    left_out: Mapping[str, SyncError] = field(default_factory=dict)

    def __bool__(self) -> bool:
        raise TypeError("ask for `settled` and `left_out`")


async def _anything(planned: Planned) -> None:
    """Whatever is planned is wanted."""


async def plan_once(app: App, advance: Advance = lambda done, total: None) -> Planned:
    """Plan every key without writing anything."""
    return await _planned(app, await all_keys(app), advance)


async def _planned(app: App, keys: Sequence[Key], advance: Advance = lambda done, total: None) -> Planned:
    """Plan these keys; templates first, because flows follow them."""
    plans: dict[Key, Plan] = {}
    looks: dict[Key, Look] = {}
    again = [key for key in keys if not isinstance(key, TemplateKey)]  # now that all are known who want a run
    order = [*keys, *again]
    for at, key in enumerate(order):
        advance(at, len(order))
        try:
            looks[key] = await app.reconcile.look(key, app.estate.clock())
            plans[key] = looks[key].plan
        except SyncError as error:
            # Whoever plans once is told what is wrong now, not what time may heal.
            plans[key] = Plan(holds=(Hold(Stage.DESIRE, error.reason, error.message, mark=Mark.FAIL),))
    for tenant, unread in app.sweep.unread.items():
        words = f"tenant {tenant} cannot be read: {unread.message}"
        plans[TemplateKey(tenant, "*")] = Plan(
            holds=(Hold(Stage.SYNC, unread.reason, words, mark=Mark.FAIL),)
        )
    for name, outdated in app.desire.sources.errors().items():
        hold = Hold(Stage.DESIRE, outdated.reason, outdated.message, mark=Mark.FAIL)
        plans[FlowKey("*", f"source {name}")] = Plan(holds=(hold,))
    return Planned(plans, looks)


def agree(app: App, planned: Planned, expect: str) -> None:
    """Have exactly that done, and nothing that the source says later. Raises Stalled (PlanChanged) for another plan."""
    if expect not in planned.awaited | {planned.fingerprint}:
        words = f"the plan has changed: expected {expect}, it is {planned.fingerprint} now; run `plan` again"
        raise Stalled(words, reason="PlanChanged")
    app.memory.confirmed.add(expect)
    app.desire.fixed = True


async def confirm(app: App, fingerprint: str) -> None:
    """Put a confirmation on the state branches, where a running service finds it."""
    decision = Decision(operator(), now())
    change, note = {f"{CONFIRMED}{fingerprint}": decision.encoded()}, f"{decision.by} confirms {fingerprint}"
    await everywhere(app.estate.homes(), lambda home: home.state.write(change, note))


async def all_keys(app: App) -> list[Key]:
    """Every key there is, templates first."""
    await app.read_sources()
    elsewhere = await app.sweep.elsewhere()  # first: a broken flow that is there needs no key of its own
    return sorted(app.desire.keys() | elsewhere, key=lambda key: (not isinstance(key, TemplateKey), key))


async def take_locks(app: App) -> dict[str, SyncError]:
    """Take the locks that are not ours yet; none of them while somebody holds one (raises Transient, LockHeld).

    Returns the repositories that cannot be asked, with the reason; raises it when there is no other.
    """
    homes = app.estate.homes()
    async with AsyncExitStack() as taken:
        found = await gathered(homes, lambda home: _take_lock(app, home, taken))
        errors = {home.name: error for home, error in zip(homes, found, strict=True) if error}
        held = [error for error in errors.values() if error.reason == "LockHeld"]
        if held or len(errors) == len(homes):
            raise (held or list(errors.values()))[0]
        taken.pop_all()  # the caller's now
    return errors


async def _take_lock(app: App, home: Home, taken: AsyncExitStack) -> None:
    if home.lock.held:
        return
    acquired = await home.lock.acquire()
    taken.push_async_callback(release_lock, app, home)
    if not acquired.clean:
        settle = timedelta(seconds=app.settings.reconcile.settle)
        app.memory.settled_at[home.name] = app.estate.clock() + settle


async def apply_flows(app: App, flows: frozenset[str], timeout: float, progress: Progress) -> Applied:
    """`apply_once` for some flows, named by flow or executable id."""
    await app.read_sources()

    def concerns(key: Key) -> bool:
        if isinstance(key, TenantKey):
            return False
        target = (
            app.desire.catalog.flows.get(key)
            if isinstance(key, FlowKey)
            else app.desire.catalog.targets.get(key)
        )
        names = {key.flow if isinstance(key, FlowKey) else key.executable}
        names |= {target.flow, target.key.executable} if target else set()
        return bool(names & flows)

    await try_again(app, filter(concerns, app.desire.keys()))
    return await apply_once(app, timeout, progress, concerns)


async def apply_once(
    app: App,
    timeout: float,
    progress: Progress = lambda status: None,
    concerns: Callable[[Key], bool] = lambda key: True,
    agreed: Callable[[Planned], Awaitable[None]] = _anything,
) -> Applied:
    """Do what is to be done and wait until it is settled, or `timeout` seconds.

    `concerns` chooses the keys that are worked on. `agreed` gets the plan before the first act and may raise. Takes
    the same locks as the service and gives them back. Raises Transient (LockHeld) while somebody else holds one.
    """
    await make_ready(app)
    left_out = await take_locks(app)
    branches = [branch for branch in app.estate.branches.values() if branch.lock.held]
    locks = (home.lock.keep() for home in app.estate.homes() if home.lock.held)
    try:
        async with background(app.watchers.run(), *(branch.committer.run() for branch in branches), *locks):
            found = filter(concerns, await all_keys(app))
            keys = [key for key in found if app.estate.home_of(key) not in left_out]
            with _waits_aside(app):
                await agreed(await _planned(app, keys))
            await _planned(app, keys)  # so that all that a confirmation names is known before the first act
            return Applied(await _worked(app, keys, timeout, progress), left_out)
    finally:
        await release_locks(app)


@contextmanager
def _waits_aside(app: App) -> Iterator[None]:
    """What waits after a take-over is planned as it will be done; who comes next waits as long, whatever happens."""
    waits, app.memory.settled_at = app.memory.settled_at, {}
    try:
        yield
    finally:
        app.memory.settled_at = waits


async def _worked(app: App, keys: Sequence[Key], timeout: float, progress: Progress) -> bool:
    """Work on these keys; True when all are settled."""
    stop = asyncio.Event()
    workers = asyncio.create_task(app.loop.run(stop))
    for key in keys:
        app.loop.add(key)
    try:
        async with asyncio.timeout(timeout):
            await _settled(app, progress, keys)
            return True
    except TimeoutError:
        return False
    finally:
        stop.set()
        await workers
        for branch in app.estate.branches.values():
            if branch.lock.held:
                await branch.committer.drain()


async def make_ready(app: App) -> None:
    """Have rendering environments installed, which may take longer than a pass or a lock lasts.

    One that cannot be had is told by the flows that need it.
    """
    if not app.desire.catalog.complete:
        await app.read_sources()
    needed = sorted(app.desire.catalog.renderings())
    await asyncio.gather(*(app.renderer.version(*one) for one in needed), return_exceptions=True)


async def _settled(app: App, progress: Progress, keys: Sequence[Key]) -> None:
    """Until no key is on its way to where it should be."""
    shown: dict[Key, tuple[Health, str]] = {}
    while True:
        statuses = app.board.all()
        for status in statuses:
            if shown.get(status.key) != (status.health, status.message):
                shown[status.key] = (status.health, status.message)
                progress(status)
        expected = app.desire.keys() & set(keys)
        present = {status.key for status in statuses}
        if expected <= present and not any(_on_its_way(s, app) for s in statuses):
            if not await app.loop.rested():
                return
            continue  # a key that was woken by another may have news
        await app.board.news()


def _on_its_way(status: Status, app: App) -> bool:
    """What waits for a template that a person must mend or merge goes nowhere."""
    if status.health is not Health.PROGRESSING or _in_review(status):
        return False
    key = TemplateKey(status.facts.get("tenant", ""), status.facts.get("template", ""))
    template = app.board.known(key)
    return template is None or not (template.health is Health.ATTENTION or _in_review(template))


def _in_review(status: Status) -> bool:
    return any(condition.reason == "AwaitingMerge" for condition in status.conditions)
