"""DAG and steps templates: who waits for whom, fan-out over items, and what the whole thing gives back."""

from __future__ import annotations

import asyncio
import graphlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aicore_sync.sandbox.workflow.calls import (
    Artifact,
    Call,
    Frame,
    Json,
    Outcome,
    TemplateError,
    children_scope,
    text,
)
from aicore_sync.sandbox.workflow.expressions import depends_holds, depends_names, when_holds
from aicore_sync.sandbox.workflow.substitute import TAG, substitute


async def run_dag(frame: Frame) -> Outcome:
    """Run every task as soon as the tasks it names have ended; a task whose condition fails is Omitted."""
    tasks = {task["name"]: task for task in frame.template["dag"].get("tasks") or []}
    needs = _needs(tasks)
    ended = {name: asyncio.Event() for name in tasks}
    results: dict[str, Outcome] = {}
    frame = _gated(frame)

    async def run(name: str) -> None:
        for other in sorted(needs[name]):
            await ended[other].wait()
        if _may_start(tasks[name], results) and not _lost(frame, tasks, needs, results):
            results[name] = await _child(frame, "tasks", tasks[name], results)
        else:
            frame.skipped(f"{frame.node}.{name}", "Omitted", "a task before it did not end as it must")
            results[name] = Outcome("Omitted")
        ended[name].set()

    async with asyncio.TaskGroup() as group:
        for name in tasks:
            group.create_task(run(name))
    bad = _failure(tasks, needs, results)
    return bad or _finish(frame, "tasks", results)


async def run_steps(frame: Frame) -> Outcome:
    """Run the groups one after the other, the steps of a group side by side."""
    results: dict[str, Outcome] = {}
    frame = _gated(frame)
    for number, group in enumerate(frame.template["steps"]):
        steps = group if isinstance(group, list) else [group]
        before = dict(results)
        numbered = replace(frame, node=f"{frame.node}[{number}]")
        async with asyncio.TaskGroup() as tasks:
            running = {
                step["name"]: tasks.create_task(_child(numbered, "steps", step, before)) for step in steps
            }
        results |= {name: task.result() for name, task in running.items()}
        for step in steps:
            if results[step["name"]].bad and not _continues(step, results[step["name"]]):
                return _as_failure(step["name"], results[step["name"]])
    return _finish(frame, "steps", results)


def _gated(frame: Frame) -> Frame:
    limit = frame.template.get("parallelism")
    return replace(frame, gate=asyncio.Semaphore(int(limit))) if limit else frame


def _needs(tasks: Mapping[str, Json]) -> dict[str, set[str]]:
    needs = {
        name: set(task.get("dependencies") or ())
        | (depends_names(task["depends"]) if task.get("depends") else set())
        for name, task in tasks.items()
    }
    for name, others in needs.items():
        for other in sorted(others - set(tasks)):
            raise TemplateError(f"task {name!r} depends on {other!r}, which does not exist")
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        raise TemplateError(f"tasks depend on each other in a circle: {' → '.join(error.args[1])}") from None
    return needs


def _may_start(task: Json, results: Mapping[str, Outcome]) -> bool:
    if task.get("depends"):
        return depends_holds(task["depends"], results)
    return all(
        results[name].phase in ("Succeeded", "Skipped") or _continues(task, results[name])
        for name in task.get("dependencies") or ()
    )


def _continues(task: Json, outcome: Outcome) -> bool:
    rule = task.get("continueOn") or {}
    return bool(
        (outcome.phase == "Failed" and rule.get("failed")) or (outcome.phase == "Error" and rule.get("error"))
    )


def _lost(
    frame: Frame, tasks: Mapping[str, Json], needs: Mapping[str, set[str]], results: Mapping[str, Outcome]
) -> bool:
    """Whether `failFast` (the default) forbids to start anything new: a last task of the DAG has failed."""
    return frame.template["dag"].get("failFast") is not False and _failure(tasks, needs, results) is not None


def _failure(
    tasks: Mapping[str, Json], needs: Mapping[str, set[str]], results: Mapping[str, Outcome]
) -> Outcome | None:
    """The failure that decides the DAG, if any.

    Only tasks that nobody waits for count; one that was skipped or omitted takes over the state of the tasks
    before it (Argo's assessDAGPhase), so a failure that another task handles does not fail the DAG.
    """
    waited_for = set().union(*needs.values()) if needs else set()

    def effective(name: str) -> Outcome | None:
        outcome = results.get(name)
        if outcome is None or outcome.phase == "Succeeded":
            return None
        if outcome.bad:
            return None if _continues(tasks[name], outcome) else _as_failure(name, outcome)
        return next((found for other in sorted(needs[name]) if (found := effective(other))), None)

    return next((found for name in tasks if name not in waited_for and (found := effective(name))), None)


def _as_failure(name: str, outcome: Outcome) -> Outcome:
    return Outcome(outcome.phase, f"{name}: {outcome.message}" if outcome.message else name)


async def _child(frame: Frame, prefix: str, child: Json, results: Mapping[str, Outcome]) -> Outcome:
    """One task or step: substitute, expand its items, check `when`, run."""
    node = f"{frame.node}.{child['name']}"
    try:
        scope, artifacts = children_scope(prefix, results)
        child = substitute(child, scope)
        items = _items(child)
        offered = {**frame.artifacts, **artifacts}
        if items is None:
            return await _single(frame, node, child, offered)
    except TemplateError as error:
        frame.skipped(node, "Error", str(error))
        return Outcome("Error", str(error))
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(_single(frame, f"{node}({i}:{text(item)})", _with_item(child, item), offered))
            for i, item in enumerate(items)
        ]
    return _joined(tuple(task.result() for task in running))


def _joined(outcomes: tuple[Outcome, ...]) -> Outcome:
    bad = next((item for item in outcomes if item.bad), None)
    if bad:
        return Outcome(bad.phase, bad.message, items=outcomes)
    return Outcome("Succeeded", items=outcomes)


def _items(child: Json) -> list[Any] | None:
    if "withItems" in child:
        return list(child["withItems"])
    if "withSequence" in child:
        return _sequence(child["withSequence"])
    if "withParam" not in child:
        return None
    try:
        items = json.loads(child["withParam"])
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise TemplateError(
            f"withParam of {child['name']!r} is {child['withParam'][:80]!r}, expected a JSON list"
        )
    return items


def _sequence(sequence: Json) -> list[str]:
    start = int(sequence.get("start") or 0)
    if "count" in sequence:
        numbers = range(start, start + int(sequence["count"]))
    else:
        end = int(sequence["end"])
        numbers = range(start, end + 1) if end >= start else range(start, end - 1, -1)
    return [(sequence.get("format") or "%d") % number for number in numbers]


def _with_item(child: Json, item: Any) -> Json:
    scope = {"item": text(item)}
    if isinstance(item, dict):
        scope |= {f"item.{key}": text(value) for key, value in item.items()}
    return substitute(
        {k: v for k, v in child.items() if k not in ("withParam", "withItems", "withSequence")}, scope
    )


async def _single(frame: Frame, node: str, child: Json, offered: Mapping[str, Artifact]) -> Outcome:
    try:
        if child.get("when") and not when_holds(child["when"]):
            frame.skipped(node, "Skipped", f"when {child['when']!r} evaluated false")
            return Outcome("Skipped")
        if "template" not in child:
            raise TemplateError(
                f"{child['name']!r} has no `template`; templateRef and inline are not supported here"
            )
        arguments = child.get("arguments") or {}
        parameters = {p["name"]: text(p["value"]) for p in arguments.get("parameters") or [] if "value" in p}
        artifacts = _passed_on(arguments.get("artifacts") or [], offered)
    except TemplateError as error:
        frame.skipped(node, "Error", str(error))
        return Outcome("Error", str(error))
    async with frame.gate:
        return await frame.execute(Call(node, child["template"], parameters, artifacts))


def _passed_on(arguments: list[Json], offered: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Artifacts that a child is given by `from`; one that nobody made is left out (it may be optional)."""
    found = {a["name"]: offered.get(_tag(a["from"])) for a in arguments if a.get("from")}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def _tag(reference: str) -> str:
    match = TAG.fullmatch(reference.strip())
    return match.group(1).strip() if match else reference


def _finish(frame: Frame, prefix: str, results: Mapping[str, Outcome]) -> Outcome:
    """The outputs that the template declares, from those of its children."""
    scope, artifacts = children_scope(prefix, results)
    outputs = substitute(frame.template.get("outputs") or {}, scope)
    offered = {**frame.artifacts, **artifacts}
    parameters = {p["name"]: _output_parameter(p) for p in outputs.get("parameters") or []}
    made = _passed_on(outputs.get("artifacts") or [], offered)
    for declared in outputs.get("artifacts") or []:
        if declared["name"] not in made and not declared.get("optional"):
            raise TemplateError(f"output artifact {declared['name']!r}: nothing at {declared.get('from')!r}")
    return Outcome("Succeeded", parameters=parameters, artifacts=made)


def _output_parameter(declared: Json) -> str:
    source = declared.get("valueFrom") or {}
    value = declared.get("value", source.get("parameter"))
    unresolved = isinstance(value, str) and re.search(r"\{\{(tasks|steps)\.", value)
    if value is None or unresolved:
        if "default" in source:
            return text(source["default"])
        raise TemplateError(f"output parameter {declared['name']!r}: no value for {value or 'it'!r}")
    return text(value)
