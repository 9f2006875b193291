"""What a reader asked for: some of the rows, one page of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from urllib.parse import quote, urlencode

from aicore_sync.web.rows import Row

PER_PAGE = 50
IN_ADDRESS = ("q", "health", "page", "refresh")


@dataclass(frozen=True)
class Asked:
    """The query of the first page's address; each default means "all" or "the first"."""

    q: str = ""
    health: str = ""
    page: int = 1
    refresh: str = "on"
    environment: str = ""
    scenario: str = ""
    tenant: str = ""
    per_page: int = PER_PAGE

    @property
    def base(self) -> str:
        """The page that lists these rows: the first one, or that of an environment, tenant or scenario."""
        if self.environment:
            return f"/environments/{quote(self.environment, safe='')}"
        if self.tenant:
            return f"/tenants/{quote(self.tenant, safe='')}"
        return f"/scenarios/{quote(self.scenario, safe='')}" if self.scenario else "/"

    @property
    def everything(self) -> bool:
        """True when nothing narrows the list."""
        return self.base == "/" and (self.q, self.health, self.page) == ("", "", 1)

    def link(self, **changes: object) -> str:
        """The address of the page with `changes` made and everything else kept; defaults are left out."""
        wanted = {**asdict(self), **changes}
        said = {name: wanted[name] for name in IN_ADDRESS if wanted[name] != getattr(Asked, name)}
        return f"{self.base}?{urlencode(said)}" if said else self.base


@dataclass(frozen=True)
class Found:
    """One page of the rows that fit. `first` and `last` count from 1; all are 0 when nothing fits."""

    rows: tuple[Row, ...]
    asked: Asked
    total: int
    pages: int

    @property
    def first(self) -> int:
        return (self.asked.page - 1) * self.asked.per_page + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0


def find(rows: Sequence[Row], asked: Asked) -> Found:
    """The rows that hold every word of `q` and have that health and place. A page beyond the last is the last."""
    words = asked.q.lower().split()
    fitting = rows
    if words or asked.health or asked.base != "/":
        fitting = [r for r in rows if _fits(r, asked) and all(word in r.text for word in words)]
    pages = max(1, -(-len(fitting) // asked.per_page))
    page = min(max(1, asked.page), pages)
    start = (page - 1) * asked.per_page
    return Found(
        tuple(fitting[start : start + asked.per_page]), replace(asked, page=page), len(fitting), pages
    )


def _fits(row: Row, asked: Asked) -> bool:
    return (
        asked.health in ("", row.health.value)
        and asked.environment in ("", row.name.environment)
        and asked.scenario in ("", row.facts.get("scenario"))
        and asked.tenant in ("", row.tenant)
    )
