"""Publish and sync: from a template to a file at the branch head to an executable that AI Core proves to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from aicore_sync.core.actions import Action, PatchSchedule, Plan, Publish, Refresh, Remember, Retract
from aicore_sync.core.application import trouble
from aicore_sync.core.desired import PublishedFile, ScheduleUse, SeenTemplate, Template, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.adoption import adoptable, plan_file
from aicore_sync.core.plan.refusals import failure, not_taken, passes, refuse, standing, while_refused
from aicore_sync.core.plan.registration import plan_registration, shared_source
from aicore_sync.core.plan.review import in_review, noted, withdrawal
from aicore_sync.core.refusals import declined_path, refusal_path
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import ApplicationStatus, Executable

REFRESH_AGAIN = timedelta(seconds=60)


def plan_template(want: WantTemplate, seen: SeenTemplate, now: datetime) -> Plan:
    """What to do for a template. Actions come in the order in which they must be done."""
    if seen.published and not seen.published.ours and adoptable(want, seen.published):
        return plan_file(want, seen) + _sync(want, seen, now)
    if seen.published and not seen.published.ours and (want.template or want.gone):
        contested = Plan(holds=(_contested(seen.published),) if want.template else ())
        return contested + withdrawal(want, seen) + (_forget_notes(want, seen) if want.gone else Plan())
    if want.gone:
        return _retract(want, seen)
    todo = _publish(want, seen, now) + _forget_pauses(want, seen)
    return _unpin(want) + todo + _sync(want, seen, now)


def _unpin(want: WantTemplate) -> Plan:
    if not want.lapsed_pin:
        return Plan()
    why = "is gone" if want.gone else "has moved on"
    words = f"the source of {want.key.executable} {why}, so its rollback ends"
    return Plan((Remember(want.lapsed_pin, None, words),))


def proven_live(seen: SeenTemplate) -> bool:
    """True when AI Core runs the file at the head: its blob at the revision, its entry Synced, its versionId."""
    file = seen.published
    if file is None or file.facts is None or seen.application is None or seen.executable is None:
        return False
    return (
        seen.synced_blob == file.blob
        and _entry_synced(seen.application, file.facts.executable)
        and seen.executable.version_id == file.facts.version
    )


def _entry_synced(application: ApplicationStatus, executable: str) -> bool:
    """Its own entry says so; an answer that lists no entries at all says nothing against it."""
    entry = application.resource(executable)
    return entry.status.lower() == "synced" if entry else not application.resources


def stays(want: WantTemplate, seen: SeenTemplate) -> bool:
    """True when what AI Core runs goes on: it refuses the wanted template, or nothing is at the head, handed over or
    proposed to take the live one's place, and what would be published waits for people or for the end of a freeze.
    """
    template = want.template
    if template and standing(template.facts, seen):
        return True
    if seen.pending or not proven_live(seen):
        return False
    if template is None:
        return any(hold.mark is not Mark.WAIT for hold in want.holds)
    if _is_published(template, seen.published):
        return True
    if seen.review and seen.review.open:
        return False
    closed = seen.review is not None and seen.review.digest == template.facts.template_digest
    held = any(hold.mark is not Mark.WAIT for hold in _held(want, seen))
    return closed or held or seen.taken is not None


def paused_path(want: WantTemplate) -> str:
    """Where the state branch keeps which schedules were paused for the next template."""
    return f"paused/{want.key.tenant}/{want.key.executable}.json"


def _contested(file: PublishedFile) -> Hold:
    return Hold(
        Stage.PUBLISH,
        "Contested",
        f"{file.file} in the repository is not ours (no or another aicore-sync/owner annotation); "
        "remove that file, take it over with `adopt`, or give this flow another executable id",
        mark=Mark.FAIL,
    )


def _retract(want: WantTemplate, seen: SeenTemplate) -> Plan:
    file = seen.published
    if file is None:
        return _withdraw(want, seen)
    if want.removal:
        return Plan(holds=(want.removal,))
    used = _in_use(seen)
    if used:
        return used + (withdrawal(want, seen) if seen.review and seen.review.digest else Plan())
    if seen.pending:
        return _hold("PublishPending", "the removal waits for the next commit", after=10)
    if seen.push_error:
        return Plan(holds=(seen.push_error,))
    if seen.review and not seen.review.digest:
        return noted(want, seen) + in_review(want, seen.review)
    return Plan(actions=(Retract(want.key.tenant, want.key.executable, file.file),))


def _in_use(seen: SeenTemplate) -> Plan:
    """What still runs the template."""
    if seen.schedules:
        names = ", ".join(sorted(use.schedule.name for use in seen.schedules))
        return _hold("StillScheduled", f"the file stays until these schedules are gone: {names}", after=5)
    if seen.executions:
        words = f"the file stays until {seen.executions} running execution(s) or deployment(s) end"
        return _hold("StillRunning", words, after=60)
    return Plan()


def _withdraw(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """What was proposed and never merged is taken out of the open request."""
    withdrawn = withdrawal(want, seen)
    if withdrawn or seen.push_error:
        return withdrawn or Plan(holds=(seen.push_error,) if seen.push_error else ())
    # The executable goes with the next sync: ask for that once, instead of leaving it to AI Core's own rhythm.
    listed = seen.application is not None and seen.application.resource(want.key.executable) is not None
    refresh = (Refresh(want.key.tenant),) if listed and seen.sync_requested is None else ()
    return Plan(refresh) + _unpin(want) + _forget_notes(want, seen)


def _forget_notes(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """What was noted of a template goes after its file, and pauses after the schedules that they tell of."""
    words = f"{want.key.executable} is gone"
    paths = [refusal_path(want.key)] if seen.refusal else []
    paths += [declined_path(want.key)] if seen.declined else []
    paths += [paused_path(want)] if seen.paused is not None and not seen.schedules else []
    return Plan(tuple(Remember(path, None, words) for path in paths))


def _publish(want: WantTemplate, seen: SeenTemplate, now: datetime) -> Plan:
    template = want.template
    if template is None:
        return Plan(holds=want.holds)
    notes = Plan(holds=want.holds)
    published = _is_published(template, seen.published)
    refusal = standing(template.facts, seen)
    if refusal and not (published and proven_live(seen)):
        return notes + while_refused(want, refusal, seen, now)
    firing = [use for use in seen.schedules if not use.accepted and use.schedule.status == "ACTIVE"]
    if published and not _emptied(want, seen):
        # Somebody else may have published it, or set a schedule ACTIVE meanwhile: it is not live yet.
        todo = Plan() if proven_live(seen) else _pauses(want, seen, firing)
        return notes + todo + _forget(want, seen) + withdrawal(want, seen)
    held = _held(want, seen)
    if held:
        return notes + Plan(holds=held)
    if seen.pending:
        return notes + _hold("PublishPending", "handed over, waits for the next commit", after=10)
    if seen.taken:
        return notes + _taken(seen.taken) + withdrawal(want, seen)
    if seen.review and seen.review.digest == template.facts.template_digest:
        # A request that was reopened. What a person sets ACTIVE during a review is left alone.
        late = [use for use in firing if use.schedule.name not in (seen.paused or ())]
        todo = _pauses(want, seen, late if seen.review.open else ()) + noted(want, seen)
        return notes + todo + in_review(want, seen.review)
    if seen.quota and seen.published is None and seen.quota.used >= seen.quota.limit:
        return notes + _quota_exceeded(seen)
    pauses = _pauses(want, seen, firing)
    old = seen.published.file if seen.published and seen.published.file != template.file else ""
    return notes + (pauses or Plan(actions=(Publish(want.key.tenant, template, replaces=old),)))


def _held(want: WantTemplate, seen: SeenTemplate) -> tuple[Hold, ...]:
    """Why a new version cannot even be handed over now."""
    if want.blocked:
        return want.blocked
    if seen.published and seen.published.facts and seen.published.facts.origin in want.unread:
        return _of_an_unread_source(seen.published.facts).holds
    return (seen.push_error,) if seen.push_error else ()


def _is_published(template: Template, file: PublishedFile | None) -> bool:
    if file is None or file.facts is None:
        return False
    return file.file == template.file and file.facts.template_digest == template.facts.template_digest


def _emptied(want: WantTemplate, seen: SeenTemplate) -> frozenset[str]:
    """Retired environments that the file at the head still names though no schedule is left there.

    It is written once more without them: else they would count as orphaned when they leave the configuration.
    """
    if seen.published is None or seen.published.facts is None or want.template is None:
        return frozenset()
    named = want.retired & set(seen.published.facts.environments) - set(want.template.facts.environments)
    return named - {use.environment for use in seen.schedules}


def _of_an_unread_source(facts: PublishedTemplate) -> Plan:
    """Taking a template over from another source is fine once that one surely has it no more."""
    message = (
        f"{facts.executable} was published from source {facts.origin}, which cannot be read now: "
        "whether it still has it is not known"
    )
    return _hold("SourceIncomplete", message, after=60, mark=Mark.FAIL)


def _taken(theirs: Executable) -> Plan:
    """Two applications with one executable: the last that syncs wins, and may delete it with its own file."""
    message = (
        f"AI Core has an executable {theirs.id} in scenario {theirs.scenario} that is not from our application, and "
        "ids are unique in a tenant, so nothing is published; give this flow another executable id, or remove that one"
    )
    return _hold("Contested", message, after=60, mark=Mark.FAIL)


def _quota_exceeded(seen: SeenTemplate) -> Plan:
    assert seen.quota is not None
    stale = f" (stalest of ours: {', '.join(seen.stalest)})" if seen.stalest else ""
    message = (
        f"{seen.quota.used} of {seen.quota.limit} {seen.quota.name} of the tenant are in use or on their way; "
        f"retire a template{stale} or ask SAP for a higher quota"
    )
    return _hold("QuotaExceeded", message, after=60, mark=Mark.FAIL)


def _pauses(want: WantTemplate, seen: SeenTemplate, firing: Sequence[ScheduleUse]) -> Plan:
    """Old schedules must not fire on a template that does not take their bindings: pause first, publish then."""
    if not firing:
        return Plan()
    names = sorted({u.schedule.name for u in firing} | (seen.paused or frozenset()))
    actions: list[Action] = []
    if seen.paused is None or set(names) - seen.paused:
        record = json.dumps({"schedules": names}, sort_keys=True).encode() + b"\n"
        actions.append(Remember(paused_path(want), record, f"pause schedules of {want.key.executable}"))
    actions += [
        PatchSchedule(u.environment, u.schedule.id, u.schedule.name, (("status", "INACTIVE"),))
        for u in firing
    ]
    hold = Hold(
        Stage.PUBLISH,
        "SchedulesPausing",
        f"pausing until re-pointed: {', '.join(names)}",
        after=1.0,  # the list may lag behind the pause
        subject="schedules",
    )
    return Plan(tuple(actions), (hold,))


def _forget(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """Once the template is live, a refusal is history, and so is a no to just this content or to its removal."""
    assert want.template is not None
    over = ("", want.template.facts.template_digest)
    paths = [refusal_path(want.key)] if seen.refusal else []
    paths += [declined_path(want.key)] if seen.declined and seen.declined.digest in over else []
    if not paths or not proven_live(seen):
        return Plan()
    return Plan(tuple(Remember(p, None, f"{want.key.executable} is accepted again") for p in paths))


def _forget_pauses(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """Once all that we paused go on, who stops one is a person again."""
    asleep = {u.schedule.name for u in seen.schedules if u.schedule.status != "ACTIVE"}
    if seen.paused is None or seen.paused & asleep or not stays(want, seen):
        return Plan()
    return Plan((Remember(paused_path(want), None, f"schedules of {want.key.executable} go on"),))


def _sync(want: WantTemplate, seen: SeenTemplate, now: datetime) -> Plan:
    file = seen.published
    if file is None or not file.ours or file.facts is None or proven_live(seen):
        return Plan()
    if want.template and not _is_published(want.template, file) and not seen.refusal:
        return Plan()  # the publish stage speaks; what is at the head is about to be replaced
    if standing(file.facts, seen):
        return Plan()  # the publish stage puts it back
    unregistered = plan_registration(want, seen)
    if unregistered:
        return unregistered
    words = failure(seen, file)
    if words and not passes(words):
        return refuse(want, seen, file, words, now)
    asked = seen.sync_requested
    mark = Mark.FAIL if seen.overdue else Mark.WAIT
    pending = Hold(Stage.SYNC, "SyncPending", _pending_words(seen, file), after=30, mark=mark)
    lacking = not_taken(seen, words) if words else None
    hold = (
        lacking or _cannot_sync(seen) or pending
    )  # what it failed on may be mended by now: ask all the same
    if asked is None or now - asked > REFRESH_AGAIN:
        return Plan((Refresh(want.key.tenant),), (*shared_source(seen), hold))
    return Plan(holds=(*shared_source(seen), hold))


def _cannot_sync(seen: SeenTemplate) -> Hold | None:
    found = trouble(seen.application)
    if found is None:
        return None
    message = f"AI Core cannot sync the application: {found.words}"
    # without a word it may be that the first sync has only begun
    mark = Mark.FAIL if seen.overdue or (seen.application and seen.application.message) else Mark.WAIT
    return Hold(Stage.SYNC, "SyncFailed", message, mark=mark, after=30)


def _pending_words(seen: SeenTemplate, file: PublishedFile) -> str:
    if seen.application is None or not seen.application.revision:
        return "AI Core has not synced the application yet"
    if seen.synced_blob != file.blob:
        return f"AI Core is at revision {seen.application.revision[:8]}, which does not hold our file yet"
    if seen.executable is None:
        return "synced, but the executable is not listed yet"
    expected = file.facts.version if file.facts else ""
    return f"the executable reports version {seen.executable.version_id}, ours is {expected}"


def _hold(reason: str, message: str, *, after: float | None = None, mark: Mark = Mark.WAIT) -> Plan:
    return Plan(holds=(Hold(Stage.PUBLISH, reason, message, after=after, mark=mark),))
