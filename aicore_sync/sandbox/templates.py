"""What AI Core reads in a file of the application's path, and what it refuses. Pure.

A file holds documents. A file that does not parse, or holds a Kubernetes Secret, blocks the whole
application; a document that is wrong in itself fails alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from aicore_sync.sandbox.model import Executable, Label, Parameter, Slot

SUFFIXES = (".yaml", ".yml", ".json")
OTHER_FEATURES = (".prompttemplate.ai.sap.yaml", ".orchestrationconfig.ai.sap.yaml")
KINDS = {"WorkflowTemplate": "argoproj.io/v1alpha1", "ServingTemplate": "ai.sap.com/v1alpha1"}
IGNORED = {("ai.sap.com/v1alpha1", "Service"), ("ai.sap.com/v1alpha1", "PromptTemplate"),
           ("ai.sap.com/v1alpha1", "OrchestrationConfig")}  # fmt: skip
LABELS = ("scenarios.ai.sap.com/id", "ai.sap.com/version")
ANNOTATIONS = ("scenarios.ai.sap.com/name", "executables.ai.sap.com/name")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LOCATIONS = (
    "from",
    "fromExpression",
    "s3",
    "http",
    "git",
    "raw",
    "artifactory",
    "hdfs",
    "oss",
    "gcs",
    "azure",
)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Blocked(Exception):
    """The whole application cannot be synced; the text is what its status shows."""


@dataclass(frozen=True)
class Found:
    """One document that AI Core would apply: `executable` is None when `problem` says why not."""

    name: str
    kind: str
    file: str
    executable: Executable | None = None
    problem: str = ""


def read_files(files: dict[str, bytes]) -> list[Found]:
    """All documents of an application's path. Raises Blocked."""
    found: list[Found] = []
    for file, content in sorted(files.items()):
        if not file.endswith(OTHER_FEATURES):
            found += [_judge(file, document) for document in _documents(file, content)]
    return found


def _documents(file: str, content: bytes) -> list[dict[str, Any]]:
    try:
        text = content.decode()
        loaded = [json.loads(text)] if file.endswith(".json") else list(yaml.load_all(text, Loader=_Loader))
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise Blocked(f'Failed to unmarshal "{file}": error converting YAML to JSON: {reason}') from None
    documents = [
        json.loads(json.dumps(d, default=str)) for d in loaded if d is not None
    ]  # no dates, only JSON
    for document in documents:
        if not isinstance(document, dict):
            raise Blocked(
                f'Failed to unmarshal "{file}": a manifest must be a map, not a {type(document).__name__}'
            )
        if not isinstance(document.get("kind"), str) or not isinstance(document.get("apiVersion"), str):
            raise Blocked(f"Failed to unmarshal \"{file}\": Object 'Kind' or 'apiVersion' is missing")
        if document["kind"] == "Secret" and document["apiVersion"] == "v1":
            raise Blocked(f'"{file}" holds a Kubernetes Secret: resource :Secret is not permitted in project')
    return [d for d in documents if (d["apiVersion"], d["kind"]) not in IGNORED]


def _judge(file: str, document: dict[str, Any]) -> Found:
    metadata = _map(document.get("metadata"))
    name, kind = str(metadata.get("name") or ""), document["kind"]
    problem = _problem(document, metadata)
    if problem:
        return Found(name or file, kind, file, None, problem)
    return Found(name, kind, file, executable(document))


def _problem(document: dict[str, Any], metadata: dict[str, Any]) -> str:
    """The first reason to refuse this document, or ""."""
    kind, version = document["kind"], document["apiVersion"]
    if kind not in KINDS:
        return f"resource {version.rpartition('/')[0]}:{kind} is not permitted in project"
    if version != KINDS[kind]:
        return f"The Kubernetes API could not find {version}/{kind} for requested resource"
    name = metadata.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not 4 <= len(name) <= 63:
        return f"metadata.name: Invalid value: {name!r}: 4 to 63 lower case letters, digits and hyphens are expected"
    return _problem_in_keys(metadata) or (
        "" if isinstance(document.get("spec"), dict) else "spec: Required value"
    )


def _problem_in_keys(metadata: dict[str, Any]) -> str:
    for place, needed in (("labels", LABELS), ("annotations", ANNOTATIONS)):
        values = metadata.get(place)
        if not isinstance(values, dict):
            return f"metadata.{place}: Required value: {', '.join(needed)}"
        for key, value in values.items():
            if not isinstance(value, str):
                return f"metadata.{place}.{key}: cannot unmarshal {type(value).__name__} into a value of type string"
            if place == "labels" and (len(value) > 63 or not _LABEL.fullmatch(value)):
                return (
                    f"metadata.labels.{key}: Invalid value: {value!r}: a valid label is at most 63 characters"
                )
        for key in needed:
            if not values.get(key):
                return f"metadata.{place}: Required value: {key}"
    scenario = metadata["labels"]["scenarios.ai.sap.com/id"]
    return (
        ""
        if re.fullmatch(r"[\w.-]{4,64}", scenario)
        else f"scenarios.ai.sap.com/id: Invalid value: {scenario!r}"
    )


def executable(document: dict[str, Any]) -> Executable:
    """The executable that a good template becomes; times and application are filled in by the syncer."""
    labels, notes = document["metadata"]["labels"], document["metadata"]["annotations"]
    serving = document["kind"] == "ServingTemplate"
    spec = document["spec"]
    inputs = _list(_map(spec.get("inputs")).get("artifacts")) if serving else _placeholders(spec)
    return Executable(
        id=document["metadata"]["name"],
        scenario_id=labels["scenarios.ai.sap.com/id"],
        scenario_name=notes["scenarios.ai.sap.com/name"],
        scenario_description=notes.get("scenarios.ai.sap.com/description"),
        name=notes["executables.ai.sap.com/name"],
        description=notes.get("executables.ai.sap.com/description"),
        version_id=labels["ai.sap.com/version"],
        labels=[Label(key=k, value=v) for k, v in labels.items() if k.startswith("ext.ai.sap.com/")] or None,
        parameters=_parameters(_map(spec.get("inputs" if serving else "arguments"))),
        input_artifacts=[_slot(str(item["name"]), notes) for item in inputs if item.get("name")],
        output_artifacts=[] if serving else [_slot(name, notes, "model") for name in _global_names(spec)],
        deployable=serving,
        document=document,
    )


def _parameters(holder: dict[str, Any]) -> list[Parameter]:
    return [
        Parameter(
            name=str(p["name"]),
            description=p.get("description"),
            default=_text(p.get("default", p.get("value"))),
        )
        for p in _list(holder.get("parameters"))
        if p.get("name")
    ]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _placeholders(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Input artifacts that nobody inside the workflow fills: these are for AI Core to bind. One per name."""
    templates = _list(spec.get("templates"))
    filled = {
        (str(task.get("template")), str(artifact.get("name")))
        for template in templates
        for task in _tasks(template)
        for artifact in _list(_map(task.get("arguments")).get("artifacts"))
    }
    open_slots: dict[str, dict[str, Any]] = {}
    for template in templates:
        for artifact in _list(_map(template.get("inputs")).get("artifacts")):
            key = (str(template.get("name")), str(artifact.get("name")))
            if key not in filled and not any(place in artifact for place in _LOCATIONS):
                open_slots.setdefault(key[1], artifact)
    return list(open_slots.values())


def _tasks(template: dict[str, Any]) -> list[dict[str, Any]]:
    steps = [step for group in template.get("steps") or [] for step in _list(group)]
    return _list(_map(template.get("dag")).get("tasks")) + steps


def _global_names(spec: dict[str, Any]) -> list[str]:
    names = [
        str(artifact["globalName"])
        for template in _list(spec.get("templates"))
        for artifact in _list(_map(template.get("outputs")).get("artifacts"))
        if artifact.get("globalName")
    ]
    return list(dict.fromkeys(names))


def _slot(name: str, notes: dict[str, str], kind: str | None = None) -> Slot:
    """An artifact with what the annotations `artifacts.ai.sap.com/<name>.*` say about it."""
    prefix = f"artifacts.ai.sap.com/{name}."
    try:
        labels = json.loads(notes.get(prefix + "labels", "{}"))
    except ValueError:
        labels = {}
    pairs = labels.items() if isinstance(labels, dict) else ()
    return Slot(
        name=name,
        kind=notes.get(prefix + "kind", kind),
        description=notes.get(prefix + "description"),
        labels=[Label(key=key, value=str(value)) for key, value in pairs] or None,
        title=notes.get(prefix + "name"),
    )


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
