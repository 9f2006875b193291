"""Every kind of answer by its name: the command line asks here when it works alone, the API when a service runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aicore_sync.app import look
from aicore_sync.app.build import App
from aicore_sync.app.history import history
from aicore_sync.app.lineage import compare, trace, tree
from aicore_sync.core.answers import (
    Answer,
    ComparedAnswer,
    Node,
    SourceAnswer,
    TenantAnswer,
    TraceAnswer,
    VersionAnswer,
    Where,
)
from aicore_sync.core.problems import unknown


async def answers(app: App, kind: str, where: Where) -> Sequence[Answer]:
    """What there is of a kind; one for what is no list. Raises Stalled (NotFound) for what there is not."""
    if where.environment and where.environment not in app.estate.environments:
        raise unknown("environment", where.environment, app.estate.environments)
    found = await KINDS[kind](app, where)
    if where.flow and not found:  # a typo must not look as if all were well
        names = await _flow_names(app)
        if where.flow not in names:
            raise unknown("flow", where.flow, names)
    return found


async def _flow_names(app: App) -> frozenset[str]:
    """In the source, broken flows too, or among what was published."""
    await app.know_sources()
    names = set(app.desire.catalog.names())
    for tenant in app.estate.tenants.values():
        names |= {facts.flow or name for name, facts in (await app.reader.lists.owned(tenant)).items()}
    return frozenset(names)


async def _sources(app: App, _: Where) -> tuple[SourceAnswer, ...]:
    return await look.sources(app)


async def _tenants(app: App, _: Where) -> tuple[TenantAnswer, ...]:
    return await look.tenants(app)


async def _versions(app: App, where: Where) -> tuple[VersionAnswer, ...]:
    return tuple(version.answer for version in await history(app, where.flow, where.limit))


async def _scenarios(app: App, where: Where) -> tuple[Node, ...]:
    return await tree(app, where.scenario)


async def _trace(app: App, where: Where) -> tuple[TraceAnswer]:
    return (await trace(app, where.executions[0], where.environment),)


async def _compare(app: App, where: Where) -> tuple[ComparedAnswer]:
    return (await compare(app, where.executions, where.environment),)


KINDS: Mapping[str, Callable[[App, Where], Awaitable[Sequence[Answer]]]] = {
    "configurations": look.configurations,
    "schedules": look.schedules,
    "executions": look.executions,
    "artifacts": look.artifacts,
    "sources": _sources,
    "tenants": _tenants,
    "ticks": look.ticks,
    "versions": _versions,
    "scenarios": _scenarios,
    "trace": _trace,
    "compare": _compare,
}


class AppAnswers:
    """See `aicore_sync.web.Answers`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def ask(self, kind: str, where: Where) -> Sequence[Answer]:
        return await answers(self._app, kind, where)
