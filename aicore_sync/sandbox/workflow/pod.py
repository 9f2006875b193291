"""One pod: a container's command as a local process, with its inputs before and its outputs after."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.workflow.artifacts import collect, place
from aicore_sync.sandbox.workflow.calls import Artifact, Json, Outcome, TemplateError, text
from aicore_sync.sandbox.workflow.environment import base_environment, container_environment, volume_files
from aicore_sync.sandbox.workflow.isolation import (
    HOME,
    LAUNCHER,
    Layout,
    claimed_paths,
    interpreter_directories,
)
from aicore_sync.sandbox.workflow.model import Listener, RunRequest
from aicore_sync.sandbox.workflow.process import Command, run_command
from aicore_sync.sandbox.workflow.substitute import expand

_LONGEST_RESULT = 256 * 1024
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Pod:
    """`name` is unique in the run; `template` has all tags replaced; `volumes` are those of the workflow."""

    name: str
    template: Json
    artifacts: Mapping[str, Artifact]
    volumes: tuple[Json, ...] = ()
    claims: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Machine:
    """Where pods run: the request they belong to, who listens, and how they are kept apart ("ns" or "shim")."""

    request: RunRequest
    listener: Listener
    isolation: str
    keep: tuple[str, ...] = ()


async def run_pod(machine: Machine, pod: Pod) -> Outcome:
    """Run one container to its end.

    Failed: it ended with another code than 0, or its deadline came. `TemplateError`: it could not be started,
    or an output is missing. Cancelling kills its process group.
    """
    layout = _layout(machine, pod)
    container = _container(pod.template)
    try:
        await asyncio.to_thread(_prepare, machine, pod, layout)
        command = _command(machine, pod, layout)
    except OSError as error:
        raise TemplateError(f"the pod's directory could not be prepared: {error}") from error
    listener, stdout = machine.listener, _Result()

    def on_line(stream: str, line: str) -> None:
        if stream == "stdout":
            stdout.add(line)
        listener.log(pod=pod.name, container="main", stream=stream, line=line)

    note = (
        f"image {container.get('image')} is not used; the command runs on this machine with {sys.executable}"
    )
    listener.log(pod=pod.name, container="sandbox", stream="stdout", line=f"sandbox: {note}")
    try:
        ended = await run_command(command, on_line)
    except OSError as error:
        raise TemplateError(f"the container could not be started: {error.strerror}") from error
    if ended.timed_out:
        message = f"killed: it ran longer than its deadline of {command.deadline:g} s"
        return Outcome("Failed", message, exit_code=ended.exit_code)
    if ended.exit_code != 0:
        return Outcome(
            "Failed", f"Error (exit code {ended.exit_code})", exit_code=ended.exit_code, result=stdout.text
        )
    try:
        return await asyncio.to_thread(_outputs, machine, pod, layout, stdout.text)
    except OSError as error:
        raise TemplateError(f"the outputs could not be read: {error}") from error


class _Result:
    """The first part of what a container wrote to stdout: `outputs.result`."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0

    def add(self, line: str) -> None:
        if self._size < _LONGEST_RESULT:
            self._lines.append(line)
            self._size += len(line) + 1

    @property
    def text(self) -> str:
        return "\n".join(self._lines)


def _container(template: Json) -> Json:
    for kind in ("container", "script"):
        if template.get(kind):
            container: Json = template[kind]
            return container
    raise TemplateError(f"template {template.get('name')!r} has neither container nor script")


def _layout(machine: Machine, pod: Pod) -> Layout:
    template, container = pod.template, _container(pod.template)
    inputs, outputs = template.get("inputs") or {}, template.get("outputs") or {}
    paths = [
        a["path"]
        for a in [*(inputs.get("artifacts") or []), *(outputs.get("artifacts") or [])]
        if a.get("path")
    ]
    files = [(p.get("valueFrom") or {}).get("path") for p in outputs.get("parameters") or []]
    mounts = container.get("volumeMounts") or []
    shared = {
        str(mount["mountPath"]).rstrip("/"): machine.request.workdir / "volumes" / mount["name"]
        for mount in mounts
        if mount["name"] in pod.claims
    }
    own = [
        m["mountPath"]
        for m in mounts
        if m["name"] not in pod.claims and not m["mountPath"].startswith("/dev/")
    ]
    claimed = claimed_paths([*paths, *filter(None, files), *own, container.get("workingDir") or HOME])
    root = machine.request.workdir.absolute() / "pods" / pod.name / "root"
    return Layout(machine.isolation, root, claimed, shared, (*interpreter_directories(), *machine.keep))


def _prepare(machine: Machine, pod: Pod, layout: Layout) -> None:
    """Make the pod's directories, put secrets and input artifacts in their places. Blocking."""
    layout.root.mkdir(parents=True)
    container = _container(pod.template)
    for directory in ("/tmp", "/mnt/out", HOME, container.get("workingDir") or HOME):  # noqa: S108
        layout.host(directory).mkdir(parents=True, exist_ok=True)
    outputs = pod.template.get("outputs") or {}
    files = [(p.get("valueFrom") or {}).get("path") for p in outputs.get("parameters") or []]
    for path in [*filter(None, files), *(a["path"] for a in outputs.get("artifacts") or [])]:
        layout.host(path).parent.mkdir(parents=True, exist_ok=True)
    for directory in layout.shared.values():
        directory.mkdir(parents=True, exist_ok=True)
    _fill_volumes(machine, pod, layout)
    for declared in (pod.template.get("inputs") or {}).get("artifacts") or []:
        source = _source(declared, pod.artifacts, machine.request)
        if "raw" in declared:
            target = layout.host(declared["path"])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(declared["raw"].get("data", ""))
        elif source is not None:
            place(declared, source, layout.host(declared["path"]), machine.request.store)
        elif not declared.get("optional"):
            raise TemplateError(f"input artifact {declared['name']!r} is not bound")


def _source(declared: Json, given: Mapping[str, Artifact], request: RunRequest) -> Artifact | None:
    if declared["name"] in given:
        return given[declared["name"]]
    if (declared.get("s3") or {}).get("key"):
        return Artifact(address=declared["s3"]["key"])
    address = request.inputs.get(declared["name"])
    return None if address is None else Artifact(address=address)


def _fill_volumes(machine: Machine, pod: Pod, layout: Layout) -> None:
    volumes = {v["name"]: v for v in [*pod.volumes, *(pod.template.get("volumes") or [])]}
    for mount in _container(pod.template).get("volumeMounts") or []:
        directory = layout.host(mount["mountPath"])
        if not mount["mountPath"].startswith("/dev/"):
            directory.mkdir(parents=True, exist_ok=True)
        for name, content in volume_files(volumes.get(mount["name"], {}), machine.request.secrets).items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


def _command(machine: Machine, pod: Pod, layout: Layout) -> Command:
    container = _container(pod.template)
    fields = {
        "metadata.name": pod.name,
        "metadata.namespace": "default",
        "metadata.uid": pod.name,
        "spec.serviceAccountName": "default",
        "spec.nodeName": "sandbox",
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
    }
    own = container_environment(container, fields, machine.request.secrets)
    base = base_environment(layout.inside(HOME), layout.inside("/tmp"))  # noqa: S108
    # Metaflow keeps parameters for later steps, in which the paths of this pod mean nothing.
    local = {
        key: value if key.startswith("METAFLOW_INIT_") else layout.rewrite(value)
        for key, value in own.items()
    }
    env = {**base, **machine.request.env, **local}
    words = [
        expand(text(word), own)
        for word in [*(container.get("command") or []), *(container.get("args") or [])]
    ]
    if "script" in pod.template:
        words.append(_script(container, layout))
    if not container.get("command"):
        raise TemplateError("the container has no `command`; AI Core ignores what the image starts by itself")
    plan = layout.root.parent / "plan.json"
    plan.write_text(json.dumps(layout.plan(container.get("workingDir") or HOME)))
    argv = [sys.executable, "-I", "-S", str(LAUNCHER), str(plan), *(layout.rewrite(word) for word in words)]
    return Command(argv, layout.environment(env), _deadline(pod.template))


def _script(container: Json, layout: Layout) -> str:
    inside = "/mnt/script"
    layout.host(inside).write_text(layout.rewrite(container.get("source") or ""))
    return inside


def _deadline(template: Json) -> float | None:
    limits = [seconds(template[key]) for key in ("activeDeadlineSeconds", "timeout") if template.get(key)]
    return min(limits, default=None)


def seconds(value: Any) -> float:
    """A duration of Argo ("30", 30, "2m", "1h30m") in seconds. Raises `TemplateError`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", str(value))
    if not parts or "".join(number + unit for number, unit in parts) != str(value):
        raise TemplateError(f"{value!r} is not a duration; expected seconds or something like 30s, 5m, 1h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _outputs(machine: Machine, pod: Pod, layout: Layout, result: str) -> Outcome:
    declared = pod.template.get("outputs") or {}
    parameters = {p["name"]: _parameter(p, layout) for p in declared.get("parameters") or []}
    into = machine.request.workdir / "artifacts" / pod.name
    artifacts = {a["name"]: collect(a, layout.host(a["path"]), into) for a in declared.get("artifacts") or []}
    made = {name: artifact for name, artifact in artifacts.items() if artifact is not None}
    return Outcome("Succeeded", parameters=parameters, artifacts=made, exit_code=os.EX_OK, result=result)


def _parameter(declared: Json, layout: Layout) -> str:
    if "value" in declared:
        return text(declared["value"])
    source = declared.get("valueFrom") or {}
    file: Path | None = layout.host(source["path"]) if "path" in source else None
    if file is not None and file.is_file():
        return file.read_text(errors="replace").removesuffix("\n")
    if "default" in source:
        return text(source["default"])
    raise TemplateError(
        f"output parameter {declared['name']!r}: the step left no file at {source.get('path')}"
    )
