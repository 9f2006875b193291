"""Small templates and a listener for the tests of the workflow interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.workflow import NodeState, RunOptions, RunRequest, RunResult, run_workflow


@dataclass
class Recorder:
    """Keeps what a run says; `on_line` hears every line of a container at once."""

    on_line: Callable[[str], None] = lambda line: None
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    nodes: dict[str, list[NodeState]] = field(default_factory=dict)

    def log(self, *, pod: str, container: str, stream: str, line: str) -> None:
        if container == "main":
            self.lines.append((pod, stream, line))
            self.on_line(line)

    def node(self, node: NodeState) -> None:
        self.nodes.setdefault(node.name, []).append(node)

    @property
    def text(self) -> list[str]:
        return [line for _, _, line in self.lines]


def sh(name: str, script: str, **more: Any) -> dict[str, Any]:
    """A container template that runs a shell script. `params` names its input parameters, `env` its variables."""
    container = {"image": "any", "command": ["bash", "-c"], "args": [script]}
    container |= {
        key: more.pop(key) for key in ("env", "envFrom", "volumeMounts", "workingDir") if key in more
    }
    inputs: dict[str, Any] = {"parameters": [{"name": p} for p in more.pop("params", ())]}
    inputs["artifacts"] = more.pop("takes", [])
    return {"name": name, "inputs": inputs, "container": container, **more}


def task(name: str, template: str = "", **more: Any) -> dict[str, Any]:
    """A task or step; `give` holds its parameters."""
    parameters = [{"name": key, "value": value} for key, value in more.pop("give", {}).items()]
    arguments: dict[str, Any] = {"parameters": parameters, "artifacts": more.pop("pass_on", [])}
    return {"name": name, "template": template or name, "arguments": arguments, **more}


def dag(name: str, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "dag": {"tasks": list(tasks), **more.pop("dag", {})}, **more}


def workflow(*templates: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A WorkflowTemplate whose first template is the entrypoint."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": "under-test"},
        "spec": {"entrypoint": templates[0]["name"], "templates": list(templates), **spec},
    }


@dataclass(frozen=True)
class Bench:
    """Runs templates with one kind of isolation."""

    workdir: Path
    options: RunOptions

    async def run(
        self, template: dict[str, Any], recorder: Recorder | None = None, **request: Any
    ) -> tuple[RunResult, Recorder]:
        heard = recorder or Recorder()
        parts: dict[str, Any] = {
            "parameters": {},
            "inputs": {},
            "secrets": {},
            "store": None,
            "env": {},
            **request,
        }
        wanted = RunRequest(id="run1", template=template, workdir=self.workdir / "run1", **parts)
        return await run_workflow(wanted, heard, self.options), heard

    def keeping(self, *paths: Path) -> Bench:
        return replace(self, options=replace(self.options, keep=tuple(map(str, paths))))
