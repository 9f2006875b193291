"""Taking over without a gap: our annotations first and alone; our schedules asleep, the old ones asleep, ours awake.

Which of ours sleep for this is a record on the state branch, so a restart goes on where it was. The old schedules are
never deleted: setting them ACTIVE again undoes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from aicore_sync.core.actions import PauseForeign, Plan, Publish, Remember
from aicore_sync.core.adoption import ForeignSchedule, adopting_path, annotated
from aicore_sync.core.cron import CronError, normalise
from aicore_sync.core.desired import (
    PublishedFile,
    SeenFlow,
    SeenTemplate,
    WantConfiguration,
    WantFlow,
    WantSchedule,
    WantTemplate,
)
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.review import in_review

_AS_FOUND = "is as it was found; it is taken over with the first change, or without `takeOver: onChange`"


# --- the template file ---


def adoptable(want: WantTemplate, file: PublishedFile) -> bool:
    """True for the very file that the manifest names, as long as it is nobody's."""
    facts = file.facts
    named = want.adopt is not None and want.adopt.file == file.file
    return named and facts is not None and not facts.owner and facts.executable == want.key.executable


def as_found(want: WantTemplate, file: PublishedFile) -> bool:
    """True while a file that is not ours may stay as it is: the source has not changed it."""
    lazy = want.adopt is not None and want.adopt.on_change and adoptable(want, file)
    same = {want.template.facts.template_digest, want.template.original} if want.template else set()
    return lazy and file.facts is not None and file.facts.template_digest in same


def plan_file(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """Put our annotations on a file that people made, in a commit that changes nothing else of it."""
    file, template = seen.published, want.template
    assert file is not None
    if template is None:
        return Plan(holds=want.holds)
    if as_found(want, file):
        hold = Hold(Stage.PUBLISH, "AsFound", f"{file.file} {_AS_FOUND}", mark=Mark.OFF)
        return Plan(holds=(*want.holds, hold))
    if want.blocked:
        return Plan(holds=(*want.holds, *want.blocked))
    if seen.push_error:
        return Plan(holds=(*want.holds, seen.push_error))
    if seen.pending:
        hold = Hold(Stage.PUBLISH, "PublishPending", "the annotations wait for the next commit", after=10)
        return Plan(holds=(*want.holds, hold))
    if seen.review and file.facts and seen.review.digest == file.facts.template_digest:
        return Plan(holds=want.holds) + in_review(want, seen.review)
    data = annotated(file.data, file.file, template.facts)
    marked = replace(template, file=file.file, data=data, uploads=(), note=f"adopt {file.file}")
    return Plan((Publish(want.key.tenant, marked, adopt=True),), want.holds)


# --- schedules ---


@dataclass(frozen=True)
class Takeover:
    """A step of taking schedules over: what is done first, and what the flow wants meanwhile. `rests`: nothing else."""

    want: WantFlow
    plan: Plan = field(default_factory=Plan)
    rests: bool = False


def takeover(want: WantFlow, seen: SeenFlow) -> Takeover:
    """The next step; without anything to take over the flow wants what it wants."""
    if want.adopt is None:
        return Takeover(want)
    untouched = seen.adopting is None and not seen.schedules
    if want.adopt.on_change and untouched and not want.artifacts:
        if seen.live is None or want.template_holds:
            words = "whether anything differs from what was found is known when the template is proven live"
            hold = Hold(Stage.SCHEDULE, "Adopting", words, "adopt", after=10)
            return Takeover(want, Plan(holds=(*want.desire_holds, hold)), rests=True)
        if not seen.live.owner and _equal(want, _theirs(want, seen)):
            hold = Hold(Stage.SCHEDULE, "AsFound", f"everything {_AS_FOUND}", "adopt", mark=Mark.OFF)
            return Takeover(want, Plan(holds=(*want.desire_holds, hold)), rests=True)
    awake = [f for f in _theirs(want, seen) if f.schedule.status == "ACTIVE"]
    return _switch(want, seen, awake) if awake else _wake(want, seen)


def foreign_schedules(want: WantFlow, seen: SeenFlow) -> Plan:
    """A schedule of somebody else that runs our template is no fault, but worth a word."""
    ours = want.adopt.schedules if want.adopt else frozenset()
    strange = [f.schedule for f in seen.foreign if f.schedule.id not in ours]
    names = ", ".join(sorted(f"{s.name} ({s.id}, {s.cron})" for s in strange if s.status == "ACTIVE"))
    if not names:
        return Plan()
    words = (
        f"runs our template by a schedule that is not ours: {names}; take it over with `adopt`, or stop it"
    )
    return Plan(holds=(Hold(Stage.SCHEDULE, "ForeignSchedule", words, "somebody else", mark=Mark.OFF),))


def _theirs(want: WantFlow, seen: SeenFlow) -> list[ForeignSchedule]:
    named = want.adopt.schedules if want.adopt else frozenset()
    return [f for f in seen.foreign if f.schedule.id in named]


def _switch(want: WantFlow, seen: SeenFlow, awake: Sequence[ForeignSchedule]) -> Takeover:
    """The old ones fire: ours sleep, and the old ones are put to sleep as soon as all of ours are there and do."""
    asleep = _with_status(want, suspend=True)
    names = _names(want)
    if seen.adopting is None:
        record = json.dumps({"schedules": names}).encode() + b"\n"
        note = f"{want.key} takes over {len(awake)} schedules"
        return Takeover(asleep, Plan((Remember(_path(want), record, note),)))
    sleeping = {s.name for s in seen.schedules if s.status == "INACTIVE"}
    if sleeping >= set(names):
        pauses = (PauseForeign(want.key, f.schedule.id, f.schedule.name, want.executable) for f in awake)
        return Takeover(asleep, Plan(tuple(pauses)))
    words = "the old schedules go on until ours are there and asleep"
    return Takeover(asleep, Plan(holds=(Hold(Stage.SCHEDULE, "Adopting", words, "adopt", after=5),)))


def _wake(want: WantFlow, seen: SeenFlow) -> Takeover:
    """The old ones sleep. Ours that we put to sleep wake; then the record has done its duty."""
    if seen.adopting is None:
        return Takeover(want)
    status = {s.name: s.status for s in seen.schedules}
    due = [
        name
        for name, spec in _specs(want).items()
        if not spec.suspend and status.get(name, "INACTIVE") != "ACTIVE"
    ]
    if due:
        return Takeover(_with_status(want, suspend=False))
    return Takeover(want, Plan((Remember(_path(want), None, f"{want.key} has taken its schedules over"),)))


def _path(want: WantFlow) -> str:
    return adopting_path(want.tenant, want.executable, want.key.environment)


def _specs(want: WantFlow) -> dict[str, WantSchedule]:
    named = ((f"{want.owner}.{want.key.flow}.{c.name}", c.schedule) for c in want.configurations)
    return {name: spec for name, spec in named if spec}


def _names(want: WantFlow) -> list[str]:
    return sorted(_specs(want))


def _with_status(want: WantFlow, *, suspend: bool) -> WantFlow:
    """Schedules all asleep, or awake where the manifest does not say otherwise."""

    def changed(configuration: WantConfiguration) -> WantConfiguration:
        spec = configuration.schedule
        if spec is None or (spec.suspend and not suspend):
            return configuration
        return replace(configuration, schedule=replace(spec, suspend=suspend))

    return replace(want, configurations=tuple(map(changed, want.configurations)))


def _equal(want: WantFlow, theirs: Iterable[ForeignSchedule]) -> bool:
    """Whether what the manifest schedules is what people have scheduled, and it starts nothing by itself."""
    if any(c.run == "onChange" or c.deployment for c in want.configurations):
        return False
    wanted = [_wanted(c, c.schedule) for c in want.configurations if c.schedule]
    return sorted(wanted) == sorted(schedule_content(f) for f in theirs)


def _wanted(configuration: WantConfiguration, spec: WantSchedule) -> str:
    inputs = sorted((key, getattr(ref, "id", str(ref))) for key, ref in configuration.inputs)
    return repr((spec.cron, bool(spec.suspend), sorted(configuration.parameters), inputs, str(spec.end)))


def schedule_content(foreign: ForeignSchedule) -> str:
    """What a schedule does, as text: equal for two that do the same."""
    schedule, bound = foreign.schedule, foreign.configuration
    try:
        cron = normalise(schedule.cron)
    except CronError:
        cron = schedule.cron
    asleep, end = schedule.status != "ACTIVE", str(schedule.end)
    return repr((cron, asleep, sorted(bound.parameters.items()), sorted(bound.inputs.items()), end))
