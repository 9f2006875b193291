"""Rules about artifacts and the inputs of serving templates. Source: AI Core's pages on templates and artifacts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.problems import did_you_mean
from aicore_sync.core.template.walk import (
    Document,
    artifacts,
    entries,
    is_serving,
    mapping,
    metadata,
    spec,
    steps,
)

_KINDS = ("model", "dataset", "resultset", "other")
_PREFIX = "artifacts.ai.sap.com/"
_ATTRIBUTES = ("kind", "name", "suffix", "description", "labels")
_LABEL_KEY = re.compile(r"ext\.ai\.sap\.com/[\w.-]+")


def registered_outputs(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC141: an output is registered by globalName; which of name and globalName ends its URL is not certain."""
    annotations = metadata(document, "annotations")
    for step in steps(document):
        for artifact in artifacts(step, "outputs"):
            found, own = artifact.get("globalName"), artifact.get("name")
            place = f"{step.place}.outputs.artifacts[{own}]"
            if not found:
                cure = "add globalName, equal to name, when AI Core shall register it"
                yield Finding("AC141", "info", f"output {own} stays inside the run", place, cure)
                continue
            if own != found:
                cure = "use the same text for both"
                yield Finding("AC141", "error", f"name {own!r} and globalName {found!r} differ", place, cure)
            kind = annotations.get(f"artifacts.ai.sap.com/{found}.kind")
            if kind not in _KINDS:
                message = f"output {found} has " + (f"the unknown kind {kind!r}" if kind else "no kind")
                cure = f"set artifacts.ai.sap.com/{found}.kind to one of {', '.join(_KINDS)}"
                yield Finding("AC141", "error", message, place, cure)


def unique_outputs(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC142: of two outputs with one globalName the last one wins."""
    names = Counter(
        str(artifact["globalName"])
        for step in steps(document)
        for artifact in artifacts(step, "outputs")
        if artifact.get("globalName")
    )
    for name, count in sorted(names.items()):
        if count > 1:
            message = f"{count} steps write the output {name}, only the last one is kept"
            yield Finding("AC142", "error", message, "spec.templates", "give every output a name of its own")


def artifact_names(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC143: every artifact has a name, once per step."""
    for step in steps(document):
        for direction in ("inputs", "outputs"):
            names = Counter(str(a.get("name") or "") for a in artifacts(step, direction))
            place = f"{step.place}.{direction}.artifacts"
            if "" in names:
                yield Finding("AC143", "error", "an artifact has no name", place, "name it")
            for name in sorted(n for n, count in names.items() if n and count > 1):
                message = f"two artifacts are called {name}"
                yield Finding("AC143", "error", message, place, "give each a name of its own")


def artifact_paths(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC144: outputs neither are /tmp itself nor overlap an input."""
    for step in steps(document):
        taken = [PurePosixPath(str(a.get("path", ""))) for a in artifacts(step, "inputs") if a.get("path")]
        for artifact in artifacts(step, "outputs"):
            path = PurePosixPath(str(artifact.get("path") or "/none"))
            place = f"{step.place}.outputs.artifacts[{artifact.get('name')}]"
            if str(path) in ("/", "/tmp"):  # noqa: S108 - a path inside a container
                yield Finding(
                    "AC144", "error", f"{path} as a whole is no output", place, "use a directory below it"
                )
            for other in taken:
                if path.is_relative_to(other) or other.is_relative_to(path):
                    message = f"{path} overlaps the input at {other}"
                    yield Finding("AC144", "error", message, place, "use directories apart")


def serving_inputs(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC145: a serving template needs a parameter to appear, and artifact keys that are identifiers."""
    if not is_serving(document):
        return
    inputs = mapping(spec(document).get("inputs"))
    if not entries(inputs.get("parameters")):
        message = "without a parameter the executable does not appear"
        yield Finding("AC145", "error", message, "spec.inputs.parameters", "declare one, used or not")
    for artifact in entries(inputs.get("artifacts")):
        name = str(artifact.get("name", ""))
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
            message = f"the artifact key {name!r} cannot be replaced in the text"
            cure = "use letters and digits only, a letter first"
            yield Finding("AC145", "error", message, "spec.inputs.artifacts", cure)


def artifact_labels(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC146: labels of an output are a JSON object of texts under ext.ai.sap.com/."""
    cure = """write '{"ext.ai.sap.com/NAME": "VALUE"}'"""
    for key, value in metadata(document, "annotations").items():
        if not key.startswith(_PREFIX) or not key.endswith(".labels"):
            continue
        place = f"metadata.annotations.{key}"
        try:
            labels = json.loads(value)
        except (TypeError, ValueError):
            yield Finding("AC146", "error", "the labels are not JSON", place, cure)
            continue
        pairs = labels.items() if isinstance(labels, dict) else [(None, None)]
        bad = [k for k, v in pairs if not _LABEL_KEY.fullmatch(str(k)) or not isinstance(v, str)]
        if bad:
            yield Finding("AC146", "error", f"{bad[0]!r} is not a label of ours", place, cure)


def orphan_annotations(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC147: an annotation `artifacts.ai.sap.com/NAME.…` belongs to an artifact of that name; case counts."""
    known = {
        str(a.get(key)) for key in ("name", "globalName") for a in _all_artifacts(document) if a.get(key)
    }
    for key in metadata(document, "annotations"):
        if not key.startswith(_PREFIX):
            continue
        name, _, attribute = key.removeprefix(_PREFIX).rpartition(".")
        place = f"metadata.annotations.{key}"
        if attribute not in _ATTRIBUTES:
            message = f"artifacts have no {attribute or name!r}"
            yield Finding("AC147", "warning", message, place, f"use one of {', '.join(_ATTRIBUTES)}")
        elif name not in known:
            yield Finding(
                "AC147", "warning", f"no artifact is called {name}", place, did_you_mean(name, sorted(known))
            )


def packed_outputs(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC148: without `archive: {none: {}}` a registered output is stored as one .tgz file."""
    for step in steps(document):
        for artifact in artifacts(step, "outputs"):
            if artifact.get("globalName") and not mapping(artifact.get("archive")):
                place = f"{step.place}.outputs.artifacts[{artifact.get('name')}]"
                message = f"output {artifact['globalName']} is stored as a tar archive"
                yield Finding("AC148", "info", message, place, "add archive: {none: {}} to store it as it is")


def _all_artifacts(document: Document) -> Iterator[Mapping[str, Any]]:
    yield from entries(mapping(spec(document).get("inputs")).get("artifacts"))
    yield from entries(mapping(spec(document).get("arguments")).get("artifacts"))
    for step in steps(document):
        yield from (*artifacts(step, "inputs"), *artifacts(step, "outputs"))
