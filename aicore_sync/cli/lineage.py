"""Commands that show what hangs together: tree, trace, compare, ticks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from aicore_sync.cli.ask import answers
from aicore_sync.cli.get import RUN_MARKS, Columns, Environment, at, print_answers
from aicore_sync.cli.work import DEFAULT_CONFIG, ConfigFile, Output
from aicore_sync.core.answers import ComparedAnswer, Node, TickAnswer, TraceAnswer, Where
from aicore_sync.core.model import Mark
from aicore_sync.terminal import Form, Sheet, coloured, print_tree, show

_STATES = RUN_MARKS | {"ACTIVE": Mark.OK, "INACTIVE": Mark.OFF}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (tree, trace, compare, ticks):
        app.command()(command)


def tree(
    scenario: Annotated[str, typer.Argument(help="Id of a scenario; all of ours when absent.")] = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """A scenario as a tree: flow, template, configuration, schedule, execution, artifact."""
    found = answers(config, Node, Where(scenario=scenario))
    if output in (Form.TABLE, Form.WIDE):
        for node in found:
            print_tree(_branch(node))
        return
    data = {"scenarios": [node.model_dump(mode="json", by_alias=True) for node in found]}
    show(output, Sheet(data, (), (), names=[node.name for node in found]))


def _branch(node: Node) -> Tree:
    branch = Tree(_words(node))
    for child in node.children:
        branch.add(_branch(child))
    return branch


def _words(node: Node) -> str:
    state = coloured(node.state, _STATES[node.state]) if node.state in _STATES else escape(node.state)
    identity = node.id if node.id not in (node.name, node.name.partition("@")[0]) else ""
    return " ".join(filter(None, (f"[bold]{node.kind}[/]", escape(node.name), identity, state)))


def trace(
    execution: Annotated[str, typer.Argument(help="The execution's id.")],
    environment: Environment = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Back from a run: configuration, commit of its template, revision of the source, author."""
    where = Where(environment=environment, executions=(execution,))
    (found,) = answers(config, TraceAnswer, where)
    rows = [row for row in _steps(found) if row[1]]
    data = found.model_dump(mode="json", by_alias=True)
    show(output, Sheet(data, ("WHAT", "IS", "MORE"), rows, names=[found.execution.id]))


def _steps(found: TraceAnswer) -> list[tuple[str, str, str]]:
    run, made, version = found.execution, found.configuration, found.template
    status = coloured(run.status, RUN_MARKS.get(run.status, Mark.WAIT))
    rows = [("execution", run.id, f"{status} in {run.environment}, begun {at(run.created)} by {run.by}")]
    if made:
        values = ", ".join(f"{name}={value}" for name, value in made.parameters.items())
        rows.append(("configuration", f"{made.name} {made.id}", escape(values)))
    if version:
        known = "by the mark of the run" if found.certain else "published when it began"
        rows.append(("template", f"{version.executable} {version.version}", known))
        rows.append(("commit", version.commit, f"{at(version.at)} {escape(version.author)}"))
    rows.append(("source", escape(found.source), found.source_commit))
    rows.append(("author", escape(found.author), escape(found.subject)))
    return rows


def compare(
    executions: Annotated[list[str], typer.Argument(help="Ids of two executions or more.")],
    environment: Environment = "",
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """Parameters, inputs, metrics and times of runs side by side; what differs is in bold."""
    where = Where(environment=environment, executions=tuple(executions))
    (found,) = answers(config, ComparedAnswer, where)
    names = [run.id for run in found.executions]
    rows = []
    for line in found.lines:
        values = [f"[bold]{escape(v)}[/]" if line.differs else escape(v) for v in line.values]
        rows.append((f"{line.group} {line.name}".strip(), *values))
    data = found.model_dump(mode="json", by_alias=True)
    show(output, Sheet(data, ("", *names), rows, names=names))


def ticks(
    flow: Annotated[str, typer.Argument(help="Executable id of a flow; all when absent.")] = "",
    environment: Environment = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many runs to show.")] = 10,
    config: ConfigFile = DEFAULT_CONFIG,
    output: Output = Form.TABLE,
) -> None:
    """The next runs of all active schedules, soonest first, in UTC, without daylight saving time, and in local time."""
    found = answers(config, TickAnswer, Where(flow, environment, count))
    columns = Columns(("UTC (NO DST)", "LOCAL", "FLOW", "NAME", "ENVIRONMENT", "CRON"))
    print_answers(output, "ticks", found, (columns, _tick_row))


def _tick_row(tick: TickAnswer) -> tuple[str, ...]:
    return at(tick.at), _local(tick.at), tick.flow, tick.name, tick.environment, tick.cron


def _local(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S %Z}"
