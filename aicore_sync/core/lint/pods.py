"""Rules about steps and their containers. Sources: AI Core's pages on workflow templates, choosing hardware and
Kubernetes security; the renderer's defects were measured on SAP's Metaflow plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.inside import all_containers, predictors
from aicore_sync.core.lint.runtime import HARDWARE
from aicore_sync.core.template.walk import (
    Document,
    containers,
    entries,
    is_serving,
    mapping,
    spec,
    steps,
    tasks,
)

_VARIABLE = re.compile(r"[A-Za-z_.-][\w.-]*", re.ASCII)
_USER_TEXT = re.compile(r"\{\{=?[^}]*\bworkflow\.parameters\b")
# The grammar of image references (distribution/reference): host, lower-case path, tag, digest.
_REFERENCE = re.compile(
    r"[A-Za-z0-9.-]+(:\d+)?/[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*"
    r"(:[A-Za-z0-9_][\w.-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?",
    re.ASCII,
)
# AI Core sets these itself and rejects pods that differ.
_FORBIDDEN = (
    "serviceAccountName",
    "automountServiceAccountToken",
    "nodeSelector",
    "securityContext",
    "namespace",
    "hostNetwork",
    "hostAliases",
    "dnsConfig",
    "dnsPolicy",
)


def hardware(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC121: every step that runs a pod says on what."""
    defaults = mapping(mapping(mapping(spec(document).get("templateDefaults")).get("metadata")).get("labels"))
    for step in steps(document):
        labels = {**defaults, **mapping(mapping(step.body.get("metadata")).get("labels"))}
        found = [key for key in HARDWARE if labels.get(key)]
        if step.runs_pod and len(found) != 1:
            message = (
                "has both a resource plan and an instance type" if found else "does not say what it runs on"
            )
            cure = "give one label, ai.sap.com/resourcePlan or ai.sap.com/instanceType"
            yield Finding(
                "AC121", "error", f"step {step.name} {message}", f"{step.place}.metadata.labels", cure
            )


def environment(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC122: environment values are text; Kubernetes refuses numbers."""
    for place, container in all_containers(document):
        for variable in entries(container.get("env")):
            value = variable.get("value", "")
            if not isinstance(value, str):
                message = f"{variable.get('name')} is {value!r}, not text"
                yield Finding("AC122", "error", message, f"{place}.env", "put the value in quotes")


def variable_names(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC134: names of variables as Kubernetes takes them."""
    for place, container in all_containers(document):
        for variable in entries(container.get("env")):
            name = str(variable.get("name", ""))
            if not _VARIABLE.fullmatch(name):
                cure = "use letters, digits and _, no digit first"
                yield Finding("AC134", "error", f"{name!r} is no name of a variable", f"{place}.env", cure)


def forbidden(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC123: fields that AI Core decides itself."""
    for place, node in _pods(document):
        for key in _FORBIDDEN:
            if node.get(key) is not None:
                cure = "remove it; AI Core decides this itself"
                yield Finding("AC123", "error", f"{key} is not allowed", f"{place}.{key}", cure)
        for volume in entries(node.get("volumes")):
            if volume.get("hostPath") is not None:
                where = f"{place}.volumes[{volume.get('name')}].hostPath"
                cure = "use emptyDir, or spec.volumeClaimTemplates for more than 30 GB"
                yield Finding("AC123", "error", "the node's own disk is not allowed", where, cure)


def compressed_paths(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC124: SAP's plugin compresses the input paths of wide joins together with their placeholders."""
    for step in steps(document):
        for task in tasks(step.body):
            for parameter in entries(mapping(task.get("arguments")).get("parameters")):
                if str(parameter.get("value", "")).startswith("!"):
                    message = f"the input paths of {task.get('name')} are compressed and fail at run time"
                    cure = "render with aicore-sync, which repairs them, or join fewer branches at once"
                    yield Finding("AC124", "error", message, step.place, cure)


def shell_text(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC125: in rendered flows no parameter is pasted into a command, where a shell would interpret it."""
    for step in steps(document) if options.rendered else ():
        for place, container in containers(step):
            for key in ("command", "args", "source"):
                if _USER_TEXT.search(str(container.get(key, ""))):
                    message = "a parameter's value becomes part of a command and can run as one"
                    cure = "pass it by an environment variable"
                    yield Finding("AC125", "error", message, f"{place}.{key}", cure)


def image(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC126: AI Core pulls only images whose reference starts with the registry's host."""
    for place, container in all_containers(document):
        message = _image_fault(str(container.get("image") or ""))
        if message:
            yield Finding("AC126", "error", message, f"{place}.image", "write docker.io/<org>/<image>:<tag>")


def _image_fault(found: str) -> str:
    if "{{" in found:
        return ""
    if not found:
        return "there is no image"
    host, slash, _ = found.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        return f"{found!r} does not name its registry"
    return "" if _REFERENCE.fullmatch(found) else f"{found!r} is no image reference"


def command(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC127: the image's own entry point is ignored."""
    for step in steps(document):
        for place, container in containers(step):
            if not container.get("command"):
                cure = 'write command: ["/bin/sh", "-c"] and args'
                yield Finding(
                    "AC127", "error", "there is no command; the image's own is ignored", place, cure
                )
            elif not container.get("args") and "source" not in container:
                message = "there are no args; AI Core's pages ask for both"
                yield Finding("AC127", "warning", message, place, "move the arguments from command to args")


def deadline(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC128: a hanging run costs money until somebody stops it."""
    if not is_serving(document) and not spec(document).get("activeDeadlineSeconds"):
        cure = "set timeout in the manifest or spec.activeDeadlineSeconds"
        message = "runs have no time limit"
        yield Finding("AC128", "warning", message, "spec.activeDeadlineSeconds", cure)


def _pods(document: Document) -> Iterator[tuple[str, Any]]:
    """All mappings that may hold pod fields, with their places."""
    yield "metadata", {"namespace": mapping(document.get("metadata")).get("namespace")}
    if is_serving(document):
        yield from predictors(document)
        yield from all_containers(document)
        return
    body = spec(document)
    yield "spec", body
    yield "spec.executor", mapping(body.get("executor"))
    yield "spec.templateDefaults", mapping(body.get("templateDefaults"))
    for step in steps(document):
        yield step.place, step.body
        yield f"{step.place}.executor", mapping(step.body.get("executor"))
        yield from containers(step)
