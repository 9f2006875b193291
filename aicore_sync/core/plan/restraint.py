"""Suspended and frozen: nothing is created, pointed elsewhere or started; what the manifest takes away still goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from aicore_sync.core.actions import (
    Action,
    CreateArtifact,
    CreateConfiguration,
    CreateSchedule,
    PatchSchedule,
    PauseForeign,
    Plan,
    StartDeployment,
    StartExecution,
    UpdateDeployment,
)
from aicore_sync.core.desired import WantFlow
from aicore_sync.core.model import Hold, Mark

FROZEN = "Frozen"  # shown only where it holds something back: nightly windows are no news
# Waits that nothing ends before the block does; a run under way is none of them.
_WAITS = frozenset(
    {"ExecutableMissing", "ArtifactPending", "ConfigurationPending", "UpstreamMissing", "RunHeld", "Settling"}
)
# What waking takes: the configuration that the live template accepts, and an end that lies ahead.
_WAKING = ("configuration", "end", "status")
# What the manifest's end takes: without an end in AI Core it would later look stopped by a person.
_ENDING = ("start", "end", "status")


def restrained(plan: Plan, want: WantFlow, asleep: frozenset[str] = frozenset()) -> Plan:
    """The plan with what must not be done now taken out, and what waits for the block saying so.

    `asleep` are schedules that we paused ourselves on the way to something: they are not left so for the whole block.
    """
    if want.unfit:
        plan = _without_new_schedules(plan, want.unfit[0])
    block = next(iter((*want.blocked, *_blocks_of_the_template(want))), None)
    if block is None:
        return plan
    kept = [(action, _reduced(action, asleep) if want.blocked else action) for action in plan.actions]
    withheld = [replace(block, stage=action.stage) for action, now in kept if now != action]
    holds = [_said(hold, block) for hold in plan.holds] + withheld
    if want.blocked and block.reason != FROZEN and not any(h.reason == block.reason for h in holds):
        holds.append(block)
    return Plan(tuple(now for _, now in kept if now), tuple(_each_once(holds)))


def _without_new_schedules(plan: Plan, unfit: Hold) -> Plan:
    """A new schedule would only make stuck runs; one that is there already stays as its manifest says."""
    kept = tuple(action for action in plan.actions if not isinstance(action, CreateSchedule))
    if len(kept) == len(plan.actions):
        return plan
    return Plan(kept, (*plan.holds, replace(unfit, stage=CreateSchedule.stage)))


def _blocks_of_the_template(want: WantFlow) -> tuple[Hold, ...]:
    """Another environment that shares the template is suspended or frozen."""
    return tuple(hold for hold in want.template_holds if hold.mark is Mark.OFF)


def _reduced(action: Action, asleep: frozenset[str]) -> Action | None:
    """What of an action only takes away, or wakes what we put to sleep."""
    match action:
        case CreateArtifact() | CreateConfiguration() | CreateSchedule() | StartExecution():
            return None
        case StartDeployment() | UpdateDeployment() | PauseForeign():
            return None
        case PatchSchedule(name=name, changes=changes) if name in asleep and ("status", "ACTIVE") in changes:
            return replace(action, changes=tuple(change for change in changes if change[0] in _WAKING))
        case PatchSchedule(changes=changes, soon=soon) if {("end", soon), ("status", "INACTIVE")} <= {
            *changes
        }:
            return replace(action, changes=tuple(change for change in changes if change[0] in _ENDING))
        case PatchSchedule(changes=changes):
            less = tuple(change for change in changes if change == ("status", "INACTIVE"))
            return replace(action, changes=less) if less else None
    return action


def _said(hold: Hold, block: Hold) -> Hold:
    if hold.mark is not Mark.WAIT or hold.reason not in _WAITS:
        return hold
    return replace(block, stage=hold.stage, subject=hold.subject)


def _each_once(holds: Iterable[Hold]) -> Iterable[Hold]:
    return dict.fromkeys(holds)
