"""What happened: events, and what one publication changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from aicore_sync.core.chronicle import Event, Publication
from aicore_sync.core.difference import joined, template_changes, text_changes
from aicore_sync.store import EventQuery
from aicore_sync.web.pages.render import Frame, render

MOST_LINES = 3000


def events_page(
    events: Sequence[Event], query: EventQuery, there: Callable[[str, str], bool], frame: Frame
) -> str:
    """Events, newest first, with a link to older ones when there may be some; `there` tells which flows have a page."""
    asked = {"q": query.text, "flow": query.flow, "mark": query.mark.value if query.mark else ""}
    kept = {name: value for name, value in asked.items() if value}
    more = {"before": events[-1].id} if len(events) == query.limit else {}
    older = f"/events?{urlencode(kept | more)}" if more else ""
    turn = f"/events?{urlencode(kept | ({'refresh': 'off'} if frame.refresh else {}))}"
    shown = sorted(events, key=lambda event: (event.at, event.id), reverse=True)
    return render("events.html", frame, turn=turn, events=shown, query=query, older=older, there=there)


def publication_page(now: Publication, before: Publication | None, frame: Frame) -> str:
    """One publication against the one before it: in words, and line by line."""
    old, new = (before.document or None) if before else None, now.document or None
    raw = text_changes(old, new, f"wt-{now.executable}").splitlines()[:MOST_LINES]
    changes = joined(template_changes(old, new))
    return render("publication.html", frame, turn="", now=now, before=before, changes=changes, raw=raw)
