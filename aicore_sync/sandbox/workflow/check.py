"""What can be known to fail before the first pod starts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aicore_sync.sandbox.workflow.calls import Json, text
from aicore_sync.sandbox.workflow.model import RunRequest
from aicore_sync.sandbox.workflow.substitute import references

_KINDS = ("container", "script", "dag", "steps")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def parameters(request: RunRequest) -> dict[str, str | None]:
    """The value of every declared parameter: bound, else `value`, else `default`, else None (mandatory)."""
    found: dict[str, str | None] = {}
    for declared in (request.template["spec"].get("arguments") or {}).get("parameters") or []:
        value = request.parameters.get(declared["name"], declared.get("value", declared.get("default")))
        found[declared["name"]] = None if value is None else text(value)
    return found


def problems(request: RunRequest) -> list[str]:
    """Sentences that say why this run cannot start; empty when it can."""
    spec = request.template.get("spec") or {}
    templates = {template["name"]: template for template in spec.get("templates") or []}
    if spec.get("entrypoint") not in templates:
        return [f"the entrypoint {spec.get('entrypoint')!r} is not among the templates {sorted(templates)}"]
    starts = [spec[key] for key in ("entrypoint", "onExit") if spec.get(key)]
    reached = [templates[name] for name in sorted(_reached(starts, templates)) if name in templates]
    return [
        *_parameter_problems(request),
        *_name_problems(reached),
        *_kind_problems(reached, templates),
        *_artifact_problems(request, reached),
    ]


def _children(template: Json) -> list[Json]:
    tasks = (template.get("dag") or {}).get("tasks") or []
    groups = template.get("steps") or []
    return [*tasks, *(step for group in groups for step in (group if isinstance(group, list) else [group]))]


def _reached(starts: list[str], templates: dict[str, Json]) -> set[str]:
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo += [child["template"] for child in _children(templates.get(name, {})) if "template" in child]
    return seen


def _parameter_problems(request: RunRequest) -> Iterator[str]:
    known = parameters(request)
    for name, value in known.items():
        if value is None:
            yield f"parameter {name!r} is mandatory and the configuration does not bind it"
    for name in sorted(set(request.parameters) - set(known)):
        yield f"parameter {name!r} is bound, but the template does not declare it (it knows {sorted(known)})"
    used = {
        tag.removeprefix("workflow.parameters.")
        for tag in references(request.template["spec"])
        if _named(tag)
    }
    for name in sorted(used - set(known)):
        yield f"failed to resolve {{{{workflow.parameters.{name}}}}}: the template does not declare it"


def _named(tag: str) -> bool:
    return tag.startswith("workflow.parameters.")


def _name_problems(reached: list[Json]) -> Iterator[str]:
    """Names become parts of file names and keys."""
    for template in reached:
        sides = [template.get("inputs") or {}, template.get("outputs") or {}]
        artifacts = [artifact["name"] for side in sides for artifact in side.get("artifacts") or []]
        for name in [template["name"], *artifacts]:
            if not _NAME.fullmatch(name):
                yield f"the name {name!r} is not allowed; expected letters, digits, `-`, `_` and `.`"


def _kind_problems(reached: list[Json], templates: dict[str, Json]) -> Iterator[str]:
    for template in reached:
        name = template["name"]
        if not any(template.get(kind) for kind in _KINDS):
            yield f"template {name!r} is none of {', '.join(_KINDS)}; the sandbox runs only these"
        for extra in ("sidecars", "initContainers", "hooks"):
            if template.get(extra):
                yield f"template {name!r} has {extra}; the sandbox does not run them"
        for child in _children(template):
            if "template" in child and child["template"] not in templates:
                yield f"{name}.{child['name']} calls the template {child['template']!r}, which does not exist"


def _artifact_problems(request: RunRequest, reached: list[Json]) -> Iterator[str]:
    passed = {
        (child.get("template"), artifact["name"])
        for template in reached
        for child in _children(template)
        for artifact in (child.get("arguments") or {}).get("artifacts") or []
    }
    for template in reached:
        for artifact in (template.get("inputs") or {}).get("artifacts") or []:
            name = artifact["name"]
            given = name in request.inputs or (template["name"], name) in passed
            if not given and not artifact.get("optional") and not {"raw", "s3"} & set(artifact):
                yield f"input artifact {name!r} of {template['name']!r} is not bound by the configuration"
