"""The page of one run, and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aicore_sync.aicore import LogLine
from aicore_sync.core.chronicle import Publication
from aicore_sync.web.draw.chart import number
from aicore_sync.web.pages.flow import NOTHING, Drawn
from aicore_sync.web.pages.render import Frame, render
from aicore_sync.web.runs import RunDetails


@dataclass(frozen=True)
class RunSeen:
    """A run in full. `cut`: the log has more lines; `problem`: why it could not be read."""

    details: RunDetails
    publication: Publication | None = None
    picture: Markup = NOTHING
    charts: tuple[Drawn, ...] = ()
    lines: tuple[LogLine, ...] = ()
    cut: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Line:
    """One parameter, input, output or metric of all compared runs; "" where a run has none."""

    kind: str
    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """True when the runs do not agree."""
        return len(set(self.values)) > 1


def run_page(seen: RunSeen, frame: Frame) -> str:
    """One run with its steps, metrics, origin and log."""
    run = seen.details.run
    path = f"/runs/{run.environment}/{run.execution.id}"
    return render("run.html", frame, turn=f"{path}?refresh=off" if frame.refresh else path, seen=seen)


def compare_page(columns: Sequence[RunDetails], frame: Frame) -> str:
    """Runs side by side, a line for each parameter, input, output and metric that any of them has."""
    return render("compare.html", frame, turn="", columns=columns, lines=compared(columns))


def compared(columns: Sequence[RunDetails]) -> list[Line]:
    """The lines, by kind and name. Of a metric the last value counts; where an output lies names its run."""
    kinds: list[tuple[str, list[Mapping[str, str]]]] = [
        ("parameter", [d.parameters for d in columns]),
        ("input", [d.inputs for d in columns]),
        ("output", [_outputs(d) for d in columns]),
        ("metric", [{m.name: number(m.value) for m in d.metrics} for d in columns]),
    ]
    return [
        Line(kind, name, tuple(one.get(name, "") for one in values))
        for kind, values in kinds
        for name in sorted({name for one in values for name in one})
    ]


def _outputs(details: RunDetails) -> dict[str, str]:
    run = details.run.execution
    return {output.name: output.url.replace(run.id, "<run>") for output in run.outputs}
