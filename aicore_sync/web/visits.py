"""What a page needs beyond the board, gathered: the history's answers, and AI Core's where it gives some."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

from aicore_sync.aicore import LogLine
from aicore_sync.core.chronicle import Publication
from aicore_sync.core.difference import template_changes
from aicore_sync.core.errors import InvalidInput, SyncError
from aicore_sync.core.model import FlowKey
from aicore_sync.core.template import parse_document
from aicore_sync.web.draw import draw_dag, graph_of
from aicore_sync.web.pages import FlowSeen, Glance, RunSeen, glance_at
from aicore_sync.web.pages.flow import Drawn, drawn, over_runs, within_run
from aicore_sync.web.parts import Parts
from aicore_sync.web.rollout import Rollout, rollout, side_by_side
from aicore_sync.web.rows import Row
from aicore_sync.web.runs import QuotaRow, RunDetails

SHOWN_PUBLICATIONS, SHOWN_TICKS, SHOWN_ROLLOUTS, CHARTED_RUNS = 10, 5, 5, 10
TICKS_EACH = 3
SHOWN_QUOTAS = 5  # the fullest
LOG_LINES = 500
EVERY_STEP = "*"
PATIENCE = 2.0  # seconds that a page waits for AI Core before it goes without


class Visits:
    """Gathers for pages. What AI Core does not give in time is left out: the page is about more than that."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def glance(self, rows: Sequence[Row]) -> Glance:
        """For the first page over these rows."""
        parts = self._parts
        publications = await parts.store.publications(limit=SHOWN_PUBLICATIONS)
        ticks = parts.index.ticks(parts.now(), SHOWN_TICKS, rows)
        found = Glance((), 0, publications, tuple(ticks), tuple(await self._quotas()))
        return glance_at(rows, found)

    async def flow(self, row: Row) -> FlowSeen:
        """For the page of a flow."""
        executable = row.facts.get("template", row.name.flow)
        newest = await self._parts.store.publications(row.tenant, executable, SHOWN_ROLLOUTS)
        rollouts, document = await self._rollouts(row, newest)
        runs = [o.id for o in row.objects if o.kind == "execution"][:CHARTED_RUNS]
        last = runs[0] if runs else ""
        phases, charts = await asyncio.gather(
            self._phases(last, row.name.environment), self._charts(runs, row.name.environment)
        )
        steps = phases or ({EVERY_STEP: "Untold"} if last else {})
        return FlowSeen(
            row, rollouts, picture(document, steps, f"Steps of {row.name.flow}"), last if phases else "", charts,
            self._parts.index.ticks_of(row, self._parts.now(), TICKS_EACH),
        )  # fmt: skip

    async def run(self, execution: str, environment: str) -> RunSeen:
        """For the page of a run. Raises SyncError when there is none, or AI Core cannot be asked."""
        details = await self._parts.runs.run(execution, environment)
        publication, document = await self._template_of(details)
        lines, cut, problem = await self._log(execution, environment)
        steps = picture(document, _told(details), f"Steps of {details.run.flow or execution}")
        charts = drawn(within_run(details.metrics))
        return RunSeen(details, publication, steps, charts, lines, cut, problem)

    async def _quotas(self) -> Sequence[QuotaRow]:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._parts.runs.quotas()
        except (SyncError, TimeoutError):
            return ()
        return sorted(found, key=lambda q: q.used / max(1, q.limit), reverse=True)[:SHOWN_QUOTAS]

    async def _rollouts(self, row: Row, newest: Sequence[Publication]) -> tuple[tuple[Rollout, ...], bytes]:
        store = self._parts.store
        history = await store.history(FlowKey(row.name.flow, row.name.environment), 200)
        made, document = [], b""
        until: datetime | None = None
        for entry in newest:
            found = await store.publication(entry.id)
            if found is None:
                continue
            now, before = found
            document = document or now.document
            old = (before.document or None) if before else None
            changes = template_changes(old, now.document or None) if old else None
            made.append(rollout(entry, history, changes, until))
            until = entry.at
        return side_by_side(made), document

    async def _phases(self, execution: str, environment: str) -> Mapping[str, str]:
        if not execution:
            return {}
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._parts.runs.phases(execution, environment)
        except (SyncError, TimeoutError):
            return {}

    async def _charts(self, runs: Sequence[str], environment: str) -> tuple[Drawn, ...]:
        if not runs:
            return ()
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._parts.runs.metrics(runs, environment)
        except (SyncError, TimeoutError):
            return ()
        return drawn(over_runs([found.get(run, ()) for run in reversed(runs)]))

    async def _template_of(self, details: RunDetails) -> tuple[Publication | None, bytes]:
        """The last publication before the run began."""
        run = details.run
        row = self._parts.index.flow(run.flow, run.environment)
        if row is None or run.begun is None:
            return None, b""
        known = await self._parts.store.publications(row.tenant, run.execution.executable, 50)
        entry = next((p for p in known if p.at <= run.begun), None)
        found = await self._parts.store.publication(entry.id) if entry else None
        return (entry, found[0].document) if found else (None, b"")

    async def _log(self, execution: str, environment: str) -> tuple[tuple[LogLine, ...], bool, str]:
        """The end of it, whether there is more, and why there is none."""
        try:
            async with asyncio.timeout(5 * PATIENCE):
                lines = await self._parts.runs.tail(execution, environment, LOG_LINES + 1)
        except SyncError as error:
            return (), False, error.message
        except TimeoutError:
            return (), False, "AI Core did not give it in time"
        return tuple(lines[-LOG_LINES:]), len(lines) > LOG_LINES, ""


def _told(details: RunDetails) -> Mapping[str, str]:
    """The phases of a run's steps. For a while after its begin AI Core tells none: then they are not known."""
    return details.phases or {EVERY_STEP: "Untold"}


def picture(document: bytes, phases: Mapping[str, str], title: str) -> Markup:
    """The steps of a template; empty for what is no template."""
    try:
        parsed = parse_document(document, "template") if document else {}
    except InvalidInput:
        return Markup()
    graph = graph_of(parsed)
    if EVERY_STEP in phases:
        phases = dict.fromkeys((name for node in graph.nodes for name in node.names), phases[EVERY_STEP])
    if len(graph.nodes) == len(phases) == 1:  # the whole run is this one step, and is called like the run
        phases = dict.fromkeys(graph.nodes[0].names, *phases.values())
    return Markup(draw_dag(graph, phases, title))  # noqa: S704  drawn here, names escaped
