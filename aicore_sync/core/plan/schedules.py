"""Schedule: names stay, everything else is patched. A status that the manifest does not name is left to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from aicore_sync.core.actions import Action, CreateSchedule, DeleteSchedule, PatchSchedule, Plan
from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantFlow, WantSchedule
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.timing import Change, ended, is_over, soonest, time_changes
from aicore_sync.core.template import binding_problems
from aicore_sync.core.world import Schedule

HOUR = timedelta(hours=1)
MOST_REVERTS = 5  # of one field to one value within an hour; after that it is a fight


def schedule_name(owner: str, flow: str, name: str) -> str:
    """`<owner>.<flow>.<name>`, the identity of a schedule."""
    return f"{owner}.{flow}.{name}"


def drop_schedules(want: WantFlow, seen: SeenFlow) -> Plan:
    """Take every owned schedule of the flow away; waits only for the mass-removal brake."""
    if not seen.schedules:
        return Plan()
    if want.removal:
        return Plan(holds=(want.removal,))
    return Plan(tuple(_delete(want, s) for s in seen.schedules))


def plan_schedules(want: WantFlow, seen: SeenFlow, current: Mapping[str, str], now: datetime) -> Plan:
    """`current` maps a configuration's manifest name to the id it has now, where the live template takes it."""
    wanted = {schedule_name(want.owner, want.key.flow, c.name): c for c in want.configurations if c.schedule}
    plan = Plan()
    kept: set[str] = set()
    for schedule in sorted(seen.schedules, key=_age):
        if schedule.name in wanted and schedule.name not in kept:
            kept.add(schedule.name)
            owner = wanted[schedule.name]
            plan += _patch(schedule, owner, want, seen, (current.get(owner.name), now))
        elif not want.keeps or schedule.name in wanted:  # no longer wanted, or a younger duplicate
            plan += Plan((_delete(want, schedule),))
    for name, configuration in wanted.items():
        if name not in kept:
            plan += _create(name, configuration, want, seen, (current.get(configuration.name), now))
    return plan


def _age(schedule: Schedule) -> tuple[bool, float, str]:
    created = schedule.created_at
    return (created is None, created.timestamp() if created else 0.0, schedule.id)


def _delete(want: WantFlow, schedule: Schedule) -> DeleteSchedule:
    return DeleteSchedule(want.key.environment, schedule.id, schedule.name)


def _patch(
    schedule: Schedule,
    owner: WantConfiguration,
    want: WantFlow,
    seen: SeenFlow,
    at: tuple[str | None, datetime],
) -> Plan:
    configuration, now = at
    spec = owner.schedule
    assert spec is not None
    soon = soonest(now, want.policy.settle)
    changes: list[Change] = []
    if configuration is not None and schedule.configuration != configuration:
        changes.append(("configuration", configuration))
    changes += _times(schedule, spec, seen, (now, soon))
    asleep = schedule.name in seen.paused and not spec.suspend and schedule.status != "ACTIVE"
    asleep = asleep and not _may_wake(schedule, configuration, want, seen)
    restore = schedule.name in seen.paused or ended(schedule, spec, now, soon)
    by_itself = schedule.end is not None and schedule.end <= now  # AI Core stops it then
    over = is_over(spec, now)
    status = "" if asleep or (over and by_itself) else _wanted_status(spec, restore=restore, over=over)
    if status and status != schedule.status:
        changes.append(("status", status))
    contested = [hold for change in changes if (hold := _contested(schedule, owner.name, change, seen, now))]
    changes = _without_fights(schedule, changes, seen, now)
    actions: tuple[Action, ...] = ()
    if changes:
        actions = (PatchSchedule(want.key.environment, schedule.id, schedule.name, tuple(changes), soon),)
    notes = _notes(owner, status or schedule.status, asleep=_sleeps(want) if asleep else "", over=over)
    return Plan(actions, (*contested, *notes))


def _times(
    schedule: Schedule, spec: WantSchedule, seen: SeenFlow, at: tuple[datetime, datetime]
) -> list[Change]:
    """`at` is now, and the soonest start. A cron that is fought about brings no new start with it."""
    cron = ("cron", spec.cron)
    if schedule.cron == spec.cron or len(_tries(schedule, cron, seen, at[0])) < MOST_REVERTS:
        return time_changes(schedule, spec, *at)
    return [cron, *time_changes(schedule, replace(spec, cron=schedule.cron), *at)]


def _without_fights(schedule: Schedule, changes: list[Change], seen: SeenFlow, now: datetime) -> list[Change]:
    """Without what others keep changing; AI Core wakes nothing whose end has passed."""
    kept = [change for change in changes if len(_tries(schedule, change, seen, now)) < MOST_REVERTS]
    stays_over = schedule.end is not None and schedule.end <= now and "end" not in dict(kept)
    return [change for change in kept if change != ("status", "ACTIVE") or not stays_over]


def _tries(schedule: Schedule, change: Change, seen: SeenFlow, now: datetime) -> tuple[datetime, ...]:
    """When the field was set to this very value, again and again, within the last hour.

    What we set to something else meanwhile is our own change of mind, and a pause that we made ourselves is no fight.
    """
    field, value = change
    if change == ("status", "ACTIVE") and schedule.name in seen.paused:
        return ()
    last = takewhile(lambda done: done[0] == value, reversed(seen.patched.get((schedule.id, field), ())))
    return tuple(reversed([at for _, at in last if now - at < HOUR]))


def _contested(
    schedule: Schedule, subject: str, change: Change, seen: SeenFlow, now: datetime
) -> Hold | None:
    """Somebody keeps changing a field that the manifest names: that is for people to settle, not a war to win."""
    tries = _tries(schedule, change, seen, now)
    if len(tries) < MOST_REVERTS:
        return None
    field, wait = change[0], (tries[-MOST_REVERTS] + HOUR - now).total_seconds()
    message = (
        f"{field} of schedule {schedule.name} was set back {len(tries)} times within an hour and is changed again and "
        f"again by somebody else; leave {field} out of the manifest, or find who changes it"
    )
    return Hold(Stage.SCHEDULE, "Contested", message, subject, after=wait, mark=Mark.FAIL)


def _may_wake(schedule: Schedule, configuration: str | None, want: WantFlow, seen: SeenFlow) -> bool:
    """Whether what runs takes the bindings, and nothing else is about to take its place."""
    if configuration is not None and not want.template_holds:
        return True
    if not want.template_stays:
        return False
    points_at = configuration or schedule.configuration  # what is live goes on, and so does what runs it
    bound = next((c for c in seen.configurations if c.id == points_at), None)
    return bool(bound and seen.live and not binding_problems(seen.live, bound.parameters, bound.inputs))


def _wanted_status(spec: WantSchedule, *, restore: bool, over: bool) -> str:
    """ "" where the status is not ours: the manifest says nothing, and neither we nor its own end made it sleep."""
    if over or spec.suspend:
        return "INACTIVE"
    return "ACTIVE" if restore or spec.suspend is False else ""


def _sleeps(want: WantFlow) -> str:
    """Why one that we paused sleeps on."""
    if want.template_holds:
        return (
            "paused by aicore-sync, because a template that is on its way does not take the values that it runs with; "
            "goes on when that template is live with a new configuration, or is given up"
        )
    return (
        "paused by aicore-sync, because the live template does not take the values that it runs with; "
        "goes on with a configuration that fits"
    )


def _notes(owner: WantConfiguration, status: str, *, asleep: str, over: bool) -> tuple[Hold, ...]:
    if over:
        return (_over(owner),)
    if asleep:
        return (Hold(Stage.SCHEDULE, "SchedulesPausing", asleep, owner.name),)
    if status == "INACTIVE":
        suspended = owner.schedule and owner.schedule.suspend
        who = "the manifest says suspend: true" if suspended else "stopped in AI Core"
        return (Hold(Stage.SCHEDULE, "Suspended", who, owner.name, mark=Mark.OFF),)
    return ()


def _over(owner: WantConfiguration, words: str = "its end has passed") -> Hold:
    return Hold(Stage.SCHEDULE, "Expired", words, owner.name, mark=Mark.OFF)


def _create(
    name: str, owner: WantConfiguration, want: WantFlow, seen: SeenFlow, at: tuple[str | None, datetime]
) -> Plan:
    configuration, now = at
    spec = owner.schedule
    assert spec is not None
    settle = timedelta(seconds=want.policy.settle)
    if is_over(spec, now):
        return Plan(holds=(_over(owner),))
    if configuration is None:
        return Plan(
            holds=(Hold(Stage.SCHEDULE, "ConfigurationPending", "waits for its configuration", owner.name),)
        )
    written = seen.recent.get(name)
    for until in (seen.settled_at, written + settle if written else None):
        if until and now < until:
            message = "waits after a start, take-over or write until lists are trustworthy"
            wait = (until - now).total_seconds()
            return Plan(holds=(Hold(Stage.SCHEDULE, "Settling", message, owner.name, after=wait),))
    soon = soonest(now, want.policy.settle)
    start = max(soon, spec.start) if spec.start else soon
    if spec.end and spec.end <= start:
        return Plan(holds=(_over(owner, "its end comes before it could begin"),))
    return Plan((CreateSchedule(want.key, name, configuration, spec.cron, start, spec.end),))
