"""Runs one workflow: calls templates, retries pods, keeps the state of every node, collects the outputs."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from aicore_sync.sandbox.workflow.artifacts import upload
from aicore_sync.sandbox.workflow.calls import Artifact, Call, Frame, Json, Outcome, TemplateError, text
from aicore_sync.sandbox.workflow.check import parameters, problems
from aicore_sync.sandbox.workflow.graph import run_dag, run_steps
from aicore_sync.sandbox.workflow.isolation import choose
from aicore_sync.sandbox.workflow.model import (
    Listener,
    NodePhase,
    NodeState,
    Output,
    RunOptions,
    RunPhase,
    RunRequest,
    RunResult,
)
from aicore_sync.sandbox.workflow.pod import Machine, Pod, run_pod, seconds
from aicore_sync.sandbox.workflow.substitute import substitute

# Pods of all runs in this loop share the processors; a pod waits most of its time for its Pythons to start.
_SLOTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def run_workflow(
    request: RunRequest, listener: Listener, options: RunOptions | None = None
) -> RunResult:
    """Run a WorkflowTemplate to its end.

    Failed: a container failed or a deadline came; Error: the template, its bindings or its outputs are wrong
    (then no pod may have started). Cancelling the task kills the process group of every pod and raises
    CancelledError. `request.workdir` is removed at the end.
    """
    found = problems(request)
    if found:
        return RunResult("Error", "; ".join(found))
    chosen = options or RunOptions.from_environment(os.environ)
    mode = await asyncio.to_thread(choose, chosen.isolation)
    try:
        return await _Run(request, listener, chosen, Machine(request, listener, mode, chosen.keep)).run()
    finally:
        if not chosen.keep_files:
            await asyncio.to_thread(shutil.rmtree, request.workdir, ignore_errors=True)


def _slots() -> asyncio.Semaphore:
    return _SLOTS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore((os.cpu_count() or 1) + 1))


def fnv1a(name: str) -> int:
    """The 32-bit FNV-1a hash that Argo puts at the end of node ids and pod names."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


@dataclass
class _Run:
    request: RunRequest
    listener: Listener
    options: RunOptions
    machine: Machine
    nodes: dict[str, NodeState] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)  # tags that only the exit handler has

    def __post_init__(self) -> None:
        spec = self.request.template["spec"]
        created = self.options.now()
        self.scope = {
            "workflow.name": self.request.id,
            "workflow.uid": self.request.id,
            "workflow.namespace": "default",
            "workflow.serviceAccountName": "default",
            "workflow.mainEntrypoint": spec["entrypoint"],
            "workflow.creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "workflow.creationTimestamp.s": str(int(created.timestamp())),
        }
        values = {name: value or "" for name, value in parameters(self.request).items()}
        self.scope |= {f"workflow.parameters.{name}": value for name, value in values.items()}
        self.spec: Json = substitute(spec, self.scope)
        self.templates: dict[str, Json] = {template["name"]: template for template in self.spec["templates"]}
        self.parallel = asyncio.Semaphore(int(self.spec.get("parallelism") or 1000))

    async def run(self) -> RunResult:
        deadline = self.spec.get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(seconds(deadline) if deadline else None):
                outcome = await self.call(Call(self.request.id, self.spec["entrypoint"]))
                outcome = await self._at_exit(outcome)
        except TimeoutError:
            outcome = Outcome("Failed", f"the execution ran longer than its deadline of {deadline} s")
        except TemplateError as error:
            outcome = Outcome("Error", str(error))
        phase: RunPhase = "Failed" if outcome.phase == "Failed" else "Error" if outcome.bad else "Succeeded"
        return RunResult(phase, outcome.message, tuple(self.outputs.values()), tuple(self.nodes.values()))

    async def _at_exit(self, outcome: Outcome) -> Outcome:
        """Run `onExit`, which is told how the workflow ended; the workflow fails when its exit handler does."""
        handler = self.spec.get("onExit")
        if not handler:
            return outcome
        self.late = {"workflow.status": outcome.phase, "workflow.failures": text(outcome.message)}
        last = await self.call(Call(f"{self.request.id}.onExit", handler))
        return Outcome(last.phase, f"onExit: {last.message}") if last.bad and not outcome.bad else outcome

    # nodes

    def _report(self, node: NodeState) -> None:
        self.nodes[node.id] = node
        self.listener.node(node)

    def _begin(self, name: str, kind: str, node_id: str) -> NodeState:
        node = NodeState(node_id, name, kind, "Running", started_at=self.options.now())
        self._report(node)
        return node

    def _end(self, node: NodeState, outcome: Outcome) -> None:
        ended = replace(node, phase=outcome.phase, exit_code=outcome.exit_code, message=outcome.message)
        self._report(replace(ended, finished_at=self.options.now()))

    def _skipped(self, name: str, phase: NodePhase, message: str) -> None:
        now = self.options.now()
        self._report(NodeState(self._id(name), name, "Skipped", phase, None, message, now, now))

    def _id(self, name: str) -> str:
        return self.request.id if name == self.request.id else f"{self.request.id}-{fnv1a(name)}"

    # calls

    async def call(self, call: Call) -> Outcome:
        """Run a template as a node. Never raises for what a template or a container did wrong."""
        template = self.templates[call.template]
        kind = next(k for k in ("dag", "steps", "container", "script") if template.get(k))
        try:
            scope, artifacts = self._inputs(template, call)
            if kind in ("container", "script"):
                return await self._pods(template, call, scope, artifacts)
        except TemplateError as error:
            self._skipped(call.node, "Error", str(error))
            return Outcome("Error", str(error))
        body = substitute(template, scope)
        frame = Frame(call.node, body, artifacts, self.call, self._skipped)
        return await self._inner(frame, kind)

    async def _inner(self, frame: Frame, kind: str) -> Outcome:
        node = self._begin(frame.node, "DAG" if kind == "dag" else "Steps", self._id(frame.node))
        try:
            outcome = await (run_dag(frame) if kind == "dag" else run_steps(frame))
            await self._publish(frame.template, outcome)
        except TemplateError as error:
            outcome = Outcome("Error", str(error))
        except asyncio.CancelledError:
            self._end(node, Outcome("Failed", "stopped"))
            raise
        self._end(node, outcome)
        return outcome

    def _inputs(self, template: Json, call: Call) -> tuple[dict[str, str], dict[str, Artifact]]:
        declared = template.get("inputs") or {}
        scope: dict[str, str] = dict(self.late)
        for parameter in declared.get("parameters") or []:
            name = parameter["name"]
            value = call.parameters.get(name, parameter.get("value", parameter.get("default")))
            if value is None:
                raise TemplateError(
                    f"{call.node}: the input parameter {name!r} of {call.template!r} has no value"
                )
            scope[f"inputs.parameters.{name}"] = text(value)
        return scope, {f"inputs.artifacts.{name}": artifact for name, artifact in call.artifacts.items()}

    # pods

    async def _pods(
        self, template: Json, call: Call, scope: Mapping[str, str], artifacts: Mapping[str, Artifact]
    ) -> Outcome:
        """One pod, or one per attempt; the outputs of the attempt that succeeded count."""
        strategy = substitute(template.get("retryStrategy") or {}, scope)
        if not strategy:
            return await self._pod(template, call, scope, artifacts)
        node = self._begin(call.node, "Retry", self._id(call.node))
        try:
            outcome = await self._attempts(template, call, scope, artifacts, strategy)
        except asyncio.CancelledError:
            self._end(node, Outcome("Failed", "stopped"))
            raise
        self._end(node, outcome)
        return outcome

    async def _attempts(
        self,
        template: Json,
        call: Call,
        scope: Mapping[str, str],
        artifacts: Mapping[str, Artifact],
        strategy: Json,
    ) -> Outcome:
        limit = None if strategy.get("limit") is None else int(strategy["limit"])
        attempt = 0
        while True:
            numbered = replace(call, node=f"{call.node}({attempt})")
            outcome = await self._pod(template, numbered, {**scope, "retries": str(attempt)}, artifacts)
            if not outcome.bad or not _again(strategy, outcome) or (limit is not None and attempt >= limit):
                return outcome
            await asyncio.sleep(min(self.options.max_backoff, _backoff(strategy, attempt)))
            attempt += 1

    async def _pod(
        self, template: Json, call: Call, scope: Mapping[str, str], artifacts: Mapping[str, Artifact]
    ) -> Outcome:
        name = f"{self.request.id}-{template['name']}-{fnv1a(call.node)}"
        local = {"pod.name": name, "node.name": call.node, **self._places(template)}
        waiting = NodeState(name, call.node, "Pod", "Pending")
        self._report(waiting)
        node = waiting
        try:
            body = substitute(template, {**local, **scope})
            async with self.parallel, _slots():
                node = self._begin(call.node, "Pod", name)
                pod = Pod(
                    name, body, _by_name(artifacts), tuple(self.spec.get("volumes") or ()), self._claims()
                )
                outcome = await run_pod(self.machine, pod)
                if not self.options.keep_files:
                    await asyncio.to_thread(
                        shutil.rmtree, self.request.workdir / "pods" / name, ignore_errors=True
                    )
            await self._publish(body, outcome)
        except TemplateError as error:
            outcome = Outcome("Error", str(error))
        except asyncio.CancelledError:
            self._end(node, Outcome("Failed", "stopped"))
            raise
        self._end(node, outcome)
        return outcome

    def _places(self, template: Json) -> dict[str, str]:
        """Tags for the paths of a template's own artifacts and output files."""
        places: dict[str, str] = {}
        for side in ("inputs", "outputs"):
            declared: dict[str, Any] = template.get(side) or {}
            places |= {
                f"{side}.artifacts.{a['name']}.path": a.get("path", "")
                for a in declared.get("artifacts") or []
            }
            for parameter in declared.get("parameters") or []:
                path = (parameter.get("valueFrom") or {}).get("path")
                if path:
                    places[f"{side}.parameters.{parameter['name']}.path"] = path
        return places

    def _claims(self) -> frozenset[str]:
        return frozenset(claim["metadata"]["name"] for claim in self.spec.get("volumeClaimTemplates") or [])

    async def _publish(self, template: Json, outcome: Outcome) -> None:
        """Upload the output artifacts that have a globalName, to `<prefix>/<execution id>/<name>`."""
        store = self.request.store
        for declared in (template.get("outputs") or {}).get("artifacts") or []:
            name, artifact = declared["name"], outcome.artifacts.get(declared["name"])
            if outcome.bad or artifact is None or artifact.path is None or not declared.get("globalName"):
                continue
            if store is None:
                raise TemplateError(
                    f"output artifact {name!r}: the resource group has no object store secret 'default'"
                )
            key = "/".join(filter(None, (store.prefix.strip("/"), self.request.id, name)))
            try:
                await asyncio.to_thread(upload, store, artifact.path, key)
            except Exception as error:  # boto3 raises a class per service and cause
                raise TemplateError(f"output artifact {name!r} could not be uploaded: {error}") from error
            self.outputs[declared["globalName"]] = Output(declared["globalName"], name, key)


def _by_name(artifacts: Mapping[str, Artifact]) -> dict[str, Artifact]:
    return {tag.removeprefix("inputs.artifacts."): artifact for tag, artifact in artifacts.items()}


def _again(strategy: Json, outcome: Outcome) -> bool:
    """Whether `retryPolicy` (default OnFailure) wants another attempt after this outcome."""
    policy = strategy.get("retryPolicy") or "OnFailure"
    return policy == "Always" or outcome.phase == {"OnFailure": "Failed"}.get(policy, "Error")


def _backoff(strategy: Json, attempt: int) -> float:
    backoff = strategy.get("backoff") or {}
    return seconds(backoff.get("duration") or 0) * float(backoff.get("factor") or 1) ** attempt
