"""What operators have decided, read from the files of the state branch.

    suspended/all.json                        the whole controller
    suspended/environments/<env>.json         an environment
    suspended/flows/<flow>.json               a flow in every environment
    suspended/flows/<flow>/<env>.json         a flow in one environment
    thawed/<env>.json                         an environment may be changed in spite of a freeze, until a time
    confirmed/<fingerprint>                   what too much at once waits for
    pinned/<tenant>/<executable>.json         a template is kept at an earlier version; see `core/pins.py`

Reading errs on the safe side: a suspension that cannot be read still suspends, an override that cannot be read is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aicore_sync.core.model import TemplateKey
from aicore_sync.core.pins import Pin, pins

SUSPENDED, THAWED, CONFIRMED = "suspended/", "thawed/", "confirmed/"
CONFIRMED_FOR = timedelta(hours=1)


@dataclass(frozen=True, order=True)
class Scope:
    """What a decision is about; "" is every flow, every environment."""

    flow: str = ""
    environment: str = ""

    def __str__(self) -> str:
        if self.flow and self.environment:
            return f"{self.flow} in {self.environment}"
        if self.flow:
            return f"{self.flow} in every environment"
        return f"environment {self.environment}" if self.environment else "everything"

    @property
    def words(self) -> str:
        """The arguments of `suspend` and `resume` that name this."""
        place = f"--environment {self.environment}" if self.environment else ""
        return f"{self.flow} {place}".strip() or "--all"

    @property
    def path(self) -> str:
        """The file on the state branch that suspends this."""
        if self.flow:
            return f"{SUSPENDED}flows/{self.flow}{'/' + self.environment if self.environment else ''}.json"
        return (
            f"{SUSPENDED}environments/{self.environment}.json" if self.environment else f"{SUSPENDED}all.json"
        )

    def covers(self, flow: str, environment: str) -> bool:
        """True when a decision about this holds for a flow in an environment."""
        return self.flow in ("", flow) and self.environment in ("", environment)


@dataclass(frozen=True)
class Decision:
    """Who decided, when and why, each only where it is known. `until` ends it, None: a person does."""

    by: str = ""
    at: datetime | None = None
    reason: str = ""
    until: datetime | None = None

    def encoded(self) -> bytes:
        """The content of its file."""
        found = {"by": self.by, "at": _text(self.at), "reason": self.reason, "until": _text(self.until)}
        body = {key: text for key, text in found.items() if text}
        return (json.dumps(body, ensure_ascii=False, sort_keys=True, indent=2) + "\n").encode()

    def __str__(self) -> str:
        since = f" since {self.at:%Y-%m-%d %H:%M} UTC" if self.at else ""
        return f"by {self.by or 'somebody'}{since}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Decisions:
    """All decisions of one state branch. `thawed` is by environment."""

    suspended: Mapping[Scope, Decision] = field(default_factory=dict)
    thawed: Mapping[str, Decision] = field(default_factory=dict)
    pinned: Mapping[TemplateKey, Pin] = field(default_factory=dict)

    def suspension(self, flow: str, environment: str) -> tuple[Scope, Decision] | None:
        """What suspends a flow in an environment, the widest decision first; None when nothing does."""
        found = sorted(scope for scope in self.suspended if scope.covers(flow, environment))
        return (found[0], self.suspended[found[0]]) if found else None

    def thaw(self, environment: str, now: datetime) -> Decision | None:
        """The override of a freeze that holds now."""
        found = self.thawed.get(environment)
        return found if found and found.until and now < found.until else None


def decisions(files: Mapping[str, bytes]) -> Decisions:
    """The decisions among the files of a state branch; other files and odd paths are left alone."""
    suspended = {scope: _read(files[path]) for path in files if (scope := _scope(path)) is not None}
    thawed = {name: _read(files[path]) for path in files if (name := _named(path, THAWED))}
    return Decisions(suspended, thawed, pins(files))


def confirmations(files: Mapping[str, bytes], now: datetime) -> frozenset[str]:
    """Fingerprints confirmed within the last hour: the same set of flows a year later is another question."""
    found = {
        path.removeprefix(CONFIRMED): _read(data)
        for path, data in files.items()
        if path.startswith(CONFIRMED)
    }
    return frozenset(name for name, d in found.items() if d.at and now - d.at < CONFIRMED_FOR)


def thaw_path(environment: str) -> str:
    """The file on the state branch that lets an environment be changed in spite of a freeze."""
    return f"{THAWED}{environment}.json"


def expired(found: Decisions, now: datetime) -> tuple[str, ...]:
    """Files of overrides that have ended: the next decision clears them away."""
    ended = (name for name, thaw in found.thawed.items() if thaw.until and thaw.until <= now)
    return tuple(sorted(map(thaw_path, ended)))


def _scope(path: str) -> Scope | None:
    name = _named(path, SUSPENDED)
    match name.split("/"):
        case ["all"]:
            return Scope()
        case ["environments", environment] if environment:
            return Scope(environment=environment)
        case ["flows", flow] if flow:
            return Scope(flow)
        case ["flows", flow, environment] if flow and environment:
            return Scope(flow, environment)
    return None


def _named(path: str, below: str) -> str:
    fits = path.startswith(below) and path.endswith(".json")
    return path.removeprefix(below).removesuffix(".json") if fits else ""


def _read(data: bytes) -> Decision:
    try:
        body: Any = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Decision()
    return Decision(_word(body, "by"), _time(body, "at"), _word(body, "reason"), _time(body, "until"))


def _word(body: Mapping[str, Any], key: str) -> str:
    found = body.get(key)
    return " ".join(found.split())[:300] if isinstance(found, str) else ""


def _time(body: Mapping[str, Any], key: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(body.get(key)))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _text(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def joined(all_: Iterable[Decisions]) -> Decisions:
    """Decisions of several state branches as one."""
    suspended: dict[Scope, Decision] = {}
    thawed: dict[str, Decision] = {}
    pinned: dict[TemplateKey, Pin] = {}
    for one in all_:
        suspended |= one.suspended
        thawed |= one.thawed
        pinned |= one.pinned
    return Decisions(suspended, thawed, pinned)
