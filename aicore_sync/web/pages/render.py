"""Values become HTML. Pure: the same rows and the same time give the same page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from aicore_sync.core.model import Health, Mark
from aicore_sync.web.rows import Row

# Colour is never the only sign: each mark has a glyph and a word, each health a sentence of its own.
GLYPHS = {Mark.OK: "✓", Mark.WAIT: "…", Mark.FAIL: "✕", Mark.OFF: "–"}
WORDS = {Mark.OK: "ok", Mark.WAIT: "waiting", Mark.FAIL: "failed", Mark.OFF: "off"}
HEALTH = {
    Health.HEALTHY: ("ok", "healthy"),
    Health.ATTENTION: ("fail", "needs attention"),
    Health.PROGRESSING: ("wait", "in progress"),
    Health.SUSPENDED: ("off", "suspended"),
    Health.NOT_TARGETED: ("off", "not targeted"),
}
REFRESH_SECONDS = 5
_AGES = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (float("inf"), 86400, "d"))


@dataclass(frozen=True)
class Reader:
    """Who reads a page: `name` is "" without a login, `csrf` what forms carry, `address` the page's own.

    `said` is the sentence about what the reader has just done, with whether it went well.
    """

    name: str = ""
    csrf: str = ""
    login: bool = False
    address: str = "/"
    said: tuple[bool, str] | None = None


@dataclass(frozen=True)
class Frame:
    """What every page shows around its content. `refresh` False keeps the page as it is."""

    info: Mapping[str, str]
    now: datetime
    refresh: bool = True
    reader: Reader = Reader()


@dataclass(frozen=True)
class Door:
    """The ways to log in; `back` is the page to return to, `problem` why the last try failed."""

    back: str
    problem: str
    token: bool
    oidc: bool


def login(door: Door, frame: Frame) -> str:
    """The form to log in with."""
    return render("login.html", frame, turn="", door=door)


def problem(code: int, title: str, text: str, frame: Frame) -> str:
    """A page instead of a traceback."""
    return render("problem.html", frame, turn="", code=code, title=title, text=text)


def spaced(reason: str) -> str:
    """`PushRejected` → `Push rejected`; abbreviations stay: `APIError` → `API error`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", reason)
    return " ".join([*words[:1], *(w if len(w) > 1 and w.isupper() else w.lower() for w in words[1:])])


def said(row: Row) -> tuple[str, str]:
    """The sentence of a row in two parts: the reason that it starts with, if it does, and the rest."""
    reason, colon, rest = row.message.partition(": ")
    return (reason, rest) if colon and any(c.reason == reason for c in row.conditions) else ("", row.message)


def age(at: datetime | None, now: datetime) -> str:
    """`12 s ago`, in the largest unit that gives at least one; "" when unknown."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    size = abs(seconds)
    unit = next((per, name) for below, per, name in _AGES if size < below)
    amount = f"{int(size // unit[0])} {unit[1]}"
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


def short(commit: str) -> str:
    """A commit as people write it; anything else as it is."""
    return commit[:8] if re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit) else commit


def utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def minute(at: datetime) -> str:
    """A time in UTC without seconds, as in a timetable."""
    return at.strftime("%m-%d %H:%M")


def clock(at: datetime) -> str:
    """The time of day in UTC, to the second."""
    return at.strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """`4.2 s`, `3 min 5 s`, `2 h 7 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def words(name: str) -> str:
    """`workflowTemplates` → `Workflow templates`."""
    return spaced(name[:1].upper() + name[1:])


def cut(text: str, longest: int) -> str:
    """Text of at most so many characters; what is cut shows as an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def merged(of: Mapping[str, str], **more: str) -> Mapping[str, str]:
    """The mapping with more in it."""
    return {**of, **more}


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("aicore_sync.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(minute=minute, words=words, clock=clock, span=span, cut=cut)
    made.filters.update(spaced=spaced, said=said, age=age, short=short, utc=utc, merged=merged)
    made.globals.update(GLYPHS=GLYPHS, WORDS=WORDS, HEALTH=HEALTH, REFRESH_SECONDS=REFRESH_SECONDS)
    return made


_TEMPLATES = _environment()


def render(name: str, frame: Frame, **values: object) -> str:
    """A template of ours with values; everything in them is text."""
    return _TEMPLATES.get_template(name).render(frame=frame, **values)
