"""Rules about Argo's features: what AI Core gives no access to, and what configurations override.

Argo's own checks run on the cluster, where nobody sees their words: the execution is DEAD without a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions, Severity
from aicore_sync.core.template.walk import (
    Document,
    entries,
    is_serving,
    mapping,
    spec,
    steps,
    tasks,
)

_LONGEST = 5000
_NO_ACCESS = "tenants have no access to the cluster"
# Where, key, how sure we are, and what to do instead. AI Core's pages name no list; what needs access to the cluster
# or starts pods without hardware cannot work, the rest is nowhere shown to work.
_FEATURES: tuple[tuple[str, str, Severity, str], ...] = (
    ("both", "hooks", "warning", "hooks start pods without a resource plan; do it in a step"),
    ("spec", "onExit", "warning", "exit handlers start pods without a resource plan; do it in a last step"),
    ("step", "resource", "error", f"{_NO_ACCESS}; call the AI-API from a step"),
    ("step", "http", "warning", "make the call from a container step"),
    ("step", "plugin", "error", "executor plugins are not installed"),
    ("step", "data", "warning", "list the files in a container step"),
    ("step", "daemon", "warning", "start it as a sidecar"),
    ("step", "memoize", "error", f"it needs a ConfigMap, and {_NO_ACCESS}"),
    ("both", "synchronization", "error", f"it needs a ConfigMap, and {_NO_ACCESS}"),
    ("both", "podSpecPatch", "warning", "set what the template has keys for"),
    ("both", "tolerations", "warning", "the resource plan or instance type chooses the node"),
    ("both", "affinity", "warning", "the resource plan or instance type chooses the node"),
    ("both", "schedulerName", "warning", "AI Core chooses the scheduler"),
    ("step", "priorityClassName", "warning", "AI Core chooses the priority"),
    ("spec", "podPriorityClassName", "warning", "AI Core chooses the priority"),
    ("spec", "workflowTemplateRef", "error", "write the templates into this document"),
    ("spec", "artifactRepositoryRef", "error", "outputs go to the object store secret `default`"),
    ("step", "archiveLocation", "error", "outputs go to the object store secret `default`"),
    ("spec", "executorPlugins", "error", "executor plugins are not installed"),
    ("spec", "suspend", "error", "nobody can resume a suspended workflow: " + _NO_ACCESS),
)


def unsupported(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC111: Argo features that need what AI Core does not give, or that are nowhere shown to work on it."""
    if is_serving(document):
        return
    places: list[tuple[str, str, Mapping[str, Any]]] = [("spec", "spec", spec(document))]
    places += [("step", step.place, step.body) for step in steps(document)]
    places += [("task", step.place, task) for step in steps(document) for task in tasks(step.body)]
    for level, place, node in places:
        for where, key, severity, cure in _FEATURES:
            if (where == level or (where == "both" and level != "task")) and node.get(key):
                yield Finding("AC111", severity, f"`{key}` is not supported", f"{place}.{key}", cure)
        if level == "step" and "suspend" in node and not mapping(node["suspend"]).get("duration"):
            cure = f"give a duration; {_NO_ACCESS}, so nobody can resume it"
            yield Finding("AC111", "error", "this waits for ever", f"{place}.suspend", cure)
        for key in ("templateRef", "hooks", "onExit") if level == "task" else ():
            if node.get(key):
                cure = "write the template into this document" if key == "templateRef" else "do it in a step"
                message = f"`{key}` of {node.get('name')} is not supported"
                yield Finding("AC111", "error" if key == "templateRef" else "warning", message, place, cure)


def overridable(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC115: AI Core's pages show `default`; whether configurations override a `value` is nowhere said."""
    for parameter in entries(mapping(spec(document).get("arguments")).get("parameters")):
        if "value" in parameter and "default" not in parameter:
            place = f"spec.arguments.parameters[{parameter.get('name')}]"
            message = f"parameter {parameter.get('name')} has a value and no default"
            yield Finding("AC115", "warning", message, place, "call the key `default`")


def defaults(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC119: a default is a text that a step can be given; the AI-API's values have at most 5000 characters."""
    for section in ("inputs", "arguments"):
        for parameter in entries(mapping(spec(document).get(section)).get("parameters")):
            name = parameter.get("name")
            place = f"spec.{section}.parameters[{name}]"
            text = str(parameter.get("default", parameter.get("value", "")))
            if "\0" in text:
                message = f"the default of {name} holds a NUL character, which no variable of a pod can"
                yield Finding(
                    "AC119", "error", message, place, "write it in another way, for example as base64"
                )
            if len(text) > _LONGEST:
                message = (
                    f"the default of {name} has {len(text)} characters; AI Core takes {_LONGEST} for a value"
                )
                yield Finding(
                    "AC119", "warning", message, place, "put it in a file of the flow, or in an artifact"
                )
