"""Where things are in a template document: steps, containers, artifacts. Walks are tolerant of odd shapes.

Shapes: Argo's `WorkflowTemplate` (argoproj.io/v1alpha1) and SAP's `ServingTemplate` (ai.sap.com/v1alpha1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Document = dict[str, Any]

WORKFLOW = ("argoproj.io/v1alpha1", "WorkflowTemplate")
SERVING = ("ai.sap.com/v1alpha1", "ServingTemplate")


class Step(NamedTuple):
    """One entry of `spec.templates`, or a template written inline in a DAG task or step.

    `place` reads `spec.templates[<name>]`.
    """

    name: str
    place: str
    body: Mapping[str, Any]

    @property
    def runs_pod(self) -> bool:
        """True when the step starts a pod of its own, so that it needs hardware."""
        return any(isinstance(self.body.get(key), Mapping) for key in ("container", "script", "containerSet"))


def mapping(value: object) -> Mapping[str, Any]:
    """`value` when it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def entries(value: object) -> tuple[Mapping[str, Any], ...]:
    """The mappings in `value` when it is a list, else nothing."""
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(document.get("spec"))


def metadata(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """`metadata.labels` or `metadata.annotations`."""
    return mapping(mapping(document.get("metadata")).get(key))


def is_serving(document: Mapping[str, Any]) -> bool:
    return document.get("kind") == SERVING[1]


def steps(document: Mapping[str, Any]) -> Iterator[Step]:
    """All steps of a WorkflowTemplate, inline ones included; nothing for a ServingTemplate."""
    for index, body in enumerate(entries(spec(document).get("templates"))):
        name = str(body.get("name") or index)
        place = f"spec.templates[{name}]"
        yield Step(name, place, body)
        for task in tasks(body):
            if isinstance(task.get("inline"), Mapping):
                yield Step(
                    str(task.get("name", "")), f"{place}.{task.get('name', '')}.inline", task["inline"]
                )


def tasks(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The DAG tasks or the steps (a list of lists) that a template calls."""
    yield from entries(mapping(template.get("dag")).get("tasks"))
    groups = template.get("steps")
    for group in groups if isinstance(groups, list) else ():
        yield from entries(group if isinstance(group, list) else [group])


def containers(step: Step) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container of a step with its place; a `script` counts, its text is under `source`."""
    for key in ("container", "script"):
        if isinstance(step.body.get(key), Mapping):
            yield f"{step.place}.{key}", step.body[key]
    groups = {
        "containerSet.containers": mapping(step.body.get("containerSet")).get("containers"),
        "initContainers": step.body.get("initContainers"),
        "sidecars": step.body.get("sidecars"),
    }
    for key, group in groups.items():
        for container in entries(group):
            yield f"{step.place}.{key}[{container.get('name', '')}]", container


def images(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The container images that the steps name, sorted, each once."""
    found = {str(c["image"]) for step in steps(document) for _, c in containers(step) if c.get("image")}
    return tuple(sorted(found))


def artifacts(step: Step, direction: str) -> tuple[Mapping[str, Any], ...]:
    """`inputs.artifacts` or `outputs.artifacts` of a step."""
    return entries(mapping(step.body.get(direction)).get("artifacts"))
