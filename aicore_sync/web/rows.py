"""Statuses become rows: a flow in an environment together with its template, what needs attention first. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from aicore_sync.core import report
from aicore_sync.core.model import (
    STAGES,
    Condition,
    FlowKey,
    Health,
    Key,
    Mark,
    ObjectRow,
    Stage,
    Status,
    TemplateKey,
    TenantKey,
)
from aicore_sync.core.pins import REASON as ROLLED_BACK

ON_THE_PAGE = (Health.ATTENTION, Health.PROGRESSING, Health.SUSPENDED, Health.HEALTHY, Health.NOT_TARGETED)
STAGE_ORDER = (Stage.DESIRE, *STAGES)
MARKS_WORST_FIRST = (Mark.FAIL, Mark.WAIT, Mark.OFF, Mark.OK)


@dataclass(frozen=True)
class Cell:
    """One stage of one row: the condition that matters most, and how many more there are. None: nothing known."""

    stage: Stage
    condition: Condition | None
    more: int = 0


class Name(NamedTuple):
    """What a row is about. `environment` is "" for a template that no flow uses and for a flow without one.

    `flow` is "" for a tenant itself.
    """

    flow: str
    environment: str
    tenant: str

    @property
    def path(self) -> str:
        """Where the row's own page is."""
        if self.environment or not self.tenant:
            return f"/flows/{self.flow}/{self.environment or '-'}"
        if not self.flow:
            return f"/tenants/{self.tenant}"
        return f"/templates/{self.tenant}/{self.flow}"


class Timed(NamedTuple):
    """A schedule that fires, and within which time."""

    name: str
    cron: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Row:
    """A flow in an environment, a template that no flow row uses, or what is declared for a tenant."""

    name: Name
    health: Health
    message: str
    cells: tuple[Cell, ...]
    conditions: tuple[Condition, ...]
    facts: Mapping[str, str]
    objects: tuple[ObjectRow, ...]
    updated: datetime | None

    @cached_property
    def text(self) -> str:
        """Everything that a search looks at, in lower case."""
        reasons = " ".join(c.reason for c in self.conditions)
        facts = " ".join(self.facts.values())
        return f"{' '.join(self.name)} {self.health.value} {reasons} {facts} {self.message}".lower()

    @cached_property
    def timed(self) -> tuple[Timed, ...]:
        """The schedules that fire."""
        active = (o for o in self.objects if o.kind == "schedule" and o.state == "ACTIVE")
        return tuple(Timed(o.name, o.detail, o.at, o.until) for o in active)

    @property
    def configurations(self) -> tuple[str, ...]:
        """Names of the flow's configurations, without owner, flow and hash."""
        parts = (o.name.split(".") for o in self.objects if o.kind == "configuration")
        return tuple(sorted({found[2] for found in parts if len(found) > 2}))

    @property
    def tenant(self) -> str:
        """Where its template lives, "" where that is not known."""
        return self.name.tenant or self.facts.get("tenant", "")

    @property
    def suspended(self) -> bool:
        """True while an operator holds the flow back."""
        return any(c.reason == "FlowSuspended" for c in self.conditions)

    @property
    def template(self) -> str:
        """The template as `rollback` names it: EXECUTABLE@TENANT."""
        return f"{self.facts.get('template', self.name.flow)}@{self.tenant}"

    @property
    def rolled_back(self) -> bool:
        """True while an earlier version holds."""
        return any(c.reason == ROLLED_BACK for c in self.conditions)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """What a confirmation could name here."""
        return tuple(dict.fromkeys(c.fingerprint for c in self.conditions if c.fingerprint))


def rows(statuses: Iterable[Status]) -> tuple[Row, ...]:
    """All rows, those that need attention first, then by name."""
    return Table().show(tuple(statuses))


class Table:
    """Rows of statuses that change a few at a time: only what a changed status has a part in is made anew."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Row] = {}  # of a template only where no flow's row has it
        self._statuses: dict[Key, Status] = {}
        self._template: dict[FlowKey, TemplateKey | None] = {}
        self._users: dict[TemplateKey, set[FlowKey]] = {}
        self._called: dict[str, set[TemplateKey]] = {}  # templates by executable
        self._asking: dict[str, set[FlowKey]] = {}  # flows by the executable that they may mean
        self._places: list[tuple[int, Name]] = []  # of the rows, in order
        self._rows: list[Row] = []

    def show(self, statuses: Sequence[Status]) -> tuple[Row, ...]:
        """All rows of these statuses, those that need attention first, then by name."""
        now = {status.key: status for status in statuses}
        changed: dict[Key, Status | None] = dict.fromkeys(self._statuses.keys() - now.keys())
        changed |= {key: status for key, status in now.items() if self._statuses.get(key) is not status}
        return self.change(changed)

    def change(self, changed: Mapping[Key, Status | None]) -> tuple[Row, ...]:
        """All rows after these changes; None: it is gone."""
        for key, status in changed.items():
            self._index(key, self._statuses.pop(key, None), status)
            if status:
                self._statuses[key] = status
        self._show(self._touched(set(changed)))
        return tuple(self._rows)

    def _index(self, key: Key, before: Status | None, now: Status | None) -> None:
        """Who asks for which template, and which templates there are."""
        match key:
            case TemplateKey():
                alike = self._called.setdefault(key.executable, set())
                (alike.add if now else alike.discard)(key)
            case FlowKey():
                if before:
                    self._asking[_meant(key, before.facts)[0]].discard(key)
                if now:
                    self._asking.setdefault(_meant(key, now.facts)[0], set()).add(key)

    def _touched(self, changed: set[Key]) -> set[Key]:
        """The changed keys, the flows that their templates may belong to, and templates that are let go or taken."""
        flows = {key for key in changed if isinstance(key, FlowKey)}
        for key in changed:
            if isinstance(key, TemplateKey):
                flows |= self._asking.get(key.executable, set())
        templates: set[Key] = set()
        for flow in flows:
            status = self._statuses.get(flow)
            old, new = self._template.get(flow), self._template_of(flow, status.facts) if status else None
            self._template[flow] = new
            if old is not None:
                self._users[old].discard(flow)
            if new is not None:
                self._users.setdefault(new, set()).add(flow)
            templates |= {key for key in (old, new) if key is not None}
        return changed | flows | templates

    def _template_of(self, key: FlowKey, facts: Mapping[str, str]) -> TemplateKey | None:
        """The template that the flow's facts name; else the only one called like the flow, in whichever tenant."""
        executable, tenant = _meant(key, facts)
        candidates = [k for k in self._called.get(executable, ()) if tenant in ("", k.tenant)]
        return candidates[0] if len(candidates) == 1 else None

    def _show(self, keys: set[Key]) -> None:
        many = len(keys) > len(self._rows) // 10
        for key in keys:
            old, new = self.by_key.pop(key, None), self._made(key)
            if new is not None:
                self.by_key[key] = new
            if not many:
                self._replace(old, new)
        if many:
            self._rows = sorted(self.by_key.values(), key=_place)
            self._places = [_place(row) for row in self._rows]

    def _replace(self, old: Row | None, new: Row | None) -> None:
        if old is not None:
            at = bisect_left(self._places, _place(old))
            del self._places[at], self._rows[at]
        if new is not None:
            at = bisect_left(self._places, _place(new))
            self._places.insert(at, _place(new))
            self._rows.insert(at, new)

    def _made(self, key: Key) -> Row | None:
        status = self._statuses.get(key)
        if status is None:
            return None
        match key:
            case FlowKey():
                template = self._template[key]
                return _flow_row(key, status, self._statuses[template] if template else None, template)
            case TemplateKey():
                return None if self._users.get(key) else _template_row(key, status)
            case TenantKey():
                return _row(status, Name("", "", key.tenant))


def _place(row: Row) -> tuple[int, Name]:
    return ON_THE_PAGE.index(row.health), row.name


def _meant(key: FlowKey, facts: Mapping[str, str]) -> tuple[str, str]:
    """Executable and tenant of the template that a flow means; no tenant: whichever there is."""
    executable, _, tenant = facts.get("template", key.flow).partition("@")
    return executable, facts.get("tenant", tenant)


def summary(of: Sequence[Row]) -> Mapping[Health, int]:
    """How many rows have which health, in the order of the page; zeros included."""
    counted = Counter(row.health for row in of)
    return {health: counted[health] for health in ON_THE_PAGE}


def _flow_row(key: FlowKey, flow: Status, template: Status | None, template_key: TemplateKey | None) -> Row:
    tenant = template_key.tenant if template_key and key.environment else ""
    return _row(report.row(template, flow), Name(key.flow, key.environment, tenant))


def _template_row(key: TemplateKey, status: Status) -> Row:
    return _row(status, Name(key.executable, "", key.tenant))


def _row(status: Status, name: Name) -> Row:
    ordered = sorted(
        status.conditions, key=lambda c: (STAGE_ORDER.index(c.stage), MARKS_WORST_FIRST.index(c.mark))
    )
    return Row(
        name=name,
        health=status.health,
        message=status.message,
        cells=tuple(_cell(stage, ordered) for stage in STAGES),
        conditions=tuple(ordered),
        facts=status.facts,
        objects=status.objects,
        updated=status.updated,
    )


def _cell(stage: Stage, ordered: Sequence[Condition]) -> Cell:
    of_stage = [c for c in ordered if c.stage is stage]
    return Cell(stage, of_stage[0] if of_stage else None, max(0, len(of_stage) - 1))
