"""A small line chart of one measured thing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 260, 76, 8
MOST_POINTS = 500


@dataclass(frozen=True)
class Series:
    """Values in their order; what is no finite number is left out. `what` says what one point is."""

    name: str
    values: tuple[float, ...]
    what: str = "step"

    @property
    def shown(self) -> tuple[float, ...]:
        """At most MOST_POINTS finite values, evenly chosen, the last one among them."""
        finite = tuple(v for v in self.values if math.isfinite(v))
        every = max(1, math.ceil(len(finite) / MOST_POINTS))
        return finite[::-1][::every][::-1]


def chart(series: Series) -> str:
    """An SVG element with the line, its last value marked; "" without values."""
    values = series.shown
    if not values:
        return ""
    low, high = min(values), max(values)
    points = [_point(at, value, (low, high, len(values))) for at, value in enumerate(values)]
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    x, y = points[-1]
    words = f"{series.name}: {len(values)} values, from {number(low)} to {number(high)}, last {number(values[-1])}"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f'<title>{escape(words)}</title><polyline points="{line}"/><circle cx="{x:g}" cy="{y:g}" r="3"/></svg>'
    )


def _point(at: int, value: float, scale: tuple[float, float, int]) -> tuple[float, float]:
    low, high, count = scale
    x = MARGIN + (WIDTH - 2 * MARGIN) * (at / (count - 1) if count > 1 else 0.5)
    share = (
        (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    )  # halves: no overflow between extremes
    return round(x, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share, 1)


def number(value: float) -> str:
    """A value as people read it: four digits that count."""
    return f"{value:.4g}"
