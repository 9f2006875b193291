"""What hangs together: a scenario as a tree, a run back to its source, runs side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from aicore_sync.app import look
from aicore_sync.app.build import App
from aicore_sync.app.history import Version, templates_of, versions
from aicore_sync.app.runs import Found, find, group_of
from aicore_sync.core.answers import (
    ComparedAnswer,
    ConfigurationAnswer,
    ExecutionAnswer,
    Node,
    TraceAnswer,
    Where,
)
from aicore_sync.core.compare import Run, compared
from aicore_sync.core.errors import Stalled, SyncError
from aicore_sync.core.problems import unknown
from aicore_sync.core.tree import Leaves, scenario_tree
from aicore_sync.git import Authorship, authorship

RUN_TAG = "aicore-sync.run"
RUNS_IN_TREE = 500


async def tree(app: App, scenario: str) -> tuple[Node, ...]:
    """A scenario, or all of ours when "" is asked for."""
    everywhere = Where(limit=RUNS_IN_TREE)
    configurations, schedules, executions, artifacts = await asyncio.gather(
        look.configurations(app, everywhere),
        look.schedules(app, everywhere),
        look.executions(app, everywhere),
        look.artifacts(app, everywhere),
    )
    templates = []
    for tenant in app.estate.tenants.values():
        templates += [(tenant.name, facts) for facts in (await app.reader.lists.owned(tenant)).values()]
    known = sorted({facts.scenario for _, facts in templates} | {c.scenario for c in configurations})
    if scenario and scenario not in known:
        raise unknown("scenario of ours called", scenario, known)
    tenants = {place.name: place.tenant for place in app.estate.environments.values()}
    leaves = Leaves(tuple(templates), configurations, schedules, executions, artifacts, tenants)
    return tuple(scenario_tree(name, leaves) for name in ([scenario] if scenario else known))


async def trace(app: App, execution: str, environment: str = "") -> TraceAnswer:
    """Back from a run to its configuration, the template's commit, the source's revision and its author."""
    found = await find(app, execution, environment)
    answer = look.execution_answer(found)
    configuration = await _configuration(app, found)
    version, certain = await _version(app, found, answer.flow)
    source = version.answer.source if version else ""
    made = await source_commit(app, source, version.revision.at) if version and source else None
    return TraceAnswer(
        execution=answer,
        configuration=configuration,
        template=version.answer if version else None,
        certain=certain,
        source=source,
        source_commit=made.commit if made else "",
        author=made.author if made else "",
        subject=made.subject if made else "",
    )


async def source_commit(app: App, source: str, until: datetime) -> Authorship | None:
    """Who made a source: `file@commit` for one in git, `file@digest` for a directory as it was until then."""
    file, _, revision = source.rpartition("@")
    if len(revision) >= 40:
        answers = [await poll.fetched.authorship(revision) for poll in app.polls]
        return next(filter(None, answers), None)
    try:
        root, below = app.desire.sources.locate(file)
    except StopIteration:  # of a source that the configuration does not name any more
        return None
    return await authorship(root, below, until)


async def _configuration(app: App, found: Found) -> ConfigurationAnswer | None:
    where = Where(environment=found.place.name)
    listed = await look.configurations(app, where)
    return next((c for c in listed if c.id == found.execution.configuration), None)


async def _version(app: App, found: Found, flow: str) -> tuple[Version | None, bool]:
    """The version that a run was made of: by its tag, else the one that was published when it began."""
    tags = await _tags(app, found)
    try:
        keys = await templates_of(app, f"{flow}@{found.place.tenant}")
    except Stalled:
        return None, False
    key = next((k for k in keys if k.executable == found.execution.executable), keys[0])
    known = await versions(app, key, 100)
    begun = found.execution.created_at
    return chosen(known, tags.get(RUN_TAG, ""), begun)


def chosen(known: Sequence[Version], run: str, begun: datetime | None) -> tuple[Version | None, bool]:
    """The newest version not younger than the run, of the run's content where it is marked with it. Pure."""
    before = [v for v in known if begun is None or v.revision.at <= begun]
    marked = [v for v in before if run and v.facts and v.facts.run_digest.startswith(run)]
    if marked:
        return marked[0], True
    return (before[0] if before else None), False


async def _tags(app: App, found: Found) -> Mapping[str, str]:
    listed = await group_of(app, found.place).metrics.get([found.execution.id])
    return listed[0].tags if listed else {}


async def compare(app: App, executions: Sequence[str], environment: str = "") -> ComparedAnswer:
    """Parameters, metrics and times of runs side by side. Raises Stalled for one that nobody knows."""
    return compared(await asyncio.gather(*(_measure(app, one, environment) for one in executions)))


async def _measure(app: App, execution: str, environment: str) -> Run:
    found = await find(app, execution, environment)
    configuration = await _configuration(app, found)
    try:
        listed = await group_of(app, found.place).metrics.get([execution])
    except SyncError:
        listed = ()  # a tenant may have no metrics store
    metrics = listed[0].metrics if listed else ()
    answer: ExecutionAnswer = look.execution_answer(found)
    latest = {m.name: m.value for m in sorted(metrics, key=lambda m: m.step or 0)}
    parameters = dict(configuration.parameters) if configuration else {}
    inputs = dict(configuration.inputs) if configuration else {}
    return Run(answer, parameters, inputs, latest)
