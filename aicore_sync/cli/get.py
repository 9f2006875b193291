"""The command `get KIND`: objects in AI Core and git as tables and as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape

from aicore_sync.cli.ask import Bar, Question, answered, answers
from aicore_sync.cli.complete import flow_names
from aicore_sync.cli.service import Service
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output
from aicore_sync.core.answers import (
    Answer,
    ArtifactAnswer,
    ConfigurationAnswer,
    ExecutionAnswer,
    FlowAnswer,
    ScheduleAnswer,
    SourceAnswer,
    TenantAnswer,
    Where,
)
from aicore_sync.core.flows import flow_answers
from aicore_sync.core.model import Health, Mark, Status
from aicore_sync.core.report import joined
from aicore_sync.core.statuses import statuses_in
from aicore_sync.terminal import Form, Sheet, coloured, show

if TYPE_CHECKING:
    from aicore_sync.app.build import App

A = TypeVar("A", bound=Answer)
Flow = Annotated[
    str, typer.Argument(help="Executable id of a flow; all when absent.", autocompletion=flow_names)
]
Environment = Annotated[str, typer.Option("--environment", "-e", help="Only in this environment.")]
Limit = Annotated[int, typer.Option(min=1, help="Most runs to look at.")]
RUN_MARKS = {"COMPLETED": Mark.OK, "DEAD": Mark.FAIL, "STOPPED": Mark.OFF, "STOPPING": Mark.OFF}
group = typer.Typer(
    help="List objects: flows, configurations, schedules, executions, artifacts, sources, tenants."
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (flows, configurations, schedules, executions, artifacts, sources, tenants):
        group.command()(command)
    app.add_typer(group, name="get", no_args_is_help=True)


Known = tuple[tuple[Status, ...], frozenset[str]]  # one status per flow and environment; all environments


async def _served(found: Service) -> Known:
    answer = await found.status()
    return joined(statuses_in(answer)), frozenset(answer.info.get("environments", "").split(", "))


async def _alone(app: App, bar: Bar) -> Known:
    from aicore_sync.app.look import statuses

    return await statuses(app, bar), frozenset(app.estate.environments)


_KNOWN = Question(_served, _alone)


@dataclass(frozen=True)
class Columns:
    """How a kind is shown: headings, the last `wide` of them only with `-o wide`."""

    titles: Sequence[str]
    wide: int = 0


def flows(
    flow: Flow = "",
    environment: Environment = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Every flow in every environment: health, live version, and what blocks."""
    statuses, environments = answered(config, _KNOWN, "looking")
    found = flow_answers(statuses, Where(flow, environment), environments)
    columns = Columns(
        ("NAME", "ENVIRONMENT", "HEALTH", "VERSION", "MESSAGE", "TENANT", "COMMIT", "SOURCE"), 3
    )
    print_answers(output, "flows", found, (columns, _flow_row))


def _flow_row(flow: FlowAnswer) -> tuple[str, ...]:
    health = coloured(flow.health, Health(flow.health))
    known = (flow.name, flow.environment, health, flow.version, escape(flow.message))
    return (*known, flow.tenant, flow.commit[:12], escape(flow.source))


def configurations(
    flow: Flow = "",
    environment: Environment = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Configurations of ours, the newest of each flow first."""
    found = answers(config, ConfigurationAnswer, Where(flow, environment))
    columns = Columns(
        ("ID", "FLOW", "NAME", "ENVIRONMENT", "CREATED", "PARAMETERS", "INPUTS", "FULL NAME"), 2
    )
    print_answers(output, "configurations", found, (columns, _configuration_row))


def _configuration_row(found: ConfigurationAnswer) -> tuple[str, ...]:
    parameters, inputs = (
        escape(", ".join(f"{name}={value}" for name, value in pairs.items()))
        for pairs in (found.parameters, found.inputs)
    )
    known = (found.id, found.flow, found.name, found.environment, at(found.created))
    return (*known, parameters, inputs, found.full_name)


def schedules(
    flow: Flow = "",
    environment: Environment = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Schedules of ours, and when each runs next."""
    found = answers(config, ScheduleAnswer, Where(flow, environment))
    titles = ("ID", "FLOW", "NAME", "ENVIRONMENT", "STATUS", "CRON", "NEXT", "START", "END", "CONFIGURATION")
    print_answers(output, "schedules", found, (Columns(titles, 3), _schedule_row))


def _schedule_row(found: ScheduleAnswer) -> tuple[str, ...]:
    status = coloured(found.status, Mark.OK if found.status == "ACTIVE" else Mark.OFF)
    known = (found.id, found.flow, found.name, found.environment, status, found.cron, at(found.next))
    return (*known, at(found.start), at(found.end), found.configuration)


def executions(
    flow: Flow = "",
    environment: Environment = "",
    limit: Limit = 20,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """The newest runs of our configurations, and who started them."""
    found = answers(config, ExecutionAnswer, Where(flow, environment, limit))
    titles = (
        "ID",
        "FLOW",
        "CONFIGURATION",
        "ENVIRONMENT",
        "STATUS",
        "BEGUN",
        "BY",
        "ENDED",
        "OUTPUTS",
        "MESSAGE",
    )
    print_answers(output, "executions", found, (Columns(titles, 3), _execution_row))


def _execution_row(run: ExecutionAnswer) -> tuple[str, ...]:
    status = coloured(run.status, RUN_MARKS.get(run.status, Mark.WAIT))
    known = (run.id, run.flow, run.configuration, run.environment, status, at(run.created), run.by)
    return (*known, at(run.completed), escape(", ".join(run.outputs)), escape(run.message))


def artifacts(
    flow: Flow = "",
    environment: Environment = "",
    limit: Limit = 20,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Artifacts that manifests declare, and those that the newest runs made."""
    found = answers(config, ArtifactAnswer, Where(flow, environment, limit))
    titles = ("ID", "NAME", "KIND", "ENVIRONMENT", "EXECUTION", "CREATED", "URL", "SCENARIO")
    print_answers(output, "artifacts", found, (Columns(titles, 1), _artifact_row))


def _artifact_row(found: ArtifactAnswer) -> tuple[str, ...]:
    known = (found.id, escape(found.name), found.kind, found.environment, found.execution or "")
    return (*known, at(found.created), escape(found.url), found.scenario)


def sources(config: ConfigFile = DEFAULT_CONFIG, output: Output = Form.TABLE) -> None:
    """Sources of flows: what each holds, and whether all of it can be read."""
    found = answers(config, SourceAnswer, Where(), "reading")
    titles = ("NAME", "KIND", "FLOWS", "BROKEN", "COMPLETE", "PROBLEM", "REVISION", "PLACE")
    print_answers(output, "sources", found, (Columns(titles, 2), _source_row))


def _source_row(found: SourceAnswer) -> tuple[str, ...]:
    complete = coloured("yes", Mark.OK) if found.complete else coloured("no", Mark.FAIL)
    counts = (str(found.flows), str(found.broken))
    return (
        found.name,
        found.kind,
        *counts,
        complete,
        escape(found.problem),
        found.revision[:12],
        escape(found.place),
    )


def tenants(config: ConfigFile = DEFAULT_CONFIG, output: Output = Form.TABLE) -> None:
    """Tenants: application, sync, quotas."""
    found = answers(config, TenantAnswer, Where())
    titles = (
        "NAME",
        "APPLICATION",
        "SYNC",
        "REVISION",
        "QUOTAS",
        "PROBLEM",
        "ENVIRONMENTS",
        "REPOSITORY",
        "PATH",
    )
    print_answers(output, "tenants", found, (Columns(titles, 3), _tenant_row))


def _tenant_row(found: TenantAnswer) -> tuple[str, ...]:
    quotas = ", ".join(f"{q.name} {q.used}/{q.limit}" for q in found.quotas)
    known = (found.name, found.application, found.sync, found.revision[:12], quotas, escape(found.problem))
    return (*known, ", ".join(found.environments), f"{found.repository} {found.branch}", found.path)


def print_answers(
    output: Form, kind: str, found: Sequence[A], shown: tuple[Columns, Callable[[A], tuple[str, ...]]]
) -> None:
    """`found` as a table, or as data under the name of its kind."""
    columns, row = shown
    data = {kind: [answer.model_dump(mode="json", by_alias=True) for answer in found]}
    rows = [row(answer) for answer in found]
    names = [name_of(answer) for answer in found]
    show(output, Sheet(data, columns.titles, rows, columns.wide, names))


def name_of(answer: Answer) -> str:
    """What `-o name` prints: flow/environment, an id, or a name."""
    if isinstance(answer, FlowAnswer):
        return f"{answer.name}/{answer.environment}"
    return str(getattr(answer, "id", "") or getattr(answer, "name", ""))


def at(time: datetime | None) -> str:
    """A time in UTC as tables show it."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else ""
