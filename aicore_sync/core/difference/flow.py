"""What would differ in AI Core for a flow in an environment: configurations, schedules, artifacts, runs.

Unlike a plan this looks through what has not happened yet: a template that waits to be published hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantFlow, WantSchedule
from aicore_sync.core.difference.change import Change, from_to, shown
from aicore_sync.core.plan.flows import Bound, bound_configurations, current_configurations, find_artifact
from aicore_sync.core.plan.schedules import schedule_name
from aicore_sync.core.plan.timing import NEVER, ended, is_over, soonest, time_changes
from aicore_sync.core.world import Configuration, Schedule


def flow_changes(want: WantFlow, seen: SeenFlow, now: datetime) -> tuple[Change, ...]:
    """The changes that the source asks for, against what AI Core has."""
    if not want.targeted:
        return () if want.desire_holds else tuple(_unschedule(s) for s in seen.schedules)
    return (*_artifacts(want, seen), *_configurations(want, seen), *_schedules(want, seen, now))


def _artifacts(want: WantFlow, seen: SeenFlow) -> Iterator[Change]:
    for wanted in want.artifacts:
        if find_artifact(want, seen.artifacts, wanted) is None:
            yield Change(f"artifact {wanted.name}", f"new, {wanted.kind} {wanted.url}", "added")


def _configurations(want: WantFlow, seen: SeenFlow) -> Iterator[Change]:
    bound = bound_configurations(want, seen)
    for wanted in want.configurations:
        subject, before = f"configuration {wanted.name}", _newest(wanted, want, seen)
        if before is None:
            yield Change(subject, _described(wanted), "added")
        elif wanted.name not in bound or bound[wanted.name].existing is None:
            yield from (Change(subject, what) for what in _rebound(wanted, before, bound.get(wanted.name)))
        if before and _new_content(wanted, want, seen):
            yield Change(subject, "runs once with the new content")


def _new_content(wanted: WantConfiguration, want: WantFlow, seen: SeenFlow) -> bool:
    """Whether the coming template makes a `run: onChange` configuration run."""
    if wanted.run != "onChange" or not want.template_holds or not want.coming_run or seen.live is None:
        return False
    return want.coming_run != seen.live.run_digest


def _newest(wanted: WantConfiguration, want: WantFlow, seen: SeenFlow) -> Configuration | None:
    prefix = f"{schedule_name(want.owner, want.key.flow, wanted.name)}."
    found = [c for c in seen.configurations if c.name.startswith(prefix)]
    return max(found, key=lambda c: (c.created_at.timestamp() if c.created_at else 0.0, c.id), default=None)


def _described(wanted: WantConfiguration) -> str:
    values = ", ".join(f"{name} {shown(value)}" for name, value in wanted.parameters)
    return f"new, {values}" if values else "new"


def _rebound(wanted: WantConfiguration, before: Configuration, bound: Bound | None) -> Iterator[str]:
    yield from _values(before.parameters, dict(wanted.parameters))
    yield from _inputs(before, wanted)
    for name, artifact in bound.inputs if bound else ():
        if before.inputs.get(name, artifact) != artifact:
            yield from_to(f"input {name}", before.inputs[name], artifact)


def _values(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"{name} {shown(before[name])} → the template's default"
        elif name not in before:
            yield f"{name} the template's default → {shown(after[name])}"
        elif before[name] != after[name]:
            yield from_to(name, before[name], after[name])


def _inputs(before: Configuration, wanted: WantConfiguration) -> Iterator[str]:
    names = {name for name, _ in wanted.inputs}
    yield from (f"+ input {name}" for name in sorted(names - before.inputs.keys()))
    yield from (f"− input {name}" for name in sorted(before.inputs.keys() - names))


def _schedules(want: WantFlow, seen: SeenFlow, now: datetime) -> Iterator[Change]:
    current = current_configurations(want, seen)
    there = {s.name: s for s in sorted(seen.schedules, key=_age, reverse=True)}
    wanted = {schedule_name(want.owner, want.key.flow, c.name): c for c in want.configurations if c.schedule}
    for name, configuration in wanted.items():
        spec = configuration.schedule
        assert spec is not None
        if name not in there:
            yield Change(f"schedule {configuration.name}", f"new, {spec.cron} UTC", "added")
            continue
        found = current.get(configuration.name)
        pointed = found is not None and there[name].configuration == found.id
        moves = not pointed or _new_content(configuration, want, seen)
        if moves:
            yield Change(f"schedule {configuration.name}", "re-pointed")
        for what in _patched(there[name], spec, now, soonest(now, want.policy.settle)):
            yield Change(f"schedule {configuration.name}", what)
    if not want.keep_schedules:
        yield from (_unschedule(s) for name, s in there.items() if name not in wanted)


def _patched(before: Schedule, after: WantSchedule, now: datetime, soon: datetime) -> Iterator[str]:
    over = is_over(after, now)
    for field, value in () if over else time_changes(before, after, now, soon):
        if field == "cron":
            yield from_to(field, before.cron, value)
        elif field == "end":
            yield from_to(field, before.end, None if value == NEVER else value)
        elif field == "start" and value != soon:
            yield from_to(field, before.start, value)
        elif field == "start" and before.start and before.start > soon:  # else it only goes with another cron
            yield from_to(field, before.start, "at once")
    awake = before.status == "ACTIVE"
    if awake and (over or after.suspend):
        yield "its end has passed" if over else "suspended"
    elif (
        not awake
        and not over
        and (after.suspend is False or (not after.suspend and ended(before, after, now, soon)))
    ):
        yield "resumed"


def _unschedule(schedule: Schedule) -> Change:
    return Change(f"schedule {schedule.name.rpartition('.')[2]}", "deleted", "removed")


def _age(schedule: Schedule) -> float:
    return schedule.created_at.timestamp() if schedule.created_at else 0.0
