"""Any random world settles; settled means an empty plan; nothing unowned is touched; failures only delay."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulation import OWNER, START, Wanted, World, facts, keys, settle, template, turn

from aicore_sync.core.actions import Action, Remember, StartExecution
from aicore_sync.core.desired import (
    ArtifactRef,
    WantArtifact,
    WantConfiguration,
    WantFlow,
    WantSchedule,
    WantTemplate,
)
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan import plan_template
from aicore_sync.core.plan.timing import NEVER
from aicore_sync.core.world import Configuration, Execution, Schedule

EXECUTABLE = "churn-train"
DAY = timedelta(days=1)
MINUTES = timedelta(minutes=10)

schedules = st.none() | st.builds(
    WantSchedule,
    cron=st.sampled_from(["0 2 * * *", "0 6 * * 1"]),
    start=st.sampled_from([None, None, START - 400 * DAY, START + MINUTES, START + 30 * DAY]),
    end=st.sampled_from([None, None, START - 300 * DAY, START + 2 * MINUTES, START + 60 * DAY]),
    suspend=st.sampled_from([None, True, False]),
).filter(lambda spec: not (spec.start and spec.end) or spec.start < spec.end)
held: st.SearchStrategy[dict[str, Any]] = st.sampled_from(  # what keeps a new template back for a while
    [
        {"push_error": Hold(Stage.PUBLISH, "PushRejected", "no", after=60, mark=Mark.FAIL)},
        {"push_error": Hold(Stage.PUBLISH, "GitFailed", "no answer", after=60)},
        {"pending": True},
        {},
    ]
)


@st.composite
def configurations(draw: st.DrawFn, parameters: tuple[str, ...]) -> WantConfiguration:
    return WantConfiguration(
        name=draw(st.sampled_from(["default", "nightly", "wide"])),
        parameters=tuple((p, draw(st.sampled_from(["1", "2"]))) for p in parameters),
        run=draw(st.sampled_from(["onChange", "manual"])),
        schedule=draw(schedules),
    )


@st.composite
def wanteds(draw: st.DrawFn) -> Wanted:
    template_key, flow_key = keys(EXECUTABLE)
    parameters = draw(st.sampled_from([("alpha",), ("alpha", "beta")]))
    digest = draw(st.sampled_from(["d1", "d2", "d3"]))
    gone = draw(st.integers(0, 9)) == 0
    artifacts = draw(
        st.lists(
            st.builds(
                WantArtifact,
                name=st.just("raw"),
                kind=st.just("dataset"),
                url=st.sampled_from(["ai://default/a", "ai://default/b"]),
                description=st.just(""),
                labels=st.just(()),
                hash=st.sampled_from(["h1", "h2"]),
            ),
            max_size=1,
        )
    )
    wanted = draw(st.lists(configurations(parameters), max_size=3, unique_by=lambda c: c.name))
    made = None if gone else template(EXECUTABLE, digest + "".join(parameters), parameters)
    return Wanted(
        WantTemplate(template_key, made, gone=gone),
        WantFlow(
            flow_key,
            OWNER,
            EXECUTABLE,
            "churn",
            targeted=not gone,
            artifacts=tuple(artifacts),
            configurations=tuple(wanted),
        ),
    )


edits: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"status": "INACTIVE"},
        {"status": "INACTIVE", "end": START - DAY},
        {"end": START + 9 * DAY},
        {"start": START + 9 * DAY, "end": None},
        {"cron": "0 5 * * *"},
    ]
)
foreign = Schedule("s-foreign", f"other.{EXECUTABLE}.default", "0 1 * * *", "c-foreign")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world that earlier wants, hand edits and other owners have left behind."""
    world = World()
    world.schedules.append(foreign)
    world.configurations.append(Configuration("c-foreign", "by hand", EXECUTABLE, "churn", {"alpha": "9"}))
    if draw(st.booleans()):
        world.executions.append(
            Execution("e-foreign", "c-foreign", EXECUTABLE, "churn", "RUNNING", created_at=START)
        )
    for wanted in draw(st.lists(wanteds(), max_size=2)):
        for _ in range(draw(st.integers(0, 6))):
            turn(world, wanted, lambda _: False)
            world.pass_time(draw(st.sampled_from([1.0, 61.0])))
    ours = [s for s in world.schedules if s is not foreign]
    for schedule in ours[: draw(st.integers(0, 1))]:
        world.schedules[world.schedules.index(schedule)] = replace(schedule, **draw(edits))
    if draw(st.booleans()):  # somebody stops or copies a schedule of ours
        for schedule in ours[:1]:
            world.schedules.append(
                Schedule("s-copy", schedule.name, "0 5 * * *", schedule.configuration, "INACTIVE")
            )
    return world


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(worlds(), wanteds(), st.data())
def test_every_world_settles_and_failures_only_delay(
    world: World, wanted: Wanted, data: st.DataObject
) -> None:
    random = data.draw(st.randoms(use_true_random=False))
    for _ in range(data.draw(st.integers(0, 8))):
        vars(world).update({"push_error": None, "pending": None} | data.draw(held))
        turn(world, wanted, lambda _: random.random() < 0.4)
        world.pass_time(61)
    world.push_error = world.pending = None
    world.pass_time(2 * MINUTES.total_seconds())
    settle(world, wanted)
    before = (dict(world.files), list(world.schedules), list(world.configurations), len(world.executions))
    settle(world, wanted)
    assert before == (
        dict(world.files),
        list(world.schedules),
        list(world.configurations),
        len(world.executions),
    )
    assert foreign in world.schedules
    check_end(world, wanted)


def check_end(world: World, wanted: Wanted) -> None:
    ours = [s for s in world.schedules if s.name.startswith(f"{OWNER}.")]
    names = Counter(s.name for s in ours)
    assert all(count == 1 for count in names.values()), "a duplicate schedule survived"
    specs = {f"{OWNER}.{EXECUTABLE}.{c.name}": c.schedule for c in wanted.flow.configurations if c.schedule}
    specs = specs if wanted.flow.targeted else {}
    over = {name for name, spec in specs.items() if spec.end and spec.end <= world.now}
    assert specs.keys() - over <= names.keys() <= specs.keys(), "what is over is not created any more"
    for schedule in ours:
        check_schedule(schedule, specs[schedule.name], world.now)
    if wanted.template.gone:
        assert f"wt-{EXECUTABLE}.yaml" not in world.files
    else:
        assert wanted.template.template is not None
        assert world.synced[EXECUTABLE][1] == wanted.template.template.facts
    live = {c.id: c for c in world.configurations}
    for schedule in ours:
        configuration = live[schedule.configuration]
        assert set(configuration.parameters) == set(world.synced[EXECUTABLE][1].parameters), (
            "fires with stale bindings"
        )


def check_schedule(schedule: Schedule, spec: WantSchedule, now: datetime) -> None:
    if spec.end and spec.end <= now:
        assert schedule.status == "INACTIVE"
        return
    assert schedule.cron == spec.cron
    assert schedule.end == spec.end or (spec.end is None and schedule.end == NEVER)
    if spec.start and spec.start > now + MINUTES:
        assert schedule.start == spec.start
    if spec.suspend is not None:
        assert schedule.status == ("INACTIVE" if spec.suspend else "ACTIVE")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(wanteds(), min_size=1, max_size=4), st.data())
def test_each_content_runs_once_for_ever(history: list[Wanted], data: st.DataObject) -> None:
    world = World()
    random = data.draw(st.randoms(use_true_random=False))
    for wanted in history:
        for _ in range(3):
            turn(world, wanted, lambda _: random.random() < 0.3)
            world.pass_time(61)
        settle(world, wanted)
    runs = Counter(a.configuration for a in world.log if isinstance(a, StartExecution))
    assert all(count == 1 for count in runs.values())


def test_a_refused_template_goes_back_and_its_schedule_lives_on() -> None:
    template_key, flow_key = keys(EXECUTABLE)
    nightly = WantConfiguration("nightly", (("alpha", "1"),), schedule=WantSchedule("0 2 * * *"))
    flow = WantFlow(flow_key, OWNER, EXECUTABLE, "churn", configurations=(nightly,))
    good = Wanted(WantTemplate(template_key, template(EXECUTABLE, "good")), flow)
    world = World(refuses=frozenset({"bad"}))
    settle(world, good)
    bad = Wanted(WantTemplate(template_key, template(EXECUTABLE, "bad")), flow)
    for _ in range(8):
        turn(world, bad, lambda _: False)
        world.pass_time(61)
    assert world.files[f"wt-{EXECUTABLE}.yaml"][1] == facts(EXECUTABLE, "good")
    assert [s.status for s in world.schedules] == ["ACTIVE"]
    assert "refused/acme/churn-train.json" in world.memory
    better = Wanted(WantTemplate(template_key, template(EXECUTABLE, "better")), flow)
    settle(world, better)
    assert world.synced[EXECUTABLE][1] == facts(EXECUTABLE, "better")
    assert not world.memory, "the refusal is forgotten once a newer version is live"


def test_a_schedule_never_points_old_bindings_at_a_new_template() -> None:
    template_key, flow_key = keys(EXECUTABLE)

    def wanted(*parameters: str) -> Wanted:
        nightly = WantConfiguration(
            "nightly", tuple((p, "1") for p in parameters), schedule=WantSchedule("0 2 * * *")
        )
        made = template(EXECUTABLE, "-".join(parameters), parameters)
        flow = WantFlow(flow_key, OWNER, EXECUTABLE, "churn", configurations=(nightly,))
        return Wanted(WantTemplate(template_key, made), flow)

    world = World()
    settle(world, wanted("alpha"))
    seen: list[tuple[str, bool]] = []

    def watch(action: Action) -> bool:
        live = world.synced[EXECUTABLE][1].parameters
        bound = {c.id: set(c.parameters) for c in world.configurations}
        seen.extend((s.status, bound[s.configuration] == set(live)) for s in world.schedules)
        return False

    for _ in range(12):
        turn(world, wanted("beta", "gamma"), watch)
        world.pass_time(61)
    assert ("ACTIVE", False) not in seen, "a tick in the gap would have run with bindings that do not fit"
    assert ("INACTIVE", False) in seen
    assert [s.status for s in world.schedules] == ["ACTIVE"], "what was paused for the change goes on"
    assert world.synced[EXECUTABLE][1].parameters.keys() == {"beta", "gamma"}


def test_inputs_wait_for_their_artifact() -> None:
    template_key, flow_key = keys(EXECUTABLE)
    raw = WantArtifact("raw", "dataset", "ai://default/a", "", (), "h1")
    bound = WantConfiguration("default", (("alpha", "1"),), (("data", ArtifactRef("raw")),))
    flow = WantFlow(flow_key, OWNER, EXECUTABLE, "churn", artifacts=(raw,), configurations=(bound,))
    world = World()
    wanted = Wanted(WantTemplate(template_key, template(EXECUTABLE, "d")), flow)
    plans = [p for _ in range(4) for p in turn(world, wanted, lambda _: False)]
    assert any(h.reason == "BindingInvalid" for p in plans for h in p.holds), (
        "the template takes no input called data"
    )
    assert len(world.artifacts) == 1


def test_refused_versions_add_up_so_that_two_of_them_do_not_take_turns() -> None:
    world, key = World(), keys("alpha")[0]
    first, second = template("alpha", "one"), template("alpha", "two")
    world.refuses = frozenset({"one", "two"})
    remembered: list[list[str]] = []
    for made in (first, second):
        world.files = {made.file: (made.data, made.facts)}
        world.refreshed = world.now
        world.sync()
        plan = plan_template(WantTemplate(key, made), world.seen_template(WantTemplate(key, made)), world.now)
        for action in plan.actions:
            if isinstance(action, Remember) and action.data:
                world.apply(action)
                remembered.append(json.loads(action.data)["all"])
    assert remembered == [["one"], ["one", "two"]]
