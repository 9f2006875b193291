"""From Metaflow's graph and decorators to a Plan."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from metaflow import metaflow_config

from . import artifacts
from .hardware import PLANS, Need, largest, smallest
from .model import INSTANCE_TYPE, RESOURCE_PLAN, Machine, Options, Plan, Retries, Step
from .refused import NotOnAICore, variable_problem

_GRACE = 600  # seconds beyond @timeout for the pod to start and @catch to record
_VOLUME_SIZE = "50Gi"
Note = tuple[str, str]  # (step, why it got its machine)
_DEFAULTS = {"cpu": 1.0, "memory": 4096.0, "gpu": 0.0}  # Metaflow's
_LABEL = re.compile(r"([a-z0-9-]+\.)*ai\.sap\.com/[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", re.ASCII)


def survey(flow: Any, graph: Any, options: Options) -> tuple[Plan, tuple[Note, ...]]:
    """The plan without parameters and scripts, and why each step got its machine. Raises NotOnAICore."""
    nodes = {node.name: node for node in graph}
    notes: list[Note] = []
    steps = tuple(_guarded(nodes[n], nodes, options, notes) for n in dict.fromkeys(graph.sorted_nodes))
    kinds = {k: v for node in nodes.values() for k, v in _kinds(node).items()}
    first = getattr(graph, "start_step", None) or "start"
    text = (graph.doc or "").strip().split("\n\n")[0]
    return Plan(flow.name, first, steps, (), tuple(sorted(kinds.items())), " ".join(text.split())), tuple(
        notes
    )


def asked(graph: Any) -> tuple[Note, ...]:
    """(step, the machine it asks for) of the steps that ask for one. Raises NotOnAICore."""
    needs = [(node, _need(node)) for node in sorted(graph, key=lambda n: n.func_lineno)]
    return tuple((node.name, str(need)) for node, need in needs if need != Need())


def _guarded(node: Any, nodes: Mapping[str, Any], options: Options, notes: list[Note]) -> Step:
    """The step; whatever a decorator holds that we did not think of is told with the step's line."""
    try:
        return _step(node, nodes, options, notes)
    except NotOnAICore:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise NotOnAICore(
            f"step {node.name}: its decorators cannot be read ({what})", node.func_lineno
        ) from error


def _step(node: Any, nodes: Mapping[str, Any], options: Options, notes: list[Note]) -> Step:
    aicore, argo = _merged(node, "aicore"), _merged(node, "argo")
    try:
        given = artifacts.inputs(aicore.get("inputs")) + artifacts.inputs(argo.get("input_artifacts"))
        made = artifacts.outputs(aicore.get("outputs")) + artifacts.outputs(argo.get("output_artifacts"))
    except artifacts.WrongArtifact as error:
        raise NotOnAICore(f"step {node.name}: {error}", node.func_lineno) from None
    labels = {**_labels(node, argo), **_labels(node, aicore)}
    machine = _machine(node, labels, options, notes)
    joined = node.split_parents[-1] if node.type == "join" and node.split_parents else ""
    return Step(
        name=node.name,
        inside=_inside(node, nodes),
        before=tuple(n for n in node.in_funcs),
        joins=joined if joined and nodes[joined].type == "foreach" else "",
        opens=node.out_funcs[0] if node.type == "foreach" else "",
        image=_image(node, aicore, options),
        machine=machine,
        labels=tuple(sorted((k, v) for k, v in labels.items() if k not in (RESOURCE_PLAN, INSTANCE_TYPE))),
        secrets=_secrets(node, aicore, options),
        environment=tuple(sorted(variables(node).items())),
        inputs=given,
        outputs=made,
        volume=_volume(aicore.get("volume") or argo.get("mount_pvc")),
        shared_memory=_mebibytes(node, aicore.get("shared_memory") or argo.get("shared_memory") or 0),
        deadline=_deadline(node),
        retries=_retries(node),
    )


def _inside(node: Any, nodes: Mapping[str, Any]) -> str:
    """The innermost foreach that is still open at this step: its join stands outside again."""
    open_ = [
        p for p in node.split_parents if nodes[p].type == "foreach" and nodes[p].matching_join != node.name
    ]
    return open_[-1] if open_ else ""


def _merged(node: Any, name: str) -> dict[str, Any]:
    """All that decorators of this name say; what stands nearest to the function wins, as it was applied first."""
    merged: dict[str, Any] = {}
    for decorator in node.decorators:
        if decorator.name == name:
            said = {k: v for k, v in decorator.attributes.items() if v is not None}
            merged = {**said, **merged}
    return merged


def _named(node: Any, name: str) -> Iterator[Any]:
    return (d for d in node.decorators if d.name == name)


def _kinds(node: Any) -> dict[str, str]:
    aicore = _merged(node, "aicore")
    return {**artifacts.kinds(aicore.get("inputs")), **artifacts.kinds(aicore.get("outputs"))}


def _labels(node: Any, said: Mapping[str, Any]) -> dict[str, str]:
    labels = said.get("labels") or {}
    if not isinstance(labels, Mapping):
        raise NotOnAICore(
            f"step {node.name}: labels is {labels!r}; expected a dict such as {{'{RESOURCE_PLAN}': 'basic'}}",
            node.func_lineno,
        )
    foreign = [k for k in labels if not _LABEL.fullmatch(str(k))]
    if foreign:
        raise NotOnAICore(
            f"step {node.name}: label {foreign[0]} is not one of AI Core's; labels may only be ai.sap.com/…",
            node.func_lineno,
        )
    own = {RESOURCE_PLAN: said.get("resource_plan"), INSTANCE_TYPE: said.get("instance_type")}
    bad = [(k, v) for k, v in {**labels, **own}.items() if v and not _LABEL_VALUE.fullmatch(str(v))]
    if bad:
        raise NotOnAICore(
            f"step {node.name}: label {bad[0][0]} is {bad[0][1]!r}; expected at most 63 letters, digits, '.', '-', '_'",
            node.func_lineno,
        )
    return {str(k): str(v) for k, v in {**labels, **{k: v for k, v in own.items() if v}}.items()}


def _machine(node: Any, labels: Mapping[str, str], options: Options, notes: list[Note]) -> Machine:
    chosen = {name.replace("-", "_"): machine for name, machine in options.chosen}
    if node.name in chosen:
        return chosen[node.name]
    asked = [k for k in (INSTANCE_TYPE, RESOURCE_PLAN) if k in labels]
    if len(asked) > 1:
        raise NotOnAICore(
            f"step {node.name} names a resource plan and an instance type; keep one of them", node.func_lineno
        )
    if asked:
        return Machine(asked[0], labels[asked[0]])
    need = _need(node)
    if need == Need():
        return chosen.get("*", Machine(RESOURCE_PLAN, "starter"))
    machines = options.machines or PLANS
    found = smallest(need, machines)
    if found is None:
        raise NotOnAICore(
            f"step {node.name} asks for {need}, and no machine holds that ({largest(machines)}); ask for less, "
            "or name one by @aicore(resource_plan=…) or @aicore(instance_type=…), or in the manifest",
            node.func_lineno,
        )
    size = f"{found.cpu:g} CPU, {found.memory:g} GB, {found.gpu} GPU"
    notes.append((node.name, f"{need} fits {found.name} ({size})"))
    return found


def _need(node: Any) -> Need:
    need = Need()
    for decorator in node.decorators:
        if decorator.name in ("resources", "kubernetes"):
            need = need.either(_number_of(node, decorator))
    return need


def _said(decorator: Any) -> dict[str, Any]:
    """The sizes that the author gave, without the defaults that Metaflow fills in.

    Metaflow of before does not tell them apart, but its defaults are texts, and a person writes numbers.
    """
    known = getattr(decorator, "_user_defined_attributes", None)
    attributes = {k: decorator.attributes.get(k) for k in _DEFAULTS}
    if known is not None:
        return {k: v for k, v in attributes.items() if k in known}
    return {
        k: v
        for k, v in attributes.items()
        if v is not None and (not isinstance(v, str) or float(v) != _DEFAULTS[k])
    }


def _number_of(node: Any, decorator: Any) -> Need:
    try:
        said = _said(decorator)
        values = {k: float(said.get(k) or 0) for k in _DEFAULTS}
    except (TypeError, ValueError):
        found = {k: decorator.attributes.get(k) for k in _DEFAULTS}
        raise NotOnAICore(
            f"step {node.name}: @{decorator.name} says {found}; expected numbers (memory in MB)",
            node.func_lineno,
        ) from None
    return Need(values["cpu"], values["memory"], int(values["gpu"]))


def _image(node: Any, aicore: Mapping[str, Any], options: Options) -> str:
    python = "python:{}.{}".format(*platform.python_version_tuple())
    default = options.image or metaflow_config.KUBERNETES_CONTAINER_IMAGE or f"docker.io/library/{python}"
    if aicore.get("image"):
        return str(aicore["image"])
    filled_in = {metaflow_config.KUBERNETES_CONTAINER_IMAGE, python}
    for decorator in _named(node, "kubernetes"):
        image, known = decorator.attributes.get("image"), getattr(decorator, "_user_defined_attributes", None)
        if image and ("image" in known if known is not None else image not in filled_in):
            return str(image)
    return str(default)


def _secrets(node: Any, aicore: Mapping[str, Any], options: Options) -> tuple[str, ...]:
    kubernetes = [s for d in _named(node, "kubernetes") for s in _texts(d.attributes.get("secrets"))]
    return tuple(dict.fromkeys([*options.secrets, *kubernetes, *_texts(aicore.get("secrets"))]))


def _texts(value: Any) -> Iterable[str]:
    return [v for v in value.split(",") if v] if isinstance(value, str) else [str(v) for v in value or ()]


def variables(node: Any) -> dict[str, str]:
    """@environment as texts, which is all that Kubernetes knows; None is no variable. Raises NotOnAICore."""
    found = [d.attributes.get("vars") or {} for d in _named(node, "environment")]
    texts = {str(k): str(v) for said in found for k, v in said.items() if v is not None}
    for name, text in texts.items():
        if problem := variable_problem(name, text):
            raise NotOnAICore(f"step {node.name}: @environment: {problem}", node.func_lineno)
    return texts


def _mebibytes(node: Any, value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal():
        raise NotOnAICore(
            f"step {node.name}: shared_memory is {value!r}; expected a whole number, in MiB",
            node.func_lineno,
        )
    return int(value)


def _volume(value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping):
        return str(value.get("path", "")), str(value.get("size") or _VOLUME_SIZE)
    return (str(value), _VOLUME_SIZE) if value else ("", "")


def _deadline(node: Any) -> int:
    """@timeout ends the user's code in the pod, where @catch still hears of it; the pod itself gets longer."""
    seconds = [int(d.secs) for d in _named(node, "timeout")]
    return min(seconds) + _GRACE if seconds else 0


def _retries(node: Any) -> Retries:
    counts = [d.step_task_retry_count() for d in node.decorators]
    minutes = [int(d.attributes.get("minutes_between_retries") or 0) for d in _named(node, "retry")]
    return Retries(
        user=max((c[0] for c in counts), default=0),
        fallback=min(1, max((c[1] for c in counts), default=0)),
        minutes=minutes[-1] if minutes else Retries.minutes,
    )
