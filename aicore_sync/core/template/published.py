"""Reading a template file back: who owns it, what it says about itself, which bindings it accepts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.template.decorate import SCENARIO_LABEL
from aicore_sync.core.template.digests import OURS, VERSION_LABEL
from aicore_sync.core.template.needs import Needs, needs
from aicore_sync.core.template.text import Format, parse_document
from aicore_sync.core.template.walk import (
    SERVING,
    WORKFLOW,
    Document,
    artifacts,
    entries,
    is_serving,
    mapping,
    metadata,
    spec,
    steps,
    tasks,
)


@dataclass(frozen=True)
class PublishedTemplate:
    """What a template file says. Texts are "" where the file is silent.

    `version` is the label that comes back as the executable's `versionId`. `parameters` map names to
    defaults, None means mandatory. `inputs` are all input artifacts to bind, `optional_inputs` those that may
    stay unbound.
    """

    executable: str
    scenario: str = ""
    kind: str = "WorkflowTemplate"
    version: str = ""
    owner: str = ""
    origin: str = ""
    flow: str = ""
    environments: tuple[str, ...] = ()
    input_digest: str = ""
    template_digest: str = ""
    run_digest: str = ""
    source_revision: str = ""
    parameters: Mapping[str, str | None] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    optional_inputs: frozenset[str] = frozenset()
    outputs: tuple[str, ...] = ()
    needs: Needs = field(default_factory=Needs)


def file_name(executable: str, format: Format = "yaml") -> str:  # noqa: A002
    """Name of the template's file in the application path."""
    return f"wt-{executable}.{format}"


def read_published(data: bytes) -> PublishedTemplate | None:
    """The facts of a template file, ours or not; None when it is no WorkflowTemplate or ServingTemplate."""
    document = _read(data)
    if document is None:
        return None
    name = mapping(document.get("metadata")).get("name")
    kind = document.get("kind")
    if kind not in (WORKFLOW[1], SERVING[1]) or not isinstance(name, str) or not name:
        return None
    return facts(document)


def facts(document: Mapping[str, Any]) -> PublishedTemplate:
    """The facts of a document in memory; tolerant: odd parts are read as absent."""
    labels = metadata(document, "labels")
    mark = _Marks(metadata(document, "annotations"))
    inputs, optional = _inputs(document)
    return PublishedTemplate(
        executable=str(mapping(document.get("metadata")).get("name", "")),
        scenario=str(labels.get(SCENARIO_LABEL, "")),
        kind=str(document.get("kind", "")),
        version=str(labels.get(VERSION_LABEL, "")),
        owner=mark.text("owner"),
        origin=mark.text("source"),
        flow=mark.text("flow"),
        environments=mark.names("environments"),
        input_digest=mark.text("input-digest"),
        template_digest=mark.text("template-digest"),
        run_digest=mark.text("run-digest"),
        source_revision=mark.text("source-revision"),
        parameters=_parameters(document),
        inputs=inputs,
        optional_inputs=optional,
        outputs=_outputs(document),
        needs=needs(document),
    )


def owned_by(data: bytes, owner: str) -> bool:
    """True when the file carries our mark. A file that cannot be read is never ours."""
    return bool(owner) and owner_of(data) == owner


def owner_of(data: bytes) -> str | None:
    """The owner that a template file names, "" where it names none; None for what cannot be read."""
    document = _read(data)
    return None if document is None else _Marks(metadata(document, "annotations")).text("owner")


def binding_problems(
    facts: PublishedTemplate, parameters: Mapping[str, str], inputs: Iterable[str]
) -> list[str]:
    """Why a configuration with these parameter values and bound input names would not run; [] when it would.

    AI Core takes such configurations; their executions stay PENDING or end DEAD. Names are case-sensitive.
    """
    bound = set(inputs)
    problems = [
        _unknown("parameter", name, facts.parameters) for name in parameters if name not in facts.parameters
    ]
    problems += [
        f"the value of {name!r} contains '{{{{', which Argo would substitute; write a space between the braces"
        for name, value in parameters.items()
        if "{{" in value
    ]
    problems += [_unknown("input artifact", name, facts.inputs) for name in sorted(bound - facts.inputs)]
    problems += [
        f"parameter {name!r} has no default and no value; give it one under parameters"
        for name, default in facts.parameters.items()
        if default is None and name not in parameters
    ]
    problems += [
        f"input artifact {name!r} is not bound; bind it under inputs"
        for name in sorted(facts.inputs - facts.optional_inputs - bound)
    ]
    return problems


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    by_case = [n for n in names if n.lower() == name.lower()]
    close = by_case or difflib.get_close_matches(name, names, n=1)
    if close:
        return f"unknown {kind} {name!r}; did you mean {close[0]!r}?" + (" Case matters." if by_case else "")
    return f"unknown {kind} {name!r}; the template has {', '.join(names) or 'none'}"


def _read(data: bytes) -> Document | None:
    try:
        return parse_document(data, "template")
    except InvalidInput:
        return None


class _Marks:
    """Our annotations of one document."""

    def __init__(self, annotations: Mapping[str, Any]) -> None:
        self._annotations = annotations

    def text(self, name: str) -> str:
        return str(self._annotations.get(OURS + name) or "")

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())


def _parameters(document: Mapping[str, Any]) -> dict[str, str | None]:
    section = "inputs" if is_serving(document) else "arguments"
    declared = entries(mapping(spec(document).get(section)).get("parameters"))
    return {str(p["name"]): _default(p) for p in declared if p.get("name")}


def _default(parameter: Mapping[str, Any]) -> str | None:
    # Metaflow writes Argo's `value`, AI Core's pages show `default`; both fill in for a missing binding.
    found = parameter.get("default", parameter.get("value"))
    return None if found is None else str(found)


def _inputs(document: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """(all, optional) placeholders that AI Core fills: without a location, not handed over by a task."""
    if is_serving(document):
        names = frozenset(
            str(a["name"])
            for a in entries(mapping(spec(document).get("inputs")).get("artifacts"))
            if a.get("name")
        )
        return names, frozenset()
    handed = _handed_over(document)
    found = {
        str(artifact["name"]): bool(artifact.get("optional"))
        for step in steps(document)
        for artifact in artifacts(step, "inputs")
        if artifact.get("name")
        and (step.name, artifact["name"]) not in handed
        and not _has_location(artifact)
    }
    return frozenset(found), frozenset(name for name, optional in found.items() if optional)


_LOCATIONS = frozenset(
    {
        "artifactory",
        "azure",
        "from",
        "fromExpression",
        "gcs",
        "git",
        "hdfs",
        "http",
        "oss",
        "plugin",
        "raw",
        "s3",
    }
)


def _has_location(artifact: Mapping[str, Any]) -> bool:
    return not _LOCATIONS.isdisjoint(artifact)


def _handed_over(document: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """(template, artifact) pairs that a DAG task or step passes as an argument."""
    return frozenset(
        (str(task.get("template", "")), str(artifact.get("name", "")))
        for step in steps(document)
        for task in tasks(step.body)
        for artifact in entries(mapping(task.get("arguments")).get("artifacts"))
    )


def _outputs(document: Mapping[str, Any]) -> tuple[str, ...]:
    names = {
        str(artifact["globalName"])
        for step in steps(document)
        for artifact in artifacts(step, "outputs")
        if artifact.get("globalName")
    }
    return tuple(sorted(names))
