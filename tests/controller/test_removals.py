"""The mass-removal brake: what counts, what a confirmation allows, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aicore_sync.controller.estate import Limits
from aicore_sync.controller.removals import Presence, Removals
from aicore_sync.core.parts import Inhabitants, Part

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOBODY: frozenset[Part] = frozenset()
NOTHING: frozenset[str] = frozenset()


def names(*numbers: int) -> frozenset[Part]:
    return frozenset(whole(f"flow-{n}") for n in numbers)


def whole(flow: str) -> Part:
    return Part(flow, "default")


def test_a_part_is_called_as_people_write_it() -> None:
    assert str(Part("train", "demo", "schedule main")) == "train/demo schedule main"
    assert str(Part("train", "train@demo")) == "train@demo"
    assert str(Part("train")) == "train"


def test_a_few_go_and_many_wait() -> None:
    flows = Inhabitants(names(*range(3, 20)), names(*range(20)), NOBODY)
    assert Removals(Limits()).brake(whole("flow-0"), flows, NOTHING, NOW) is None
    flows = Inhabitants(names(*range(7, 20)), names(*range(20)), NOBODY)
    hold = Removals(Limits()).brake(whole("flow-0"), flows, NOTHING, NOW)
    assert hold
    assert "7 of 20 flows" in hold.message


def test_what_left_the_source_counts_before_any_list_shows_it() -> None:
    flows = Inhabitants(names(4), NOBODY, names(0, 1, 2, 3))
    assert Removals(Limits()).brake(whole("flow-0"), flows, NOTHING, NOW)


def test_the_last_flow_never_goes_unasked() -> None:
    assert Removals(Limits()).brake(whole("flow-0"), Inhabitants(NOBODY, names(0), NOBODY), NOTHING, NOW)


def test_an_hour_of_single_removals_counts_together() -> None:
    removals, here = Removals(Limits()), names(*range(4, 10))
    for number in range(3):
        flow = whole(f"flow-{number}")
        at = NOW + timedelta(minutes=number)
        assert removals.brake(flow, Inhabitants(here, here | {flow}, NOBODY), NOTHING, at) is None
        removals.done(flow, at)
    flows = Inhabitants(here, here | {whole("flow-3")}, NOBODY)
    assert removals.brake(whole("flow-3"), flows, NOTHING, NOW + timedelta(minutes=5))
    assert removals.brake(whole("flow-3"), flows, NOTHING, NOW + timedelta(minutes=70)) is None


def test_a_new_configuration_lets_go_of_no_brake() -> None:
    removals, here = Removals(Limits()), names(*range(4, 10))
    for number in range(3):
        removals.done(whole(f"flow-{number}"), NOW)
    flows = Inhabitants(here, here | {whole("flow-3")}, NOBODY)
    assert removals.brake(whole("flow-3"), flows, NOTHING, NOW)
    after = Removals(Limits(), removals.memory.braked())
    hold = after.brake(whole("flow-3"), flows, NOTHING, NOW)
    assert hold
    assert after.brake(whole("flow-3"), flows, frozenset({hold.fingerprint}), NOW) is None
    again = Removals(Limits(), after.memory.braked())
    assert again.brake(whole("flow-3"), flows, NOTHING, NOW) is None, "what was confirmed is carried out"


def test_a_confirmation_allows_exactly_what_it_names_until_all_of_it_is_gone() -> None:
    removals, here, all_ = Removals(Limits()), names(5, 6), names(*range(7))
    hold = removals.brake(whole("flow-0"), Inhabitants(here, all_, NOBODY), NOTHING, NOW)
    assert hold
    confirmed = frozenset({hold.fingerprint})
    for number in range(5):
        flow = whole(f"flow-{number}")
        assert removals.brake(flow, Inhabitants(here, all_, NOBODY), confirmed, NOW) is None
        removals.done(flow, NOW)
    now_here = names(6)
    assert removals.brake(whole("flow-5"), Inhabitants(now_here, all_, NOBODY), confirmed, NOW), (
        "this one is new"
    )


def test_two_processes_come_to_one_fingerprint() -> None:
    seen = Removals(Limits()).brake(
        whole("flow-0"), Inhabitants(names(6), names(*range(7)), NOBODY), NOTHING, NOW
    )
    lost = Removals(Limits()).brake(
        whole("flow-3"), Inhabitants(names(6), NOBODY, names(*range(6))), NOTHING, NOW
    )
    assert seen
    assert lost
    assert seen.fingerprint == lost.fingerprint


def test_gone_is_missed_by_two_complete_scans_apart() -> None:
    presence = Presence()
    presence.saw(names(0, 1), NOW)
    presence.saw(names(1), NOW + timedelta(seconds=10))
    assert presence.missing_for(whole("flow-0")) == timedelta(0)
    presence.saw(names(1), NOW + timedelta(seconds=70))
    assert presence.missing_for(whole("flow-0")) == timedelta(seconds=60)
    presence.saw(names(0, 1), NOW + timedelta(seconds=80))
    presence.saw(names(1), NOW + timedelta(seconds=90))
    assert presence.missing_for(whole("flow-0")) == timedelta(0), "it was there again"


def parts_of(*numbers: int) -> frozenset[Part]:
    return frozenset(Part(f"flow-{n}", "default", "schedule main") for n in numbers)


VANISHED = [
    pytest.param(names(*range(8)), False, id="every manifest is empty"),
    pytest.param(names(*range(8)) | parts_of(*range(6)), True, id="two schedules vanish"),
    pytest.param(names(*range(8)) | parts_of(*range(4)), False, id="four of eight schedules vanish"),
    pytest.param(frozenset(map(Part, (f"flow-{n}" for n in range(8)))), False, id="no environment is left"),
    pytest.param(names(*range(5)) | parts_of(*range(5)), True, id="three environments vanish"),
]


@pytest.mark.parametrize(("here", "goes"), VANISHED)
@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_present_flow_loses_counts_like_a_flow(
    here: frozenset[Part], goes: bool, restarted: bool
) -> None:
    before = names(*range(8)) | parts_of(*range(8))
    flows = Inhabitants(here, parts_of(*range(8)), NOBODY if restarted else before - here)
    hold = Removals(Limits()).brake(Part("flow-7", "default", "schedule main"), flows, NOTHING, NOW)
    assert (hold is None) == goes


def test_the_only_schedule_of_the_only_flow_never_goes_unasked() -> None:
    schedule = Part("flow-0", "default", "schedule main")
    flows = Inhabitants(names(0), frozenset({schedule}), NOBODY)
    assert Removals(Limits()).brake(schedule, flows, NOTHING, NOW)
    other = Part("flow-0", "default", "schedule other")
    flows = Inhabitants(names(0) | {other}, frozenset({schedule, other}), NOBODY)
    assert Removals(Limits()).brake(schedule, flows, NOTHING, NOW) is None


def test_a_confirmed_schedule_says_nothing_about_the_next_one() -> None:
    removals, here = Removals(Limits()), names(0)
    first, second = (Part("flow-0", "default", f"schedule {name}") for name in ("a", "b"))
    hold = removals.brake(first, Inhabitants(here, frozenset({first}), NOBODY), NOTHING, NOW)
    assert hold
    confirmed = frozenset({hold.fingerprint})
    assert removals.brake(first, Inhabitants(here, frozenset({first}), NOBODY), confirmed, NOW) is None
    both = Inhabitants(here, frozenset({first, second}), NOBODY)
    assert removals.brake(second, both, confirmed, NOW)
    assert removals.brake(first, both, confirmed, NOW) is None


def test_a_part_of_a_present_flow_is_gone_by_its_own_time() -> None:
    presence, schedule = Presence(), Part("flow-0", "default", "schedule main")
    presence.saw(names(0) | {schedule}, NOW)
    presence.saw(names(0), NOW + timedelta(hours=1))
    assert presence.missing_for(schedule) == timedelta(0), "not the age of its flow"
    presence.saw(names(0), NOW + timedelta(hours=1, seconds=60))
    assert presence.missing_for(schedule) == timedelta(seconds=60)
    presence.forget("flow-0", "default")
    assert not presence.missing_since
