"""A schedule follows its manifest: when it runs, when it sleeps, and the ways back from a sleep that we caused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from run_worlds import KEY, NOW, ago, configuration, live
from simulation import OWNER, Wanted, World, keys, settle, template, turn

from aicore_sync.core.actions import Action, CreateSchedule, DeleteSchedule, PatchSchedule, Plan, Remember
from aicore_sync.core.desired import (
    Review,
    RunPolicy,
    SeenFlow,
    WantConfiguration,
    WantFlow,
    WantSchedule,
    WantTemplate,
)
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan import plan_flow
from aicore_sync.core.plan.schedules import MOST_REVERTS
from aicore_sync.core.plan.timing import NEVER, is_done
from aicore_sync.core.world import Schedule

SETTLE = 90.0
SOON = NOW + timedelta(seconds=2 * SETTLE)
DAY = timedelta(days=1)
CURRENT = replace(configuration("c-new", "new", DAY, run="manual"))
NAME = "team.churn.main"
THERE = Schedule("s-1", NAME, "0 2 * * *", "c-new", start=ago(days=30), created_at=ago(days=30))
ENDED = replace(THERE, status="INACTIVE", end=ago(hours=1))
ASLEEP = replace(THERE, status="INACTIVE")


def want(**spec: Any) -> WantFlow:
    main = WantConfiguration("main", schedule=WantSchedule(**({"cron": "0 2 * * *"} | spec)))
    policy = RunPolicy(settle=SETTLE)
    return WantFlow(KEY, "team", "churn", "scene", "t", configurations=(main,), policy=policy)


def seen(*schedules: Schedule, **more: Any) -> SeenFlow:
    known: dict[str, Any] = {"live": live(), "configurations": (CURRENT,), "schedules": schedules}
    return SeenFlow(**(known | more))


def changes(plan: Plan) -> dict[str, Any]:
    """What the only action, a patch, sets."""
    assert len(plan.actions) <= 1
    return {name: value for a in plan.actions if isinstance(a, PatchSchedule) for name, value in a.changes}


def reasons(plan: Plan) -> list[str]:
    return [hold.reason for hold in plan.holds]


# --- when it runs ---


@pytest.mark.parametrize(
    ("spec", "start", "end"),
    [
        ({}, SOON, None),
        ({"start": NOW + DAY}, NOW + DAY, None),
        ({"start": ago(days=2)}, SOON, None),
        ({"start": NOW + timedelta(seconds=1)}, SOON, None),
        ({"end": NOW + DAY}, SOON, NOW + DAY),
        ({"start": NOW + DAY, "end": NOW + 2 * DAY}, NOW + DAY, NOW + 2 * DAY),
    ],
)
def test_a_new_schedule_begins_when_its_creation_is_surely_seen(spec: Any, start: Any, end: Any) -> None:
    (made,) = plan_flow(want(**spec), seen(), NOW).actions
    assert isinstance(made, CreateSchedule)
    assert (made.start, made.end) == (start, end)
    there = Schedule("s-1", NAME, made.cron, "c-new", start=made.start, end=made.end, created_at=NOW)
    for later in (timedelta(seconds=5), timedelta(minutes=10), timedelta(hours=3)):
        assert plan_flow(want(**spec), seen(there), NOW + later) == Plan(), "and is never patched afterwards"


@pytest.mark.parametrize("end", [ago(hours=1), NOW + timedelta(seconds=60)])
def test_a_new_schedule_whose_end_comes_first_is_not_created(end: Any) -> None:
    plan = plan_flow(want(end=end), seen(), NOW)
    assert (plan.actions, reasons(plan)) == ((), ["Expired"])


@pytest.mark.parametrize(
    ("spec", "there", "expected"),
    [
        # start
        ({"start": ago(days=9)}, THERE, {}),
        ({"start": NOW + DAY}, THERE, {"start": NOW + DAY}),
        ({"start": NOW + DAY}, replace(THERE, start=NOW + 2 * DAY), {"start": NOW + DAY}),
        ({"start": ago(days=9)}, replace(THERE, start=NOW + 2 * DAY), {"start": SOON}),
        ({}, replace(THERE, start=NOW + 2 * DAY), {"start": SOON}),
        ({}, replace(THERE, start=None), {}),
        # end
        ({"end": NOW + DAY}, THERE, {"end": NOW + DAY}),
        ({"end": NOW + DAY}, replace(THERE, end=NOW + 2 * DAY), {"end": NOW + DAY}),
        ({}, replace(THERE, end=NOW + 2 * DAY), {"end": NEVER}),
        ({}, replace(THERE, end=NEVER), {}),
        # an end that has passed is not sent: the schedule is stopped, and ends soon
        ({"end": ago(days=1)}, THERE, {"end": SOON, "status": "INACTIVE"}),
        ({"end": ago(days=1)}, replace(THERE, end=NOW + DAY), {"end": SOON, "status": "INACTIVE"}),
        ({"end": ago(days=1)}, replace(ASLEEP, end=SOON - timedelta(seconds=30)), {}),
        ({"end": ago(days=1), "cron": "0 3 * * *"}, ENDED, {}),
        ({"end": ago(days=1), "suspend": False}, ENDED, {}),
        ({"end": ago(days=1), "suspend": True}, ENDED, {}),
        (
            {"end": ago(days=1)},
            replace(THERE, start=NOW + DAY),
            {"start": SOON - timedelta(seconds=1), "end": SOON, "status": "INACTIVE"},
        ),
        # it has ended by itself, and may go on
        ({"end": NOW + DAY}, ENDED, {"end": NOW + DAY, "status": "ACTIVE"}),
        ({}, ENDED, {"end": NEVER, "status": "ACTIVE"}),
        ({"suspend": False}, ENDED, {"end": NEVER, "status": "ACTIVE"}),
        ({"suspend": True}, ENDED, {"end": NEVER}),
        # somebody stopped it: another end is no reason to wake it
        ({"end": NOW + 2 * DAY}, replace(ASLEEP, end=NOW + DAY), {"end": NOW + 2 * DAY}),
        ({"end": SOON}, replace(ASLEEP, end=SOON), {}),
        ({"end": NOW + timedelta(seconds=5)}, replace(ASLEEP, end=NOW + timedelta(seconds=5)), {}),
        # another cron never makes up for ticks of the past
        ({"cron": "0 3 * * *"}, THERE, {"cron": "0 3 * * *", "start": SOON}),
        (
            {"cron": "0 3 * * *", "start": ago(days=9)},
            THERE,
            {"cron": "0 3 * * *", "start": SOON},
        ),
        (
            {"cron": "0 3 * * *", "start": NOW + DAY},
            replace(THERE, start=NOW + DAY),
            {"cron": "0 3 * * *"},
        ),
        (
            {"cron": "0 3 * * *", "end": NOW + timedelta(seconds=60)},
            THERE,
            {"cron": "0 3 * * *", "end": NOW + timedelta(seconds=60)},
        ),
        # status
        ({}, ASLEEP, {}),
        ({"suspend": False}, ASLEEP, {"status": "ACTIVE"}),
        ({"suspend": True}, ASLEEP, {}),
        ({"suspend": True}, THERE, {"status": "INACTIVE"}),
        ({"suspend": False}, THERE, {}),
        # configuration
        ({}, replace(THERE, configuration="c-old"), {"configuration": "c-new"}),
    ],
)
def test_one_patch_sets_what_differs_and_then_nothing_does(
    spec: Any, there: Schedule, expected: dict[str, Any]
) -> None:
    assert changes(plan_flow(want(**spec), seen(there), NOW)) == expected
    after = replace(there, **expected)
    for later in (timedelta(0), timedelta(minutes=10)):
        assert changes(plan_flow(want(**spec), seen(after), NOW + later)) == {}, "in every pass anew"


@pytest.mark.parametrize("blocked", [(), (Hold(Stage.EXECUTE, "Frozen", "until Monday", mark=Mark.OFF),)])
@pytest.mark.parametrize("start", [None, ago(days=30), NOW + DAY])
@pytest.mark.parametrize("later", [timedelta(seconds=5), timedelta(hours=1)])
def test_what_its_end_has_stopped_goes_on_with_a_later_end(
    blocked: Any, start: Any, later: timedelta
) -> None:
    there = replace(THERE, start=start)
    ends = changes(plan_flow(replace(want(end=ago(days=1)), blocked=blocked), seen(there), NOW))
    assert ends["status"] == "INACTIVE"
    there = replace(there, **ends)
    assert changes(plan_flow(want(end=ago(days=1)), seen(there), NOW + later)) == {}
    goes_on = changes(plan_flow(want(end=NOW + 9 * DAY), seen(there), NOW + later))
    assert {"end": NOW + 9 * DAY, "status": "ACTIVE"}.items() <= goes_on.items()


@pytest.mark.parametrize(
    ("spec", "there"),
    [
        ({"cron": "0 3 * * *"}, THERE),
        ({"cron": "0 3 * * *", "start": NOW + DAY}, THERE),
        ({}, replace(THERE, start=NOW + DAY)),
        ({"end": ago(days=1)}, THERE),
        ({}, ENDED),
    ],
)
def test_a_patch_that_lists_do_not_show_yet_is_known_as_done(spec: Any, there: Schedule) -> None:
    (first,), (again,) = (
        plan_flow(want(**spec), seen(there), at).actions for at in (NOW, NOW + timedelta(seconds=5))
    )
    assert isinstance(first, PatchSchedule)
    assert isinstance(again, PatchSchedule)
    patched = replace(there, **dict(first.changes))  # type: ignore[arg-type]
    assert is_done(patched, again.changes, again.soon)
    assert not is_done(there, again.changes, again.soon)


@pytest.mark.parametrize(
    ("spec", "there", "reason", "words"),
    [
        ({}, ASLEEP, "Suspended", "stopped in AI Core"),
        ({"suspend": True}, ASLEEP, "Suspended", "the manifest says suspend: true"),
        ({"end": ago(days=1)}, ENDED, "Expired", "its end has passed"),
    ],
)
def test_a_schedule_that_rests_says_why(spec: Any, there: Schedule, reason: str, words: str) -> None:
    (hold,) = plan_flow(want(**spec), seen(there), NOW).holds
    assert (hold.reason, hold.message, hold.mark) == (reason, words, Mark.OFF)


def test_of_two_with_one_name_the_oldest_stays() -> None:
    young = replace(THERE, id="s-2", created_at=ago(days=1))
    plan = plan_flow(want(cron="0 3 * * *"), seen(young, THERE), NOW)
    assert [(type(a), a.id) for a in plan.actions if isinstance(a, PatchSchedule | DeleteSchedule)] == [
        (PatchSchedule, "s-1"),
        (DeleteSchedule, "s-2"),
    ]


# --- fights ---


def test_an_end_that_others_keep_setting_leaves_an_ended_schedule_alone() -> None:
    fought = {("s-1", "end"): ((NEVER, ago(minutes=5)),) * MOST_REVERTS}
    plan = plan_flow(want(), seen(ENDED, patched=fought), NOW)
    assert (plan.actions, "Contested" in reasons(plan)) == ((), True)


def test_a_cron_that_others_keep_setting_brings_no_new_start() -> None:
    fought = {("s-1", "cron"): (("0 2 * * *", ago(minutes=5)),) * MOST_REVERTS}
    theirs = replace(THERE, cron="0 5 * * *", end=NOW + DAY)
    assert changes(plan_flow(want(), seen(theirs, patched=fought), NOW)) == {"end": NEVER}


@pytest.mark.parametrize("field", ["configuration", "cron"])
def test_going_to_and_fro_in_the_source_is_no_fight(field: str) -> None:
    there = replace(THERE, configuration="c-old", cron="0 3 * * *")
    wanted = {"configuration": "c-new", "cron": "0 2 * * *"}[field]
    turns = tuple((value, ago(minutes=n)) for n in range(20, 0, -2) for value in (wanted, "another"))
    plan = plan_flow(want(), seen(there, patched={("s-1", field): turns}), NOW)
    assert (changes(plan)[field], reasons(plan)) == (wanted, [])
    plan = plan_flow(want(), seen(there, patched={("s-1", field): (*turns, *turns[::2])}), NOW)
    assert (field in changes(plan), reasons(plan)) == (False, ["Contested"]), "set back again and again"


def test_waking_what_we_paused_is_no_fight() -> None:
    often = {("s-1", "status"): (("ACTIVE", ago(minutes=5)),) * 9}
    plan = plan_flow(want(), seen(ASLEEP, patched=often, paused=frozenset({NAME})), NOW)
    assert (changes(plan), plan.holds) == ({"status": "ACTIVE"}, ())


# --- paused by us ---

COMING = (Hold(Stage.PUBLISH, "PublishPending", "the new version is not published yet"),)
BLOCK = (Hold(Stage.EXECUTE, "Frozen", "until Monday", mark=Mark.OFF),)
PAUSED = seen(ASLEEP, paused=frozenset({NAME}))


@pytest.mark.parametrize(
    ("wanted", "wakes"),
    [
        (want(), True),
        (replace(want(), template_holds=COMING), False),
        (replace(want(), template_holds=COMING, template_stays=True), True),
        (replace(want(), template_holds=BLOCK, template_stays=True, blocked=BLOCK), True),
        (replace(want(), template_holds=BLOCK, blocked=BLOCK), False),
        (replace(want(suspend=False), template_holds=COMING), False),
        (want(suspend=True), False),
    ],
)
def test_what_we_paused_wakes_when_nothing_is_on_its_way(wanted: WantFlow, wakes: bool) -> None:
    assert changes(plan_flow(wanted, PAUSED, NOW)) == ({"status": "ACTIVE"} if wakes else {})


def test_it_stays_asleep_on_a_template_that_does_not_take_its_values() -> None:
    other = replace(PAUSED, live=replace(live(), parameters={"beta": None}))
    plan = plan_flow(replace(want(), template_holds=COMING, template_stays=True), other, NOW)
    assert plan.actions == ()


def test_the_row_says_that_we_paused_it() -> None:
    plan = plan_flow(replace(want(), template_holds=COMING), PAUSED, NOW)
    (hold,) = [h for h in plan.holds if h.stage is Stage.SCHEDULE]
    assert (hold.reason, hold.subject, hold.mark) == ("SchedulesPausing", "main", Mark.WAIT)
    assert "paused by aicore-sync" in hold.message


def test_a_schedule_is_not_pointed_at_what_the_live_template_does_not_take_yet() -> None:
    old = replace(CURRENT, id="c-old", name="team.churn.main.0123456789ab")
    elsewhere = replace(THERE, configuration="c-old")
    there = seen(elsewhere, live=replace(live(), parameters={"alpha": None}), configurations=(CURRENT, old))
    plan = plan_flow(replace(want(), template_holds=COMING), there, NOW)
    assert plan.actions == (), "its configuration is there since the source was like this once before"


# --- from the pause to the live template, and what may come between ---

TEMPLATE_KEY, FLOW_KEY = keys("churn-train")
FILE = "wt-churn-train.yaml"
RECORD = "paused/acme/churn-train.json"
REJECTED = Hold(Stage.PUBLISH, "BranchProtected", "no", after=60, mark=Mark.FAIL)
UNREACHABLE = Hold(Stage.PUBLISH, "GitFailed", "no answer", after=60)


def wanted(*parameters: str, blocked: tuple[Hold, ...] = (), lacks: str = "") -> Wanted:
    """`lacks` is a parameter that the manifest does not give."""
    given = tuple((p, "1") for p in parameters if p != lacks)
    nightly = WantConfiguration("nightly", given, schedule=WantSchedule("0 2 * * *"))
    made = template("churn-train", "-".join(parameters), parameters)
    flow = WantFlow(FLOW_KEY, OWNER, "churn-train", "churn", configurations=(nightly,), blocked=blocked)
    return Wanted(WantTemplate(TEMPLATE_KEY, made, blocked=blocked), flow)


def proposed(*, open_: bool) -> Review:
    made = wanted("beta").template.template
    assert made is not None
    return Review(FILE, made.facts.template_digest, "https://forge/1", open=open_)


def on_its_way() -> World:
    """The schedule of the old template sleeps, and the new one is not handed over yet."""
    world = World()
    settle(world, wanted("alpha"))
    turn(world, wanted("beta"), lambda _: False)
    assert (world.schedules[0].status, RECORD in world.memory) == ("INACTIVE", True)
    return world


def turns(world: World, todo: Wanted, number: int = 6) -> None:
    """Passes in which the schedule is never ACTIVE on values that the live template does not take."""

    def watch(_: Action) -> bool:
        bound = {c.id: set(c.parameters) for c in world.configurations}
        takes = set(world.synced["churn-train"][1].parameters)
        (schedule,) = world.schedules
        assert schedule.status != "ACTIVE" or bound[schedule.configuration] == takes
        return False

    for _ in range(number):
        turn(world, todo, watch)
        world.pass_time(61)


@pytest.mark.parametrize(
    ("between", "blocked", "awake"),
    [
        ({}, BLOCK, True),
        ({"push_error": REJECTED}, (), True),
        ({"push_error": UNREACHABLE}, (), False),  # tried again in a moment
        ({"review": proposed(open_=False)}, (), True),
        ({"review": proposed(open_=True)}, (), False),  # people may merge it at any time
        ({"review": proposed(open_=True)}, BLOCK, False),
        ({"pending": True}, (), False),
        ({"pending": True}, BLOCK, False),
    ],
)
def test_the_old_template_goes_on_when_the_new_one_is_held(
    between: dict[str, Any], blocked: tuple[Hold, ...], awake: bool
) -> None:
    world = on_its_way()
    vars(world).update(between)
    turns(world, wanted("beta", blocked=blocked))
    assert (world.schedules[0].status == "ACTIVE", RECORD not in world.memory) == (awake, awake)
    number = len(world.log)
    turns(world, wanted("beta", blocked=blocked))
    assert len(world.log) == number, "it rests"
    vars(world).update(dict.fromkeys(between))
    world.memory.pop("declined/acme/churn-train.json", None)
    turns(world, wanted("beta"), 12)
    assert (world.schedules[0].status, RECORD in world.memory) == ("ACTIVE", False)
    assert world.synced["churn-train"][1].parameters.keys() == {"beta"}


@pytest.mark.parametrize(
    ("status", "others", "done"),
    [("INACTIVE", ["SchedulesPausing"], []), ("ACTIVE", [], [Remember])],  # a person may wake it all the same
)
def test_a_live_template_that_takes_the_values_no_more_is_for_a_person_to_mend(
    status: str, others: list[str], done: list[type]
) -> None:
    world, todo = World(), wanted("alpha", "beta", lacks="beta")
    settle(world, wanted("alpha"))
    turns(world, todo)
    assert world.synced["churn-train"][1].parameters.keys() == {"alpha", "beta"}
    assert world.schedules[0].status == "INACTIVE"
    world.schedules[0] = replace(world.schedules[0], status=status)
    number = len(world.log)
    for _ in range(3):
        failed, *rest = [hold for plan in turn(world, todo, lambda _: False) for hold in plan.holds]
        assert (failed.reason, failed.mark, failed.subject) == ("BindingInvalid", Mark.FAIL, "nightly")
        assert "beta" in failed.message
        assert [hold.reason for hold in rest] == others
        assert all("the live template does not take the values" in hold.message for hold in rest)
    assert [type(action) for action in world.log[number:]] == done
    settle(world, wanted("alpha", "beta"))
    assert world.schedules[0].status == "ACTIVE"


def test_a_freeze_after_the_push_does_not_outlast_the_live_template() -> None:
    world = on_its_way()
    turns(world, wanted("beta"), 1)
    assert world.files[FILE][1] != world.synced["churn-train"][1] or world.schedules[0].status == "INACTIVE"
    turns(world, wanted("beta", blocked=BLOCK))
    assert world.schedules[0].status == "INACTIVE", "no configuration is created in a freeze"
    turns(world, wanted("beta"))
    assert world.schedules[0].status == "ACTIVE"


def test_a_request_that_is_opened_again_pauses_again_and_a_person_may_wake_it_meanwhile() -> None:
    world = on_its_way()
    world.review = proposed(open_=False)
    turns(world, wanted("beta"))
    world.review = proposed(open_=True)
    turns(world, wanted("beta"), 2)
    assert (world.schedules[0].status, RECORD in world.memory) == ("INACTIVE", True)
    world.schedules[0] = replace(world.schedules[0], status="ACTIVE")
    turns(world, wanted("beta"), 3)
    assert world.schedules[0].status == "ACTIVE", "who sets it ACTIVE during a review has looked at it"
    made = wanted("beta").template.template
    assert made is not None
    world.review, world.files[FILE] = None, (made.data, made.facts)  # merged
    world.refreshed = None
    turns(world, wanted("beta"), 10)
    assert world.schedules[0].status == "ACTIVE"
    assert world.synced["churn-train"][1].parameters.keys() == {"beta"}


def test_a_refused_template_sleeps_only_for_its_tries() -> None:
    world = on_its_way()
    world.refuses = frozenset({"beta"})
    turns(world, wanted("beta"), 8)
    assert (world.schedules[0].status, RECORD in world.memory) == ("ACTIVE", False)
    world.pass_time(3700)  # AI Core gets it once more
    turns(world, wanted("beta"), 3)
    assert (world.schedules[0].status, RECORD in world.memory) == ("INACTIVE", True)
    turns(world, wanted("beta"), 8)
    assert world.schedules[0].status == "ACTIVE", "refused again"
    world.refuses = frozenset()
    world.pass_time(2 * 3700)
    turns(world, wanted("beta"), 12)
    assert world.schedules[0].status == "ACTIVE"
    assert world.synced["churn-train"][1].parameters.keys() == {"beta"}


def test_who_stops_it_while_the_new_one_is_held_is_a_person() -> None:
    world = on_its_way()
    turns(world, wanted("beta", blocked=BLOCK))
    world.schedules[0] = replace(world.schedules[0], status="INACTIVE")
    turns(world, wanted("beta", blocked=BLOCK))
    assert world.schedules[0].status == "INACTIVE"


def test_content_that_comes_back_is_not_scheduled_before_it_is_live() -> None:
    world = World()
    for parameter in ("alpha", "beta", "alpha", "beta"):
        if "churn-train" in world.synced:
            turns(world, wanted(parameter), 12)
        settle(world, wanted(parameter))
        assert [s.status for s in world.schedules] == ["ACTIVE"]
    assert len(world.configurations) == 2
