"""A Plan written down as the WorkflowTemplate that AI Core takes. Pure.

One DAG for the top and one for the body of each foreach; a body runs once per number in the list that the
foreach step leaves. Nothing but what AI Core's documentation and SAP's own plugin use: no hooks, no exit
handlers, no service accounts, no namespace, no label but AI Core's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .model import COUNT_FILE, SPLITS_FILE, Options, Plan, Step

Json = dict[str, Any]
_TOP = "t"
_LONGEST_RUN = 432_000  # seconds; five days, so that a hung run ends
_CLAIM = "workdir"
_MEMORY = "dev-shm"


def document(plan: Plan, options: Options) -> Json:
    """The template, JSON-able, the same for the same arguments."""
    name = executable_id(plan, options)
    scenario = options.scenario or name
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {
            "name": name,
            "labels": {"scenarios.ai.sap.com/id": scenario, "ai.sap.com/version": options.version},
            "annotations": _annotations(plan, options, name, scenario),
        },
        "spec": _spec(plan, options),
    }


def executable_id(plan: Plan, options: Options) -> str:
    """The name that was given, or the flow's: lower case, hyphens, at least four characters."""
    return options.name or re.sub(r"[^a-z0-9]+", "-", plan.flow.lower()).strip("-").ljust(4, "x")[:63]


def _annotations(plan: Plan, options: Options, name: str, scenario: str) -> Json:
    described = {"executables.ai.sap.com/description": plan.description[:5000]} if plan.description else {}
    made = {a["globalName"]: "model" for s in plan.steps for a in s.outputs}
    return {
        "scenarios.ai.sap.com/name": options.scenario_name or scenario,
        "executables.ai.sap.com/name": name,
        **described,
        **{f"artifacts.ai.sap.com/{k}.kind": v for k, v in {**made, **dict(plan.kinds)}.items()},
    }


def _spec(plan: Plan, options: Options) -> Json:
    names = template_names(plan)
    groups: dict[str, list[Step]] = {}
    for step in plan.steps:
        groups.setdefault(step.inside, []).append(step)
    dags = [_dag(inside, steps, names) for inside, steps in groups.items()]
    pulls = [{"name": s} for s in options.image_pull_secrets]
    spec = {
        "entrypoint": names[("dag", "")],
        "arguments": {"parameters": [_parameter(p) for p in plan.parameters]} if plan.parameters else {},
        "activeDeadlineSeconds": options.timeout or _LONGEST_RUN,
        "parallelism": options.max_workers,
        "imagePullSecrets": pulls,
        "volumeClaimTemplates": _claims(plan),
        "templates": [*dags, *(_container(s, plan, names) for s in plan.steps)],
    }
    return {k: v for k, v in spec.items() if v}


def _parameter(parameter: Any) -> Json:
    """`default` and not `value`: a configuration may override it, and AI Core shows it."""
    said = {"description": f"{parameter.help} ({parameter.kind})".strip()}
    given = {} if parameter.default is None else {"default": parameter.default}
    return {"name": parameter.name, **given, **said}


# --- the graph --------------------------------------------------------------------------------------------


def template_names(plan: Plan) -> dict[tuple[str, str], str]:
    """("step", name) and ("dag", foreach) → a name that Argo and pods take: lower case, hyphens, unique."""
    names: dict[tuple[str, str], str] = {}
    wanted = [("step", s.name, s.name) for s in plan.steps]
    wanted += [("dag", "", "dag"), *(("dag", s.name, f"each-{s.opens}") for s in plan.steps if s.opens)]
    for kind, key, text in wanted:
        stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "step"
        taken, number = set(names.values()), 1
        name = stem
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        names[(kind, key)] = name
    return names


def _dag(inside: str, steps: Iterable[Step], names: Mapping[tuple[str, str], str]) -> Json:
    members = list(steps)
    tasks = [task for s in members for task in _tasks(s, {m.name for m in members}, names)]
    own = {"inputs": {"parameters": [{"name": "task-id"}]}} if inside else {}
    return {"name": names[("dag", inside)], **own, "dag": {"tasks": tasks}}


def _tasks(step: Step, here: set[str], names: Mapping[tuple[str, str], str]) -> list[Json]:
    """The step's own task and, after a foreach, the one that runs the body once per number."""
    task = "{{inputs.parameters.task-id}}" if step.inside else _TOP
    name = names[("step", step.name)]
    given = {"task-id": task}
    after = [names[("step", n)] for n in step.before if n in here]
    if step.joins:
        after = [names[("dag", step.joins)]]
        given["split-count"] = _output(names[("step", step.joins)], "split-count")
    tasks = [{"name": name, "template": name, **_after(after), "arguments": _arguments(given)}]
    if step.opens:
        body = names[("dag", step.name)]
        tasks.append(
            {
                "name": body,
                "template": body,
                **_after([name]),
                "arguments": _arguments({"task-id": f"{task}-{{{{item}}}}"}),
                "withParam": _output(name, "splits"),
            }
        )
    return tasks


def _after(names: list[str]) -> Json:
    return {"dependencies": names} if names else {}


def _arguments(values: Mapping[str, str]) -> Json:
    return {"parameters": [{"name": k, "value": v} for k, v in values.items()]}


def _output(task: str, parameter: str) -> str:
    return f"{{{{tasks.{task}.outputs.parameters.{parameter}}}}}"


# --- the pods ---------------------------------------------------------------------------------------------


def _container(step: Step, plan: Plan, names: Mapping[tuple[str, str], str]) -> Json:
    taken = [{"name": "task-id"}, *([{"name": "split-count"}] if step.joins else [])]
    files = {"splits": SPLITS_FILE, "split-count": COUNT_FILE} if step.opens else {}
    left = [{"name": n, "valueFrom": {"path": path}} for n, path in files.items()]
    volumes = [{"name": _MEMORY, "emptyDir": _memory(step)}] if step.shared_memory else []
    template = {
        "name": names[("step", step.name)],
        "metadata": {"labels": {step.machine.label: step.machine.name, **dict(step.labels)}},
        "inputs": _filled({"parameters": taken, "artifacts": [dict(a) for a in step.inputs]}),
        "outputs": _filled({"parameters": left, "artifacts": [dict(a) for a in step.outputs]}),
        "retryStrategy": _retries(step),
        "activeDeadlineSeconds": step.deadline,
        "volumes": volumes,
        "container": _filled(
            {
                "image": step.image,
                "command": ["bash", "-c"],
                "args": [step.script],
                "env": _environment(step, plan),
                "envFrom": [{"secretRef": {"name": s}} for s in step.secrets],
                "volumeMounts": _mounts(step),
            }
        ),
    }
    return _filled(template)


def _filled(values: Mapping[str, Any]) -> Json:
    return {k: v for k, v in values.items() if v}


def _retries(step: Step) -> Json:
    if not step.retries.total:
        return {}
    backoff = {"backoff": {"duration": f"{step.retries.minutes}m"}} if step.retries.minutes else {}
    return {"limit": str(step.retries.total), "retryPolicy": "Always", **backoff}


def _environment(step: Step, plan: Plan) -> list[Json]:
    """Parameters come first, so that Kubernetes finds nothing defined before them to expand in their values."""
    given = plan.parameters if step.name == plan.first else ()
    values = {p.variable: f"{{{{workflow.parameters.{p.name}}}}}" for p in given}
    values |= {"AICORE_SYNC_RUN": "{{workflow.name}}", "AICORE_SYNC_TASK": "{{inputs.parameters.task-id}}"}
    if step.joins:
        values["AICORE_SYNC_SPLITS"] = "{{inputs.parameters.split-count}}"
    values |= {k: literal(v) for k, v in step.environment}
    return [{"name": k, "value": v} for k, v in values.items()]


def literal(text: str) -> str:
    """A text that arrives as it is: Kubernetes replaces `$(NAME)` and halves `$$` in values."""
    return re.sub(r"\$(?=[$(])", "$$", text)


def _mounts(step: Step) -> list[Json]:
    shared = [{"name": _MEMORY, "mountPath": "/dev/shm"}] if step.shared_memory else []  # noqa: S108
    return [*shared, *([{"name": _CLAIM, "mountPath": step.volume[0]}] if step.volume[0] else [])]


def _memory(step: Step) -> Json:
    return {"medium": "Memory", "sizeLimit": f"{step.shared_memory}Mi"}


def _claims(plan: Plan) -> list[Json]:
    """One volume for the whole run, as large as the step that wants most: AI Core mounts it in one pod at a time."""
    sizes = [s.volume[1] for s in plan.steps if s.volume[0]]
    if not sizes:
        return []
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": max(sizes, key=_quantity)}},
    }
    return [{"metadata": {"name": _CLAIM}, "spec": spec}]


def _quantity(text: str) -> float:
    found = re.match(r"(\d+(?:\.\d+)?)\s*([KMGT]?)", text)
    return float(found[1]) * 1024.0 ** " KMGT".index(found[2] or " ") if found else 0.0
