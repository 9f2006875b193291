"""A model of git and AI Core as plain values: apply a plan, let the world go on, plan again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from aicore_sync.core.actions import (
    Action,
    CreateArtifact,
    CreateConfiguration,
    CreateSchedule,
    DeleteSchedule,
    PatchSchedule,
    Plan,
    Publish,
    Refresh,
    Remember,
    Retract,
    StartExecution,
)
from aicore_sync.core.desired import (
    PublishedFile,
    Review,
    ScheduleUse,
    SeenFlow,
    SeenTemplate,
    Template,
    WantFlow,
    WantTemplate,
)
from aicore_sync.core.model import FlowKey, Hold, Mark, Stage, TemplateKey
from aicore_sync.core.plan import plan_flow, plan_template, proven_live
from aicore_sync.core.plan.review import counted
from aicore_sync.core.plan.templates import stays
from aicore_sync.core.refusals import Refusal, read_declined, read_refusal
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import (
    ApplicationStatus,
    Artifact,
    Configuration,
    Executable,
    Execution,
    ResourceStatus,
    Schedule,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OWNER = "team"
LABEL = "ext.ai.sap.com/aicore-sync."


def facts(executable: str, digest: str, parameters: tuple[str, ...] = ("alpha",)) -> PublishedTemplate:
    """Facts of a template whose content is `digest`; all parameters are mandatory."""
    return PublishedTemplate(
        executable=executable,
        scenario="churn",
        version=f"1-{digest[:8]}",
        owner=OWNER,
        flow=executable,
        template_digest=digest,
        run_digest=f"run-{digest}",
        parameters=dict.fromkeys(parameters),
    )


def template(executable: str, digest: str, parameters: tuple[str, ...] = ("alpha",)) -> Template:
    found = facts(executable, digest, parameters)
    data = json.dumps([executable, digest, parameters]).encode()
    return Template(f"wt-{executable}.yaml", data, found)


@dataclass
class World:
    """One tenant with one resource group. `refuses` are template digests that AI Core does not take."""

    now: datetime = START
    files: dict[str, tuple[bytes, PublishedTemplate | None]] = field(default_factory=dict)
    synced: dict[str, tuple[bytes, PublishedTemplate]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    memory: dict[str, bytes] = field(default_factory=dict)
    refreshed: datetime | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    configurations: list[Configuration] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    recent: dict[str, datetime] = field(default_factory=dict)
    log: list[Action] = field(default_factory=list)
    counter: int = 0
    pending: bool | None = None
    push_error: Hold | None = None
    review: Review | None = None

    def fresh(self, kind: str) -> str:
        self.counter += 1
        return f"{kind}-{self.counter:04}"

    # --- what a pass would see ---

    def seen_template(self, want: WantTemplate) -> SeenTemplate:
        name = f"wt-{want.key.executable}.yaml"
        published = None
        if name in self.files:
            data, found = self.files[name]
            published = PublishedFile(name, blob(data), "c0ffee", found, bool(found and found.owner == OWNER))
        live = self.synced.get(want.key.executable)
        entry = (
            (
                ResourceStatus(
                    want.key.executable, "WorkflowTemplate", "SyncFailed", self.failed[want.key.executable]
                ),
            )
            if want.key.executable in self.failed
            else ()
        )
        executable = Executable(want.key.executable, "churn", live[1].version) if live else None
        refusal = self.memory.get(f"refused/{want.key.tenant}/{want.key.executable}.json")
        paused = self.memory.get(f"paused/{want.key.tenant}/{want.key.executable}.json")
        declined = read_declined(self.memory.get(f"declined/{want.key.tenant}/{want.key.executable}.json"))
        return SeenTemplate(
            published=published,
            pending=bool(self.pending),
            push_error=self.push_error,
            review=counted(
                self.review, declined, want.template.facts.template_digest if want.template else ""
            ),
            declined=declined,
            application=ApplicationStatus(sync="Synced", revision="c0ffee", resources=entry),
            synced_blob=blob(self.files[name][0]) if name in self.files and self.refreshed else None,
            executable=executable,
            schedules=self.uses(want),
            executions=sum(e.active for e in self.executions if e.executable == want.key.executable),
            refusal=self.read_refusal(refusal, live),
            paused=frozenset(json.loads(paused)["schedules"]) if paused else None,
            sync_requested=self.refreshed,
        )

    def read_refusal(
        self, data: bytes | None, live: tuple[bytes, PublishedTemplate] | None
    ) -> Refusal | None:
        found = read_refusal(data)
        return replace(found, previous=live[0] if live else None) if found else None

    def uses(self, want: WantTemplate) -> tuple[ScheduleUse, ...]:
        uses = []
        for schedule in self.schedules:
            configuration = next((c for c in self.configurations if c.id == schedule.configuration), None)
            if not schedule.name.startswith(OWNER + ".") or configuration is None:
                continue
            if configuration.executable != want.key.executable:
                continue
            wanted = want.template.facts.parameters if want.template else configuration.parameters
            uses.append(ScheduleUse("dev", schedule, set(wanted) == set(configuration.parameters)))
        return tuple(uses)

    def seen_flow(self, want: WantFlow, template: WantTemplate) -> SeenFlow:
        live = self.synced.get(want.executable)
        prefix = f"{OWNER}.{want.key.flow}."
        paused = self.memory.get(f"paused/{template.key.tenant}/{want.executable}.json")
        return SeenFlow(
            live=live[1] if live else None,
            artifacts=tuple(self.artifacts),
            configurations=tuple(c for c in self.configurations if c.name.startswith(prefix)),
            schedules=tuple(s for s in self.schedules if s.name.startswith(prefix)),
            executions=tuple(e for e in self.executions if e.executable == want.executable),
            recent=dict(self.recent),
            paused=frozenset(json.loads(paused)["schedules"]) if paused else frozenset(),
        )

    # --- what the world does ---

    def apply(self, action: Action) -> None:
        self.log.append(action)
        match action:
            case Publish(template=made):
                found = made.facts if not action.restore else self.synced[made.facts.executable][1]
                self.files[made.file] = (made.data, found)
                self.refreshed = None
            case Retract(file=file):
                del self.files[file]
                self.refreshed = None
            case Remember(path=path, data=None):
                self.memory.pop(path, None)
            case Remember(path=path, data=bytes(data)):
                self.memory[path] = data
            case Refresh():
                self.refreshed = self.now
                self.sync()
            case _:
                self.apply_to_group(action)

    def apply_to_group(self, action: Action) -> None:
        match action:
            case CreateArtifact(artifact=a, key=key):
                labels = {
                    LABEL + "owner": OWNER,
                    LABEL + "key": f"{key.flow}.{a.name}",
                    LABEL + "hash": a.hash,
                }
                self.artifacts.append(
                    Artifact(
                        self.fresh("a"),
                        a.name,
                        a.kind,
                        a.url,
                        action.scenario,
                        labels=labels,
                        created_at=self.now,
                    )
                )
            case CreateConfiguration(name=name):
                self.configurations.append(
                    Configuration(
                        self.fresh("c"), name, action.executable, action.scenario,
                        dict(action.parameters), dict(action.inputs), self.now,
                    )
                )  # fmt: skip
            case CreateSchedule(name=name):
                self.recent[name] = self.now
                made = Schedule(self.fresh("s"), name, action.cron, action.configuration, start=action.start,
                                end=action.end, created_at=self.now)  # fmt: skip
                self.schedules.append(self.taken(made))
                self.require_fitting(made)
            case PatchSchedule(id=id_, changes=changes):
                at = next(i for i, s in enumerate(self.schedules) if s.id == id_)
                assert self.schedules[at].name.startswith(OWNER + "."), "touched a foreign schedule"
                changed = replace(self.schedules[at], **dict(changes))  # type: ignore[arg-type]
                self.schedules[at] = self.taken(changed)
                if {"status", "configuration"} & dict(changes).keys():
                    self.require_fitting(changed)
            case DeleteSchedule(id=id_):
                gone = next(s for s in self.schedules if s.id == id_)
                assert gone.name.startswith(OWNER + "."), "deleted a foreign schedule"
                self.schedules.remove(gone)
            case StartExecution(configuration=configuration):
                self.recent[configuration] = self.now
                executable = next(c.executable for c in self.configurations if c.id == configuration)
                self.executions.append(
                    Execution(
                        self.fresh("e"), configuration, executable, "churn", "PENDING", created_at=self.now
                    )
                )

    def taken(self, schedule: Schedule) -> Schedule:
        """What AI Core refuses about the times of a schedule."""
        if schedule.end:
            assert schedule.start is None or schedule.end > schedule.start, "end before start"
            assert schedule.end > self.now or schedule.status != "ACTIVE", "active after its end"
        return schedule

    def require_fitting(self, schedule: Schedule) -> None:
        """Nothing that we do makes a schedule fire values that the live template does not take."""
        bound = next(c for c in self.configurations if c.id == schedule.configuration)
        takes = set(self.synced[bound.executable][1].parameters)
        assert schedule.status != "ACTIVE" or set(bound.parameters) == takes, "fires with stale bindings"

    def sync(self) -> None:
        """AI Core syncs the branch head; refused files keep their old executable and get a failed entry."""
        self.failed = {}
        present = {f.executable: (data, f) for data, f in self.files.values() if f}
        for name, (data, found) in present.items():
            if found.template_digest in self.refuses:
                self.failed[name] = "spec.templates: Invalid value"
            else:
                self.synced[name] = (data, found)
        self.synced = {k: v for k, v in self.synced.items() if k in present}

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.executions = [replace(e, status="COMPLETED") for e in self.executions]
        self.schedules = [
            replace(s, status="INACTIVE") if s.end and s.end <= self.now else s for s in self.schedules
        ]


def blob(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """A template and its flow in one environment, wanted together."""

    template: WantTemplate
    flow: WantFlow


def waiting(plan: Plan) -> list[Hold]:
    """Holds that will end by themselves: a settled world has none."""
    return [h for h in plan.holds if h.mark is Mark.WAIT]


def turn(world: World, wanted: Wanted, fails: Callable[[Action], bool]) -> list[Plan]:
    """One pass of both keys: plan, apply what does not fail, in order."""
    seen = world.seen_template(wanted.template)
    first = plan_template(wanted.template, seen, world.now)
    _apply(world, first, fails)
    live = proven_live(world.seen_template(wanted.template))
    published = wanted.template.template and world.seen_template(wanted.template).published
    current = bool(
        published
        and published.facts
        and wanted.template.template
        and published.facts.template_digest == wanted.template.template.facts.template_digest
    )
    holds = () if live and current else (Hold(Stage.SYNC, "SyncPending", "not live yet"),)
    stay = stays(wanted.template, world.seen_template(wanted.template))
    flow = replace(wanted.flow, template_holds=holds, template_stays=stay)
    second = plan_flow(flow, world.seen_flow(flow, wanted.template), world.now)
    _apply(world, second, fails)
    return [first, second]


def _apply(world: World, plan: Plan, fails: Callable[[Action], bool]) -> None:
    for action in plan.actions:
        if fails(action):
            if isinstance(action, Remember):
                return  # what follows relies on it
            continue
        world.apply(action)


def settle(world: World, wanted: Wanted, turns: int = 60) -> int:
    """Turns until nothing is planned and nothing waits; AssertionError when it never settles."""
    for number in range(turns):
        plans = turn(world, wanted, lambda _: False)
        if not any(p.actions or waiting(p) for p in plans):
            return number
        world.pass_time(61)
    raise AssertionError(f"does not settle: {plans}")


def keys(executable: str) -> tuple[TemplateKey, FlowKey]:
    return TemplateKey("acme", executable), FlowKey(executable, "dev")
