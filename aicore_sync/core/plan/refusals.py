"""A template that AI Core does not take: put back to its last good version, and tried again later.

What AI Core's words say passes by itself (a quota, an outage) condemns nothing: the file stays, and AI Core is asked
again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from aicore_sync.core.actions import Plan, Publish, Remember, Retract
from aicore_sync.core.desired import PublishedFile, SeenTemplate, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.review import in_review
from aicore_sync.core.refusals import Refusal, refusal_path, refused
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import ApplicationStatus

_FAILED = ("fail", "error", "degraded", "invalid")
_QUOTA = re.compile(r"quota", re.IGNORECASE)
_PASSES = re.compile(
    r"timed out|(i/o|request|gateway|handshake) timeout|timeout (exceeded|awaiting|expired)|context deadline exceeded"
    r"|(service|server|temporarily|currently) (is )?unavailable|connection (refused|reset)|no such host|unexpected EOF"
    r"|too many requests|rate limit|try again|internal (server )?error|the object has been modified|leader changed",
    re.IGNORECASE,
)


def failure(seen: SeenTemplate, file: PublishedFile) -> str:
    """AI Core's words when it did not take exactly what we published, else ""."""
    app, before = seen.application, seen.refusal
    if app is None or file.facts is None:
        return ""
    again = before if before and before.again else None
    if again and not _since(again.at, app):
        return ""  # it speaks of the try before
    if seen.file_error and not app.revision and (before is None or again):
        return seen.file_error  # a failed sync may not say of which revision it speaks
    if seen.synced_blob != file.blob:
        return ""  # it speaks of an older file
    if seen.file_error:
        return seen.file_error
    entry = app.resource(file.facts.executable)
    if entry and any(word in entry.status.lower() for word in _FAILED):
        return entry.message or f"its entry is {entry.status}"
    return ""


def _since(at: datetime, app: ApplicationStatus) -> bool:
    return app.finished_at is None or app.finished_at >= at


def passes(words: str) -> bool:
    """Whether the reason is one that goes by itself, and nothing is wrong with the template."""
    return bool(_QUOTA.search(words) or _PASSES.search(words))


def not_taken(seen: SeenTemplate, words: str) -> Hold:
    """The file stays where it is: AI Core takes it when what it lacks is there."""
    if _QUOTA.search(words):
        message = f"AI Core has no place for it: {words}; retire something, or ask SAP for a higher quota"
        return Hold(Stage.SYNC, "QuotaExceeded", message, after=30, mark=Mark.FAIL)
    mark = Mark.FAIL if seen.overdue else Mark.WAIT
    message = f"AI Core could not take it now: {words}; it is asked again"
    return Hold(Stage.SYNC, "SyncFailed", message, after=30, mark=mark)


def refuse(want: WantTemplate, seen: SeenTemplate, file: PublishedFile, words: str, now: datetime) -> Plan:
    """Remember that AI Core refused it; the next pass puts it back."""
    assert file.facts is not None
    refusal = refused(file.facts.template_digest, words, seen.refusal, now)
    remember = Remember(refusal_path(want.key), refusal.encoded(), f"AI Core refused {want.key.executable}")
    return Plan((remember,), (_hold(want, refusal),))


def standing(facts: PublishedTemplate, seen: SeenTemplate) -> Refusal | None:
    """The refusal of just this content that stands in its way."""
    found = seen.refusal
    same = found is not None and found.template_digest == facts.template_digest
    return found if found and same and not found.again else None


def while_refused(want: WantTemplate, refusal: Refusal, seen: SeenTemplate, now: datetime) -> Plan:
    """Put it back, or try once more when it is time."""
    if now >= refusal.due and not seen.pending:
        words = f"AI Core gets {want.key.executable} once more"
        return Plan((Remember(refusal_path(want.key), refusal.retried(now).encoded(), words),))
    return _put_back(want, refusal, seen)


def _put_back(want: WantTemplate, refusal: Refusal, seen: SeenTemplate) -> Plan:
    hold = _hold(want, refusal)
    file = seen.published
    assert want.template is not None
    if file is None or file.facts is None or file.facts.template_digest != refusal.template_digest:
        return Plan(holds=(hold,))
    if seen.pending:
        return Plan(
            holds=(hold, Hold(Stage.PUBLISH, "PublishPending", "the last good version goes back", after=10))
        )
    if seen.push_error:
        return Plan(holds=(hold, seen.push_error))
    if seen.review and seen.review.digest != refusal.template_digest:
        return Plan(holds=(hold, *in_review(want, seen.review).holds))
    if refusal.previous is None:
        return Plan((Retract(want.key.tenant, want.key.executable, file.file),), (hold,))
    old = replace(want.template, data=refusal.previous, uploads=())
    return Plan((Publish(want.key.tenant, old, restore=True),), (hold,))


def _hold(want: WantTemplate, refusal: Refusal) -> Hold:
    message = (
        f"AI Core refused this version: {refusal.message}; its last good version stays live, correct the template. "
        f"It is tried again at {refusal.due:%Y-%m-%d %H:%M} UTC, or at once with: "
        f"aicore-sync sync {want.key.executable}"
    )
    return Hold(Stage.SYNC, "SyncFailed", message, mark=Mark.FAIL)
