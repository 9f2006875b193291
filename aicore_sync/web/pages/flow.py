"""The page of one flow in an environment, or of a template that no flow uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from aicore_sync.aicore import Metric
from aicore_sync.web.draw import Series, chart
from aicore_sync.web.draw.chart import number
from aicore_sync.web.pages.render import Frame, render
from aicore_sync.web.rollout import Rollout
from aicore_sync.web.rows import Row

MOST_CHARTS = 12
NOTHING = Markup()


@dataclass(frozen=True)
class Drawn:
    """One metric as a picture; `what` says what its points are."""

    name: str
    last: str
    what: str
    picture: Markup


@dataclass(frozen=True)
class FlowSeen:
    """A flow with its past. `picture` is the SVG of its steps, `coloured` the run that gave the colours."""

    row: Row
    rollouts: tuple[Rollout, ...] = ()
    picture: Markup = NOTHING
    coloured: str = ""
    charts: tuple[Drawn, ...] = ()
    ticks: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)


def detail(seen: FlowSeen, frame: Frame) -> str:
    """One row with its steps, rollouts, runs, schedules, conditions, objects and facts."""
    path = seen.row.name.path
    return render("detail.html", frame, turn=f"{path}?refresh=off" if frame.refresh else path, seen=seen)


def drawn(series: Sequence[Series]) -> tuple[Drawn, ...]:
    """The first few series as pictures; a single value needs none."""
    return tuple(_drawn(one) for one in series[:MOST_CHARTS] if one.shown)


def _drawn(series: Series) -> Drawn:
    last = number(series.shown[-1])
    if len(series.shown) == 1:
        return Drawn(series.name, last, "", NOTHING)
    return Drawn(series.name, last, f"{len(series.values)} {series.what}", Markup(chart(series)))  # noqa: S704  drawn here


def over_runs(metrics: Sequence[Sequence[Metric]]) -> list[Series]:
    """The last value of each metric in each run, the oldest run first."""
    values: dict[str, list[float]] = {}
    for run in metrics:
        for name, value in {metric.name: metric.value for metric in run}.items():
            values.setdefault(name, []).append(value)
    return [Series(name, tuple(found), "runs") for name, found in sorted(values.items())]


def within_run(metrics: Sequence[Metric]) -> list[Series]:
    """The values of each metric of one run, by step."""
    values: dict[str, list[tuple[int, float]]] = {}
    for metric in metrics:
        values.setdefault(metric.name, []).append((metric.step or 0, metric.value))
    ordered = {name: sorted(found, key=lambda pair: pair[0]) for name, found in values.items()}
    return [Series(name, tuple(v for _, v in found), "values") for name, found in sorted(ordered.items())]
