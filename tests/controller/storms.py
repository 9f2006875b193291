"""Random worlds for the real loop: what people write and decide, what others do at AI Core and in git, what breaks.

The steps are `storm_steps`. Time is the storm's own: the service and the sandbox stand still until `pass_time` moves
both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from controller_world import STORE, Group, World, template
from forges import TestForge, forge_on
from githosts import make_remote
from sandboxes import Sandbox, running_sandbox
from storm_steps import ENVIRONMENTS, FLOWS, TRIES, Step, written
from storm_world import check_deployments, deploy, give_back, publishing, review, shape

from aicore_sync.app import App, BuildOptions, Clock, build, plan_once, release_locks, take_locks
from aicore_sync.app.again import try_again
from aicore_sync.app.decide import resume, suspend
from aicore_sync.app.once import all_keys
from aicore_sync.core.actions import Plan
from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import SyncError
from aicore_sync.core.world import Configuration, Schedule

ROUND = timedelta(seconds=100)  # longer than `settle`
HOUR = timedelta(hours=1)
LATER = timedelta(
    minutes=3
)  # until somebody else starts a run: nobody could tell it from a lost start of ours
MOST_ROUNDS = 40
MAY_STAY = ("ExecutionDead", "RunUnknown", "DeploymentDead")  # what a storm may leave for a person to decide
MAY_WAIT = {"UpstreamMissing", "ConfigurationPending"}  # nothing starts the flow that would make the output
RECONCILE = {
    "settle": "90s",
    "runQuiet": 0,
    "goneAfter": "60s",
    "interval": "3m",
    "requestTimeout": "10s",
    "retryDeadline": 0,
    "backoffFirst": "1s",
    "backoffMost": "60s",
    "lockExpiry": "1000h",
    "maxStarts": 50,
    "maxRunsPerDay": 1000,
    "maxRemovals": 50,
}


@dataclass
class Storm(World):
    """A world that a storm passes through, on a tenant and a repository of its own."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    foreign: set[str] = field(default_factory=set)  # ids of what others made
    ran: dict[str, dict[str, Any]] = field(default_factory=dict)  # every execution that there ever was
    tried_again: set[str] = field(default_factory=set)  # flows whose manifest ever said so
    suspended: set[Scope] = field(default_factory=set)
    forge: TestForge | None = None  # where templates are proposed

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.at, lambda: self.at.timestamp())  # noqa: PLW0108  `at` moves

    def configuration(self) -> dict[str, Any]:
        """Git is reached by its path: half of what a storm costs would be servers of git."""
        made = super().configuration()
        (repository,) = made["repositories"]
        repository["url"] = self.remote.as_uri()
        del repository["credentials"]
        repository |= publishing(self.forge, self.room)
        return made

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """The service without timers and events: what wakes it is the storm."""
        async with build(self.settings(), BuildOptions(history=False, clock=self.clock)) as app:
            self.app = app
            await take_locks(app)
            stop = asyncio.Event()
            workers = asyncio.create_task(app.loop.run(stop))
            try:
                yield app
            finally:
                stop.set()
                await workers
                self.app = None

    async def pass_time(self, app: App, much: bool = False) -> None:
        """Move time, and let everything be looked at until all is at rest."""
        self.at += HOUR if much else ROUND
        await self.sandbox.clock(to=self.at.isoformat())
        await self.look(app)

    async def look(self, app: App) -> None:
        """Let everything be looked at until all is at rest; time stands still."""
        for key in await all_keys(app):
            app.loop.add(key)
        await app.loop.rested()
        while True:
            for branch in app.estate.branches.values():
                await branch.committer.drain()
            if not await app.loop.rested():
                break
        for name in ENVIRONMENTS:
            self.ran |= {e["id"]: e for e in (await self.group(name)).executions}

    # --- what happens ---

    async def take(self, step: Step) -> None:
        """Let a step happen; what it needs and is not there makes it nothing."""
        match step.kind:
            case "settings":
                self.reconcile |= dict(step.options)
            case "write":
                self._write(step)
            case "runs":
                outcome = "DEAD" if step.what == "die" else "COMPLETED"
                await self.sandbox.executor(outcome=outcome, match={"executableId": f"^{step.flow}$"})
            case "operator":
                await self._decide(step)
            case "freeze":
                options = {"cron": "* * * * *", "duration": "2h"} | dict(step.options)
                self.extra["freeze"] = [options] if step.what == "deny" else []
            case "poison":
                if (self.source / step.flow).exists():
                    self.path(step.flow).write_text("kind: [")
            case "remove":
                for name in ("template.yaml", "aicore.yaml"):
                    self.path(step.flow, name).unlink(missing_ok=True)
            case "fault":
                await self._fault(step)
            case "server":
                await self._server(step)
            case "git":
                self._git(step)
            case "review":
                review(self.forge, step.what)

    def _write(self, step: Step) -> None:
        options = dict(step.options)
        options["environments"] = list(options["environments"])
        ends = options.pop("ends", None)
        if ends is not None:
            end = (self.at + ends * ROUND).replace(microsecond=0)
            options["schedule"] = options["schedule"] | {"end": end.isoformat()}
        if "onFailure" in options:
            self.tried_again.add(step.flow)
        self.write(step.flow, **options)
        shape(self.path(step.flow), step.flow, options.get("text", ""))

    async def _decide(self, step: Step) -> None:
        assert self.app
        scope = Scope(step.flow, dict(step.options)["environment"])
        try:
            if step.what == "suspend":
                await suspend(self.app, scope, "a storm")
                self.suspended.add(scope)
            else:
                await resume(self.app, scope, "a storm")
                self.suspended.discard(scope)
        except SyncError:
            return  # the service does not know the flow

    async def _fault(self, step: Step) -> None:
        match step.what:
            case "stale":
                await self.sandbox.faults(staleLists=80)
            case "tokens":
                await self.sandbox.faults(expireTokens=True)
            case _:
                await self.sandbox.faults(dict(step.options))

    async def _server(self, step: Step) -> None:
        place = str(dict(step.options)["group"])
        group = await self.group(place)
        schedule = group.schedules.get(f"team.{step.flow}.main")
        mine = [c for c in group.configurations if c["name"].startswith(f"team.{step.flow}.main.")]
        async with self.somebody() as client:
            verbs = client.group(place)
            try:
                match step.what:
                    case "cron" if schedule:
                        await verbs.schedules.patch(schedule["id"], {"cron": "0 5 * * *"})
                    case "suspend" if schedule:
                        await verbs.schedules.patch(schedule["id"], {"status": "INACTIVE"})
                    case "repoint" if schedule and len(mine) > 1:
                        await verbs.schedules.patch(schedule["id"], {"configuration": mine[0]["id"]})
                    case "start" if schedule:
                        await verbs.schedules.patch(schedule["id"], {"start": self.soon(HOUR)})
                    case "end" if schedule:
                        await verbs.schedules.patch(schedule["id"], {"end": self.soon(2 * ROUND)})
                    case "delete" if schedule:
                        await verbs.schedules.delete(schedule["id"])
                    case "foreign-schedule" if mine:
                        theirs = Schedule("", f"theirs-{step.flow}", "0 6 * * *", mine[0]["id"])
                        if theirs.name not in group.schedules:
                            self.foreign.add(await verbs.schedules.create(theirs))
                    case "foreign-run" if mine:
                        self.at += LATER
                        await self.sandbox.clock(to=self.at.isoformat())
                        for _ in range(3):
                            self.foreign.add(await verbs.executions.create(mine[0]["id"]))
                    case "foreign-configuration" if mine:
                        theirs_ = Configuration("", "theirs", step.flow, "tests", {"alpha": "9"})
                        self.foreign.add(await verbs.configurations.create(theirs_))
                    case "stop-deployment" | "foreign-deployment" if mine:
                        self.foreign |= await deploy(verbs, group.deployments, step.what)
            except SyncError:
                return  # the weather is bad for others too

    async def end_their_deployments(self) -> None:
        """Those of others hold a template for as long as they run: check that they still do, and end them."""
        for name in ENVIRONMENTS:
            found = (await self.group(name)).deployments
            check_deployments(found, self.foreign)
            async with self.somebody() as client:
                for one in [d["id"] for d in found if d["id"] in self.foreign]:
                    await client.group(name).deployments.stop(one)
                    self.foreign.discard(one)

    def soon(self, after: timedelta) -> datetime:
        return (self.at + after).replace(microsecond=0)

    def _git(self, step: Step) -> None:
        name = f"templates/wt-{step.flow}.yaml"
        there = self.file(step.flow)
        if step.what == "foreign":
            self.commit({"templates/README.md": "theirs\n"})
        elif step.what == "take":
            self.commit({name: template(step.flow)})
        elif there:
            self.commit({name: None if step.what == "delete" else there.replace("print(", "print(9, ")})


@asynccontextmanager
async def still_sandbox(room: Path) -> AsyncIterator[Sandbox]:
    """A sandbox for storms: its clock stands still, and it serves the repositories below `git`."""
    (room / "git").mkdir()
    order = ("--executor", "instant", "--clock", "manual", "--sync-interval", "86400")
    async with running_sandbox(room, *order, "--git", str(room / "git")) as sandbox:
        yield sandbox


async def fair(room: Path, sandbox: Sandbox, name: str) -> Storm:
    """The world before a storm: a tenant, an empty repository and an empty source."""
    room.mkdir(parents=True)
    (room / "flows").mkdir()
    remote = make_remote(room.parent / "git", f"{name}.git")
    await sandbox.tenant(name)
    w = Storm(room, sandbox, remote, repository=f"{name}.git", tenant=name, reconcile=dict(RECONCILE))
    w.environments = ENVIRONMENTS
    async with w.somebody() as client:
        await client.resource_groups.create("other", {})
        for group in ENVIRONMENTS:
            await client.secrets.create_object_store(group, STORE)
    w.extra["sources"] = [{"name": "flows", "directory": "flows", "watch": "poll"}]
    w.at = datetime.fromisoformat(await sandbox.clock(advance=1))
    return w


async def blow(room: Path, sandbox: Sandbox, name: str, steps: Sequence[Step]) -> None:
    """A storm from its first step to its end; AssertionError when the world is not as it must be then."""
    w = await fair(room, sandbox, name)
    with ExitStack() as stack:
        if steps[0].what == "review":
            w.commit({"README": "hello\n"})
            w.forge = stack.enter_context(forge_on(w.remote, path=str(w.remote.with_suffix("")).lstrip("/")))
        await _blow(w, steps)
    (await sandbox.admin.delete(f"/sandbox/tenants/{name}")).raise_for_status()  # its schedules go on firing


async def _blow(w: Storm, steps: Sequence[Step]) -> None:
    sandbox, at = w.sandbox, 0
    while at < len(steps):
        async with w.running() as app:
            while at < len(steps):
                step, at = steps[at], at + 1
                if step.kind == "time":
                    await w.pass_time(app, step.what == "hour")
                    continue
                await w.take(step)
                if step.kind in ("restart", "crash", "freeze"):
                    break
            if step.kind != "crash":
                await release_locks(app)
    await sandbox.calm()
    (await sandbox.admin.delete("/sandbox/executor")).raise_for_status()
    w.extra["freeze"] = []
    for flow in FLOWS:  # what is poisoned stays so for ever: mend it
        if w.path(flow).exists() and w.path(flow).read_text() == "kind: [":
            await w.take(written(Random(0), flow))
    give_back(w)
    await w.end_their_deployments()
    async with w.running() as app:
        for scope in w.suspended:
            await resume(app, scope, "the storm is over")
        if w.forge:
            await w.pass_time(app)
            await try_again(app, app.desire.keys())  # what people closed, they want after all
        await _settle(w, app)
    await _check(w)


async def _settle(w: Storm, app: App) -> None:
    for _ in range(MOST_ROUNDS):
        review(w.forge, "merge")
        await w.pass_time(app)
        planned = await plan_once(app)
        waits = [p.holds for p in planned.plans.values() if _waiting(p)]
        failures = [h for _, h in planned.failures if h.reason not in MAY_STAY]
        if not planned.changes and not waits and not failures:
            return
    raise AssertionError(f"does not settle: {planned.plans}\n{w.report(app)}")


def _waiting(plan: Plan) -> bool:
    reasons = {h.reason for h in plan.holds if h.mark == "wait"}
    return bool(reasons - MAY_WAIT if "UpstreamMissing" in reasons else reasons)


async def _check(w: Storm) -> None:
    """Nothing twice, nothing of others touched, and what the source says is there."""
    flows = {p.parent.name for p in w.source.glob("*/aicore.yaml")}

    await w.sandbox.sync(w.tenant)  # as AI Core does by itself, also for what others commit

    async def synced() -> bool:
        return set((await w.group()).executables) == flows

    await w.seen(synced, f"the executables are {flows}")
    present: set[str] = set()
    for name in ENVIRONMENTS:
        group = await w.group(name)
        kinds = {kind: items for kind, items in group.state.items() if isinstance(items, dict)}
        ours = {
            kind: {i: one for i, one in items.items() if i not in w.foreign} for kind, items in kinds.items()
        }
        ours["executions"] = {}  # some have been deleted since
        Group(group.state | ours, group.executables).check()
        present |= {i for items in kinds.values() for i in items}
        theirs = [s for s in group.schedules.values() if s["name"].startswith("theirs")]
        assert all(s["cron"] == "0 6 * * *" and s["status"] == "ACTIVE" for s in theirs), theirs
        check_deployments(group.deployments, w.foreign)
        touched = [e for e in group.executions if e["id"] in w.foreign and _touched(e)]
        assert not touched, f"stopped or deleted, of others: {touched}"
    assert w.foreign <= present, f"gone of others: {w.foreign - present}"
    _check_runs(w)


def _touched(execution: dict[str, Any]) -> bool:
    return execution.get("targetStatus") in ("STOPPED", "DELETED")


def _check_runs(w: Storm) -> None:
    """What we started: content runs once, and again only after it died, as often as the manifest ever said."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for one in w.ran.values():
        if not one.get("executionScheduleId") and one["id"] not in w.foreign:
            runs.setdefault(one["configurationId"], []).append(one)
    for found in runs.values():
        alive = [e for e in found if e["status"] != "DEAD"]
        most = 1 + TRIES if found[0]["executableId"] in w.tried_again else 1
        assert len(alive) <= 1, f"ran twice: {found}"
        assert len(found) <= most, f"more than {most} tries: {found}"
