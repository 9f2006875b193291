"""The first page, and the same table for one environment or scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aicore_sync.core.chronicle import Publication
from aicore_sync.core.model import STAGES, Health
from aicore_sync.web.index import Tick
from aicore_sync.web.pages.render import Frame, render
from aicore_sync.web.rows import Row, summary
from aicore_sync.web.runs import QuotaRow
from aicore_sync.web.search import Asked, find

SHOWN_ATTENTION = 10


@dataclass(frozen=True)
class Glance:
    """What the first page shows before the table: what is wrong, what was published, what runs next, what is left."""

    attention: tuple[Row, ...] = ()
    more: int = 0
    publications: tuple[Publication, ...] = ()
    ticks: tuple[Tick, ...] = ()
    quotas: tuple[QuotaRow, ...] = ()

    @property
    def tenants(self) -> int:
        """How many tenants have quotas here."""
        return len({quota.tenant for quota in self.quotas})


@dataclass(frozen=True)
class Place:
    """What a table is limited to: an environment or a scenario; nothing for the first page."""

    name: str = ""
    kind: str = ""


EVERYWHERE = Place()


def glance_at(rows: Sequence[Row], glance: Glance) -> Glance:
    """The glance with the rows that need attention; they stand first among the rows."""
    wrong = [row for row in rows if row.health is Health.ATTENTION]
    shown = tuple(wrong[:SHOWN_ATTENTION])
    return Glance(shown, len(wrong) - len(shown), glance.publications, glance.ticks, glance.quotas)


def overview(
    rows: Sequence[Row], asked: Asked, frame: Frame, glance: Glance | None = None, place: Place = EVERYWHERE
) -> str:
    """The banner over all rows of the place, and one line for each that was asked for."""
    here = [row for row in rows if _in(row, asked)] if place.name else rows
    counts: Mapping[Health, int] = summary(here)
    found = find(here, asked)
    turn = found.asked.link(refresh="off" if frame.refresh else "on")
    values = {
        "counts": counts,
        "stages": STAGES,
        "glance": glance,
        "place": place.name,
        "place_kind": place.kind,
    }
    return render("overview.html", frame, turn=turn, found=found, **values)


def _in(row: Row, asked: Asked) -> bool:
    return asked.environment in ("", row.name.environment) and asked.scenario in (
        "",
        row.facts.get("scenario"),
    )
