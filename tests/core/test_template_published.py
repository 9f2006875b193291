from __future__ import annotations

from dataclasses import replace

import pytest
from template_documents import rendered, serving, workflow

from aicore_sync.core.template import (
    Needs,
    PublishedTemplate,
    TemplateOptions,
    binding_problems,
    decorate,
    facts,
    file_name,
    owned_by,
    read_published,
    template_digest,
    to_bytes,
)

OPTIONS = TemplateOptions(
    "churn-train",
    scenario_id="churn",
    version="2",
    owner="team-a",
    flow="churn",
    environments=("prod", "dev"),
    input_digest="i",
    run_digest="r",
    source_revision="c0ffee",
)


@pytest.mark.parametrize("format", ["yaml", "json"])
def test_a_published_file_tells_its_facts(format: str) -> None:  # noqa: A002
    document = decorate(workflow(), OPTIONS)
    digest = template_digest(document)
    data = to_bytes(document, "json" if format == "json" else "yaml")
    assert read_published(data) == PublishedTemplate(
        executable="churn-train",
        scenario="churn",
        version=f"2-{digest[:8]}",
        owner="team-a",
        flow="churn",
        environments=("dev", "prod"),
        input_digest="i",
        template_digest=digest,
        run_digest="r",
        source_revision="c0ffee",
        parameters={"alpha": "0.1", "mode": None},
        inputs=frozenset({"rawdata"}),
        outputs=("churnmodel",),
        needs=Needs(stores=frozenset({"default"}), plans=frozenset({"starter"})),
    )
    assert owned_by(data, "team-a")
    assert not owned_by(data, "team-b")
    assert not owned_by(data, "")


def test_serving_templates_have_facts_too() -> None:
    found = facts(serving())
    assert found.kind == "ServingTemplate"
    assert found.parameters == {"replicas": "1"}
    assert found.inputs == {"churnmodel"}


def test_only_placeholders_are_inputs() -> None:
    document = workflow()
    document["spec"]["templates"] += [
        {
            "name": "graph",
            "dag": {
                "tasks": [
                    {"name": "a", "template": "main"},
                    {
                        "name": "b",
                        "template": "eval",
                        "arguments": {
                            "artifacts": [{"name": "model", "from": "{{tasks.a.outputs.artifacts.m}}"}]
                        },
                    },
                ]
            },
        },
        {
            "name": "eval",
            "inputs": {
                "artifacts": [
                    {"name": "model", "path": "/m"},
                    {"name": "code", "path": "/c", "raw": {"data": "x"}},
                    {"name": "extra", "path": "/e", "optional": True},
                ]
            },
            "container": {"image": "docker.io/x/y:1"},
        },
    ]
    found = facts(document)
    assert found.inputs == {"rawdata", "extra"}
    assert found.optional_inputs == {"extra"}


def test_metaflow_values_count_as_defaults() -> None:
    document = rendered()
    document["spec"]["arguments"]["parameters"] = [{"name": "rate", "value": 0.1}, {"name": "must"}]
    assert facts(document).parameters == {"rate": "0.1", "must": None}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"a: [",
        b"- x",
        b"kind: Secret\nmetadata: {name: x}",
        b"kind: WorkflowTemplate\n",
        b"{",
        b"null",
    ],
)
def test_what_is_no_template_is_nobodys(data: bytes) -> None:
    assert read_published(data) is None
    assert not owned_by(data, "team-a")


def test_odd_templates_are_read_as_far_as_they_go() -> None:
    data = b"kind: WorkflowTemplate\nmetadata: {name: odd, labels: [1], annotations: x}\nspec: {templates: {a: 1}}\n"
    assert read_published(data) == PublishedTemplate("odd")


def test_file_names() -> None:
    assert file_name("churn-train") == "wt-churn-train.yaml"
    assert file_name("churn-train", "json") == "wt-churn-train.json"


@pytest.mark.parametrize(
    ("parameters", "inputs", "expected"),
    [
        ({"mode": "x"}, ["rawdata"], []),
        ({"mode": "x", "alpha": ""}, ["rawdata"], []),
        ({}, [], ["parameter 'mode' has no default", "input artifact 'rawdata' is not bound"]),
        (
            {"mode": "", "Alpha": "1"},
            ["rawdata"],
            ["unknown parameter 'Alpha'; did you mean 'alpha'? Case matters."],
        ),
        ({"mode": "", "alhpa": "1"}, ["rawdata"], ["unknown parameter 'alhpa'; did you mean 'alpha'?"]),
        ({"mode": "", "zzz": "1"}, ["rawdata"], ["unknown parameter 'zzz'; the template has alpha, mode"]),
        ({"mode": ""}, ["rawdata", "rawData"], ["unknown input artifact 'rawData'; did you mean 'rawdata'?"]),
    ],
)
def test_bindings_are_checked_before_ai_core_sees_them(
    parameters: dict[str, str], inputs: list[str], expected: list[str]
) -> None:
    problems = binding_problems(facts(workflow()), parameters, inputs)
    assert len(problems) == len(expected)
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(start)


def test_optional_inputs_may_stay_unbound() -> None:
    template = PublishedTemplate("x", inputs=frozenset({"a", "b"}), optional_inputs=frozenset({"b"}))
    assert binding_problems(template, {}, ["a"]) == []


def test_a_value_that_argo_would_substitute_is_refused() -> None:
    template = replace(facts(workflow()), inputs=frozenset())
    (problem,) = binding_problems(template, {"alpha": "{{workflow.name}}", "mode": "{ {x} }"}, [])
    assert "'alpha' contains '{{'" in problem
