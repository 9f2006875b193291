"""What AI Core cannot do: refused before anything is compiled, by name, with what to do instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from metaflow.exception import MetaflowException


class NotOnAICore(MetaflowException):
    """A flow asks for something that does not exist on AI Core; the message says what to do."""

    headline = "AI Core cannot run this flow"


class BrokenGraph(MetaflowException):
    """What Metaflow's own check of the graph stumbles over instead of telling it."""

    headline = "The flow's graph is broken"


_OTHER_COMPUTER = "remove it; on AI Core every step is a pod, sized by @resources or @aicore(resource_plan=…)"
_PACKAGES = (
    "AI Core pods cannot install conda or pip environments of Metaflow; "
    "build the packages into the image and name it by @aicore(image=…)"
)
STEPS = {
    **dict.fromkeys(
        ("batch", "slurm", "snowpark", "nvidia", "nvct", "skypilot_step", "titus"), _OTHER_COMPUTER
    ),
    **dict.fromkeys(("conda", "pypi", "uv"), _PACKAGES),
    "secrets": "it reads secret managers of other clouds; register a generic secret with AI Core and name it "
    "in aicore.yaml (secrets), or by @aicore(secrets=[…])",
    "parallel": "it needs several pods at once that know each other, which AI Core does not start; "
    "use a foreach, or one machine with several GPUs",
}
FLOWS = {
    **dict.fromkeys(("conda_base", "pypi_base"), _PACKAGES),
    "trigger": "it needs Argo Events; use @schedule, or bind the flow's input to another flow's output "
    "in aicore.yaml",
    "trigger_on_finish": "it needs Argo Events; bind the flow's input to another flow's output in aicore.yaml",
    "exit_hook": "AI Core has no exit hooks; watch the execution's status, or let aicore-sync notify you",
}


def variable_problem(name: str, text: str) -> str:
    """Why a pod cannot have this variable, or ""."""
    if not re.fullmatch(r"[A-Za-z_.-][\w.-]*", name, re.ASCII):
        return f"{name!r} is no name of a variable; use letters, digits and _, no digit first"
    if "{{" in text:
        return (
            f"the value of {name} contains '{{{{', which Argo would substitute; write it differently, "
            "for example with a space between the braces"
        )
    return ""


def refuse(flow: Any, graph: Any, environment: Any, datastore: str) -> None:
    """Raises NotOnAICore with everything that is wrong, one line each, and BrokenGraph."""
    _require_bodies(graph)
    problems = list(_problems(flow, graph, environment, datastore))
    if problems:
        raise NotOnAICore("\n".join(text for text, _ in problems), problems[0][1])


def _require_bodies(graph: Any) -> None:
    nodes = {node.name: node for node in graph}
    for node in nodes.values():
        ends = [n for n in node.out_funcs if n in nodes and nodes[n].type == "join"]
        if node.type == "foreach" and ends:
            raise BrokenGraph(
                f"step {node.name}: its foreach goes straight to the join {ends[0]}; put a step between them",
                node.func_lineno,
            )


def _problems(flow: Any, graph: Any, environment: Any, datastore: str) -> Iterator[tuple[str, int | None]]:
    if datastore != "s3":
        yield (
            f"the datastore is {datastore}, and pods of AI Core reach S3 only: set "
            "METAFLOW_DEFAULT_DATASTORE=s3 and METAFLOW_DATASTORE_SYSROOT_S3=s3://BUCKET/PREFIX",
            None,
        )
    if environment.TYPE != "local":
        yield f"--environment={environment.TYPE}: {_PACKAGES}", None
    for name in sorted(set(flow._flow_decorators) & set(FLOWS)):
        if flow._flow_decorators[name]:
            yield f"@{name} on the flow: {FLOWS[name]}", None
    for node in sorted(graph, key=lambda n: n.func_lineno):
        yield from _of_step(node)


def _of_step(node: Any) -> Iterator[tuple[str, int | None]]:
    where = f"step {node.name} (line {node.func_lineno})"
    for decorator in node.decorators:
        off = decorator.attributes.get("disabled") in (True, "True", "true", "1")
        if decorator.name in STEPS and not off:
            yield f"{where}: @{decorator.name}: {STEPS[decorator.name]}", node.func_lineno
        elif getattr(decorator, "IS_PARALLEL", False):
            yield f"{where}: @{decorator.name}: {STEPS['parallel']}", node.func_lineno
    if getattr(node, "parallel_foreach", False):
        yield f"{where}: num_parallel: {STEPS['parallel']}", node.func_lineno
    if node.type == "split-switch":
        yield (
            f"{where}: self.next(…, condition=…): a conditional transition is not translated; run both "
            "branches and let the one that is not meant return early",
            node.func_lineno,
        )
