"""The table of Argo's keys against Argo's own schema, and what the rules say about misspelt keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from template_documents import rendered, serving, workflow

from aicore_sync.core.lint import Finding, LintOptions, lint
from aicore_sync.core.lint.shapes import SHAPES, Key
from aicore_sync.core.template import Document, TemplateOptions, decorate

SCHEMA = Path(__file__).parents[3] / "shared/contracts/argo-workflows.schema.json"
ARGO, CORE = "io.argoproj.workflow.v1alpha1.", "io.k8s.api.core.v1."
NAMES = {
    **{
        k: ARGO + k
        for k in ("WorkflowTemplate", "WorkflowSpec", "Template", "Metadata", "Arguments", "Inputs")
    },
    **{
        k: ARGO + k
        for k in ("Outputs", "Parameter", "ValueFrom", "Artifact", "UserContainer", "ContainerNode")
    },
    **{k: ARGO + k for k in ("RetryStrategy", "Backoff", "Sequence", "ContinueOn", "TemplateRef")},
    **{k: CORE + k for k in ("Container", "EnvVar", "VolumeMount", "Volume")},
    "ObjectMeta": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "Dag": ARGO + "DAGTemplate",
    "Task": ARGO + "DAGTask",
    "Step": ARGO + "WorkflowStep",
    "Archive": ARGO + "ArchiveStrategy",
    "S3": ARGO + "S3Artifact",
    "Script": ARGO + "ScriptTemplate",
    "ContainerSet": ARGO + "ContainerSetTemplate",
    "Suspend": ARGO + "SuspendTemplate",
    "EnvSource": CORE + "EnvVarSource",
    "EnvFrom": CORE + "EnvFromSource",
    "Reference": CORE + "SecretKeySelector",
    "Optional": CORE + "SecretEnvSource",
    "LocalReference": CORE + "LocalObjectReference",
    "VolumeSecret": CORE + "SecretVolumeSource",
    "VolumeClaim": CORE + "PersistentVolumeClaim",
    "VolumeClaimSpec": CORE + "PersistentVolumeClaimSpec",
}
# Needed too, but other rules say so in better words (AC126, AC143), or Argo itself takes none.
OTHERS = {"Container.image", "Script.image", "Script.source", "Artifact.name"}


@pytest.mark.skipif(not SCHEMA.exists(), reason="Argo's schema is not beside this checkout")
def test_the_table_is_that_of_argos_schema() -> None:
    schema = json.loads(SCHEMA.read_text())["definitions"]
    ours = {kind for kind in SHAPES if not kind.startswith("Serving")}
    assert ours == NAMES.keys()
    for kind, name in NAMES.items():
        properties = schema[name].get("properties", {})
        assert SHAPES[kind].keys() == properties.keys(), kind
        needed = {key for key, found in SHAPES[kind].items() if found.needed}
        theirs = {f"{kind}.{key}" for key in schema[name].get("required", ())}
        assert {f"{kind}.{key}" for key in needed} == theirs - OTHERS
        for key, found in SHAPES[kind].items():
            assert fits(found, properties[key], schema), (kind, key)


def fits(ours: Key, theirs: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Our type says no more than theirs does."""
    if not ours.type:
        return True
    for _ in range(ours.depth):
        theirs = schema[theirs["$ref"].rpartition("/")[2]] if "$ref" in theirs else theirs
        assert theirs["type"] == "array"
        theirs = theirs["items"]
    name = theirs.get("$ref", "").rpartition("/")[2]
    if ours.type in SHAPES:
        return set(schema[name]["properties"]) == set(SHAPES[ours.type])
    kind = schema[name]["type"] if name else theirs["type"]
    return bool(
        {"text": "string", "number": "integer", "flag": "boolean", "map": "object"}[ours.type] == kind
    )


def main(document: Document) -> Any:
    return document["spec"]["templates"][0]


def found(document: Document, options: LintOptions | None = None) -> list[Finding]:
    return [f for f in lint(document, options) if f.code in ("AC110", "AC114")]


@pytest.mark.parametrize("document", [workflow(), serving(), rendered()])
def test_good_documents_have_the_right_shape(document: Document) -> None:
    assert found(document) == []
    assert found(decorate(document, TemplateOptions("churn-train", version="1"))) == []


MISTAKES: list[tuple[str, Any, str, str, str]] = [
    (
        "globalname",
        "churnmodel",
        "AC110",
        "spec.templates[main].outputs.artifacts[churnmodel]",
        "`globalName`?",
    ),
    ("environment", [], "AC110", "spec.templates[main].container", "did you mean"),
    ("arg", [], "AC110", "spec.templates[main].container", "`args`?"),
    ("activeDeadlineSecond", 1, "AC110", "spec", "`activeDeadlineSeconds`?"),
    ("activeDeadlineSeconds", "soon", "AC114", "spec", "correct it"),
    ("command", "python", "AC114", "spec.templates[main].container", 'write ["python"]'),
    ("args", [1], "AC114", "spec.templates[main].container", "correct it"),
    ("env", {"A": "b"}, "AC114", "spec.templates[main].container", "correct it"),
    ("parallelism", True, "AC114", "spec", "correct it"),
]


@pytest.mark.parametrize(("key", "value", "code", "place", "cure"), MISTAKES)
def test_mistakes_of_shape_are_found_where_they_are(
    key: str, value: Any, code: str, place: str, cure: str
) -> None:
    document = workflow()
    nodes = {
        "spec": document["spec"],
        "spec.templates[main].container": main(document)["container"],
        "spec.templates[main].outputs.artifacts[churnmodel]": main(document)["outputs"]["artifacts"][0],
    }
    nodes[place][key] = value
    (finding,) = found(document)
    assert (finding.code, finding.severity, finding.place) == (code, "error", f"{place}.{key}")
    assert finding.cure.endswith(cure) or cure in finding.cure


def test_a_missing_key_is_named_at_its_object() -> None:
    document = workflow()
    main(document)["container"]["volumeMounts"] = [{"name": "data"}]
    (finding,) = found(document)
    assert finding.place == "spec.templates[main].container.volumeMounts[data]"
    assert "needs `mountPath`" in finding.message


def test_a_secret_reference_on_the_wrong_level_is_found() -> None:
    document = workflow()
    main(document)["container"]["env"] = [{"name": "KEY", "valueFrom": {"secretRef": {"name": "s"}}}]
    (finding,) = found(document)
    assert (finding.code, finding.cure) == ("AC110", "did you mean `secretKeyRef`?")


def test_serving_templates_have_a_shape_too() -> None:
    document = serving()
    document["spec"]["inputs"]["parameter"] = []
    assert [f.code for f in found(document)] == ["AC110"]
