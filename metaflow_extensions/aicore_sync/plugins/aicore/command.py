"""`python flow.py aicore create` and `aicore show`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from metaflow._vendor import click

from . import delivery, hardware
from .compiler import Source, compile_flow
from .model import INSTANCE_TYPE, NONE, RESOURCE_PLAN, Machine, Options, Step
from .package import library as packed_library
from .refused import variable_problem


@click.group()
def cli() -> None:
    """Where Metaflow looks for the group below."""


@cli.group(help="Commands related to SAP AI Core.")
@click.option("--name", default="", help="Executable id of the template; made of the flow's name otherwise.")
@click.pass_obj
def aicore(obj: Any, name: str) -> None:
    obj.aicore_name = name


_OPTIONS = (
    click.option("--scenario", default="", help="Scenario id; the executable id otherwise."),
    click.option("--scenario-name", default="", help="Scenario name; the scenario id otherwise."),
    click.option("--version", default="0.1.0", show_default=True, help="Becomes the executable's versionId."),
    click.option("--image", default="", help="Image of the steps that name none, with its registry."),
    click.option("--plan", "plans", multiple=True, help="STEP=NAME, or NAME for the steps that ask for nothing."),
    click.option("--instance-type", "types", multiple=True, help="The same with an instance type."),
    click.option("--instance-types", default="", help="The answer of GET /admin/resources/instanceTypes, or its file."),
    click.option("--image-pull-secret", "image_pull_secrets", multiple=True, help="Docker registry secret."),
    click.option("--secret", "secrets", multiple=True, help="Generic secret whose entries every step gets."),
    click.option("--env", "environment", multiple=True, help="NAME=VALUE for every step."),
    click.option("--max-workers", default=100, show_default=True, help="Pods at a time."),
    click.option("--workflow-timeout", default=0, help="Seconds that a run may take."),
    click.option("--embedded", is_flag=True, help="The image holds the code; download nothing."),
    click.option("--library", default="", hidden=True, help="File with the packed library part."),
)  # fmt: skip


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@aicore.command(help="Make the WorkflowTemplate of this flow, and upload what it needs.")
@_with_options
@click.option("--only-json", is_flag=True, help="Upload nothing.")
@click.option("-o", "--output", default="", help="Write the template to this file.")
@click.pass_obj
def create(obj: Any, only_json: bool, output: str, **given: Any) -> None:
    obj.check(obj.graph, obj.flow, obj.environment, pylint=obj.pylint)
    compiled = compile_flow(Source.of(obj), options(obj.aicore_name, given))
    delivery.deliver(compiled, delivery.Desk(obj, only_json, output))


@aicore.command(help="Show steps, plans, artifacts and parameters as AI Core will see them.")
@_with_options
@click.pass_obj
def show(obj: Any, **given: Any) -> None:
    obj.check(obj.graph, obj.flow, obj.environment, pylint=False)
    compiled = compile_flow(Source.of(obj), options(obj.aicore_name, given))
    plan = compiled.plan
    lines = [f"{compiled.flow} becomes {compiled.document['metadata']['name']}"]
    if compiled.schedule:
        lines.append(f"schedule  {compiled.schedule} {compiled.timezone or 'UTC'}")
    for p in plan.parameters if plan else ():
        default = "must be bound" if p.default is None else f"default {p.default}"
        lines.append(f"parameter {p.name} ({p.kind}) {'default None' if p.default == NONE else default}")
    for step in plan.steps if plan else ():
        lines += _about(step)
    lines += delivery.remarks(compiled)
    obj.echo_always("\n".join(lines), err=False, no_bold=True)


def _about(step: Step) -> list[str]:
    retries = f", {step.retries.user} retries" if step.retries.user else ""
    lines = [f"step      {step.name}: {step.machine.name}, {step.image}{retries}"]
    lines += [f"          reads  {a['name']} at {a['path']}" for a in step.inputs]
    lines += [f"          writes {a['globalName']} from {a['path']}" for a in step.outputs]
    return lines


@aicore.command(help="Write the part of the code package that all flows share.", hidden=True)
@click.argument("file")
def library(file: str) -> None:
    Path(file).write_bytes(packed_library())


def options(name: str, given: dict[str, Any]) -> Options:
    """The command line as values. Raises click.UsageError, naming the option."""
    pairs = [text.partition("=") for text in given.pop("environment")]
    for key, sign, value in pairs:
        if not key or not sign:
            raise click.UsageError(f"--env {key!r}: expected NAME=VALUE")
        if problem := variable_problem(key, value):
            raise click.UsageError(f"--env: {problem}")
    chosen = (*_chosen(RESOURCE_PLAN, given.pop("plans")), *_chosen(INSTANCE_TYPE, given.pop("types")))
    machines, timeout = _machines(given.pop("instance_types")), given.pop("workflow_timeout")
    rest: dict[str, Any] = {k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in given.items()}
    variables = tuple(sorted((k, v) for k, _, v in pairs))
    fixed: dict[str, Any] = {"environment": variables, "chosen": chosen, "machines": machines}
    return Options(name=name, timeout=timeout, **fixed, **rest)


def _chosen(label: str, texts: Iterable[str]) -> Iterator[tuple[str, Machine]]:
    for text in texts:
        step, sign, name = text.rpartition("=")
        yield (step if sign else "*"), Machine(label, name)


def _machines(given: str) -> tuple[Machine, ...]:
    if not given:
        return ()
    try:
        text = given if given.startswith("{") else Path(given).read_text(encoding="utf-8")
        return hardware.instance_types(json.loads(text))
    except (OSError, ValueError, AttributeError) as error:
        raise click.UsageError(f"--instance-types {given}: {error}") from error
