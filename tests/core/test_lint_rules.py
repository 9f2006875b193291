from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from template_documents import rendered, serving, workflow

from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.lint import Finding, LintOptions, Override, errors, lint, misshapen
from aicore_sync.core.template import (
    Document,
    Output,
    TemplateOptions,
    decorate,
    facts,
    parse_document,
    spec_digest,
    to_bytes,
)

Change = Callable[[Document], Any]


def codes(document: Document, options: LintOptions | None = None) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in lint(document, options)]


def changed(change: Change, document: Document | None = None) -> Document:
    result = document or workflow()
    change(result)
    return result


def main(document: Document) -> Any:
    return document["spec"]["templates"][0]


def test_good_templates_have_no_findings() -> None:
    assert lint(workflow()) == ()
    assert lint(serving()) == ()


def test_a_decorated_flow_has_no_findings() -> None:
    options = TemplateOptions(
        "churn-train",
        scenario_id="churn",
        version="1",
        active_deadline=60,
        outputs=(Output("model", kind="model", path="/tmp/m", step="start"),),
    )
    assert lint(decorate(rendered(), options), LintOptions(rendered=True)) == ()


DESCRIPTION = "executables.ai.sap.com/description"
CASES: list[tuple[str, str, Change]] = [
    ("AC101", "error", lambda d: d.update(apiVersion="v1")),
    ("AC101", "error", lambda d: d.update(kind="CronWorkflow")),
    ("AC102", "error", lambda d: d["metadata"].update(name="abc")),
    ("AC102", "error", lambda d: d["metadata"].update(name="a" * 64)),
    ("AC102", "error", lambda d: d["metadata"].update(name="Churn_Train")),
    ("AC102", "error", lambda d: d["metadata"].update(name="churn-")),
    ("AC102", "error", lambda d: d["metadata"].pop("name")),
    ("AC103", "error", lambda d: d["metadata"]["labels"].pop("scenarios.ai.sap.com/id")),
    ("AC103", "error", lambda d: d["metadata"]["labels"].pop("ai.sap.com/version")),
    ("AC103", "error", lambda d: d["metadata"]["labels"].update({"ai.sap.com/version": 1.0})),
    ("AC103", "error", lambda d: d["metadata"]["labels"].update({"ai.sap.com/version": "1 beta"})),
    ("AC104", "warning", lambda d: d["metadata"]["labels"].update({"team": "x"})),
    ("AC104", "warning", lambda d: d["metadata"]["labels"].update({"executables.ai.sap.com/id": "churn"})),
    ("AC105", "error", lambda d: d["metadata"]["annotations"].pop("scenarios.ai.sap.com/name")),
    (
        "AC105",
        "error",
        lambda d: d["metadata"]["annotations"].update({"scenarios.ai.sap.com/name": "x" * 257}),
    ),
    ("AC103", "error", lambda d: main(d)["metadata"]["labels"].update({"ai.sap.com/foo": 5})),
    ("AC103", "error", lambda d: main(d)["metadata"]["labels"].update({"ai.sap.com/foo": "a b!"})),
    ("AC103", "error", lambda d: main(d)["metadata"]["labels"].update({"ai.sap.com/f o": "a"})),
    ("AC104", "warning", lambda d: main(d)["metadata"]["labels"].update({"team": "x"})),
    ("AC104", "warning", lambda d: d["spec"].update(podMetadata={"labels": {"team": "x"}})),
    ("AC105", "error", lambda d: main(d)["metadata"].update(annotations={"n": 3})),
    ("AC105", "error", lambda d: main(d)["metadata"].update(annotations={"a b": "x"})),
    ("AC105", "warning", lambda d: d["metadata"]["annotations"].update({DESCRIPTION: "x" * 5001})),
    ("AC115", "warning", lambda d: d["spec"]["arguments"]["parameters"].append({"name": "b", "value": "1"})),
    ("AC105", "error", lambda d: d["metadata"]["annotations"].pop("executables.ai.sap.com/name")),
    ("AC105", "error", lambda d: d["metadata"]["annotations"].update({"note": 1})),
    ("AC121", "error", lambda d: main(d).pop("metadata")),
    ("AC122", "error", lambda d: main(d)["container"].update(env=[{"name": "N", "value": 1}])),
    ("AC134", "error", lambda d: main(d)["container"].update(env=[{"name": "A B", "value": "x"}])),
    ("AC134", "error", lambda d: main(d)["container"].update(env=[{"name": "1X", "value": "x"}])),
    ("AC123", "error", lambda d: d["metadata"].update(namespace="x")),
    ("AC123", "error", lambda d: d["spec"].update(serviceAccountName="x")),
    ("AC123", "error", lambda d: main(d).update(nodeSelector={"gpu": "yes"})),
    ("AC123", "error", lambda d: main(d)["container"].update(securityContext={"runAsUser": 0})),
    ("AC126", "error", lambda d: main(d)["container"].update(image="python:3.11")),
    ("AC126", "error", lambda d: main(d)["container"].update(image="org/churn:1")),
    ("AC126", "error", lambda d: main(d)["container"].pop("image")),
    ("AC126", "error", lambda d: main(d)["container"].update(image="docker.io/org/Churn:1")),
    ("AC126", "error", lambda d: main(d)["container"].update(image="docker.io/org/churn:1 [click](x)")),
    ("AC127", "error", lambda d: main(d)["container"].pop("command")),
    ("AC127", "warning", lambda d: main(d)["container"].pop("args")),
    ("AC128", "warning", lambda d: d["spec"].pop("activeDeadlineSeconds")),
    ("AC141", "info", lambda d: main(d)["outputs"]["artifacts"][0].pop("globalName")),
    ("AC141", "error", lambda d: main(d)["outputs"]["artifacts"][0].update(name="other")),
    ("AC141", "error", lambda d: d["metadata"]["annotations"].pop("artifacts.ai.sap.com/churnmodel.kind")),
    ("AC143", "error", lambda d: main(d)["inputs"]["artifacts"].append({"name": "rawdata", "path": "/x"})),
    ("AC143", "error", lambda d: main(d)["inputs"]["artifacts"].append({"path": "/x"})),
    ("AC144", "error", lambda d: main(d)["outputs"]["artifacts"][0].update(path="/tmp/")),
    ("AC144", "error", lambda d: main(d)["outputs"]["artifacts"][0].update(path="/data/in/out")),
    ("AC144", "error", lambda d: main(d)["outputs"]["artifacts"][0].update(path="/data")),
]


@pytest.mark.parametrize(("code", "severity", "change"), CASES)
def test_each_mistake_has_one_finding(code: str, severity: str, change: Change) -> None:
    assert codes(changed(change)) == [(code, severity)]


def inner(document: Document) -> Any:
    return document["spec"]["template"]


SERVING_CASES: list[tuple[str, Change]] = [
    ("AC145", lambda d: (d["spec"]["inputs"].pop("parameters"), inner(d).update(spec="x: 1\n"))),
    ("AC145", lambda d: d["spec"]["inputs"]["artifacts"].append({"name": "churn-data"})),
    ("AC149", lambda d: inner(d).update(apiVersion="serving.kserve.io/v1")),
    ("AC149", lambda d: inner(d).update(spec={"predictor": {}})),
    ("AC149", lambda d: inner(d).update(metadata={"labels": {"ai.sap.com/resourcePlan": "starter"}})),
    (
        "AC149",
        lambda d: inner(d).update(spec="predictor:\n  containers: [{name: main, image: docker.io/o/i:1}]\n"),
    ),
]


def predictor(*, labels: str = "", image: str = "docker.io/org/serve:1", more: str = "") -> Change:
    """A serving template whose blocks hold this."""
    container = f"- name: kserve-container\n    image: {image}\n    args: [{{a: {{b: 1}}}}]\n    {more}\n"

    def change(document: Document) -> None:
        head = "predictor:\n  minReplicas: {{inputs.parameters.replicas}}\n  containers:\n  "
        inner(document)["spec"] = head + container
        inner(document)["metadata"] = {"labels": f"ai.sap.com/resourcePlan: starter\n{labels}"}

    return change


PREDICTORS: list[tuple[list[tuple[str, str]], Change]] = [
    ([], predictor()),
    ([], predictor(image="docker.io/org/serve:{{inputs.parameters.replicas}}")),
    ([], predictor(image="'{{inputs.parameters.replicas}}'")),
    ([("AC126", "error")], predictor(image="serve:1")),
    ([("AC132", "warning")], predictor(image="docker.io/org/serve")),
    ([("AC123", "error")], predictor(more="securityContext: {runAsUser: 0}")),
    ([("AC122", "error")], predictor(more="env: [{name: N, value: 1}]")),
    ([("AC134", "error")], predictor(more="env: [{name: A B, value: x}]")),
    ([("AC104", "warning")], predictor(labels="team: x\n")),
    ([("AC103", "error")], predictor(labels="ai.sap.com/x: 'a b!'\n")),
    ([("AC113", "error")], predictor(more="args: ['{{inputs.artifacts.none}}']")),
    ([("AC116", "warning")], predictor(more="args: ['{{workflow.name}}']")),
]


@pytest.mark.parametrize(("told", "change"), PREDICTORS)
def test_the_blocks_of_serving_templates_are_looked_into(told: list[tuple[str, str]], change: Change) -> None:
    assert codes(changed(change, serving())) == told


@pytest.mark.parametrize(("code", "change"), SERVING_CASES)
def test_serving_templates_have_rules_of_their_own(code: str, change: Change) -> None:
    assert codes(changed(change, serving())) == [(code, "error")]


def test_a_kubernetes_secret_is_refused_by_its_name() -> None:
    document = changed(lambda d: d.update(apiVersion="v1", kind="Secret"))
    assert ("AC106", "error") in codes(document)
    assert ("AC101", "error") not in codes(document)


def test_secret_values_are_found_wherever_they_hide_and_never_repeated() -> None:
    secret = 'pa"ss\\word'
    document = changed(lambda d: main(d)["container"].update(args=["x", f"run --key '{secret}'"]))
    (finding,) = lint(
        document, LintOptions(canaries=(("tenants[0].serviceKey", secret), ("other", "absent-value")))
    )
    assert finding.code == "AC107"
    assert finding.place == "spec.templates[main].container.args[1]"
    assert "tenants[0].serviceKey" in finding.message
    assert secret not in str(finding)
    assert "ss\\\\word" not in str(finding)


def test_secrets_too_short_to_tell_from_text_are_not_looked_for() -> None:
    assert lint(workflow(), LintOptions(canaries=(("x", "main"), ("y", "")))) == ()


def test_size() -> None:
    assert codes(workflow(), LintOptions(size_limit=500)) == [("AC108", "error")]


def test_compressed_input_paths() -> None:
    task = {
        "name": "join",
        "template": "main",
        "arguments": {"parameters": [{"name": "input-paths", "value": "!eJw"}]},
    }
    document = changed(lambda d: d["spec"]["templates"].append({"name": "dag", "dag": {"tasks": [task]}}))
    assert codes(document) == [("AC124", "error")]


@pytest.mark.parametrize(
    "text", ["{{workflow.parameters.alpha}}", "{{=toBase64(workflow.parameters['alpha'])}}"]
)
def test_parameters_in_commands_are_errors_in_rendered_flows_only(text: str) -> None:
    document = changed(lambda d: main(d)["container"].update(args=[f"python x.py {text}"]))
    assert lint(document) == ()
    assert codes(document, LintOptions(rendered=True)) == [("AC125", "error")]


def test_parameters_in_the_environment_are_welcome() -> None:
    def by_environment(document: Document) -> None:
        value = "{{workflow.parameters.alpha}}"
        main(document)["container"].update(args=["python x.py"], env=[{"name": "A", "value": value}])

    assert lint(changed(by_environment), LintOptions(rendered=True)) == ()


def test_two_steps_with_one_global_output() -> None:
    def twice(document: Document) -> None:
        document["spec"]["templates"].append({**main(document), "name": "again"})

    assert codes(changed(twice)) == [("AC142", "error")]


def test_hardware_may_come_from_the_template_defaults() -> None:
    def by_default(document: Document) -> None:
        document["spec"]["templateDefaults"] = {"metadata": main(document).pop("metadata")}

    assert lint(changed(by_default)) == ()


def test_hardware_is_one_of_two() -> None:
    document = changed(lambda d: main(d)["metadata"]["labels"].update({"ai.sap.com/instanceType": "g5"}))
    assert codes(document, LintOptions(instance_types=("g5",))) == [("AC121", "error")]


def test_every_kind_of_container_is_looked_at() -> None:
    def crowd(document: Document) -> None:
        bad = {"name": "readable-helper", "image": "helper:1", "command": ["x"], "args": ["y"]}
        main(document)["sidecars"] = [bad]
        main(document)["initContainers"] = [bad]

    found = lint(changed(crowd))
    assert [f.place for f in found] == [
        "spec.templates[main].initContainers[readable-helper].image",
        "spec.templates[main].sidecars[readable-helper].image",
    ]


def test_findings_read_well_and_errors_come_first() -> None:
    document = changed(lambda d: main(d).pop("metadata"))
    document["spec"].pop("activeDeadlineSeconds")
    first, second = lint(document)
    assert str(first) == (
        "AC121 error at spec.templates[main].metadata.labels: step main does not say what it runs on; "
        "give one label, ai.sap.com/resourcePlan or ai.sap.com/instanceType"
    )
    assert errors((first, second)) == (first,)


ODD: list[Any] = [
    {},
    {"metadata": None, "spec": []},
    {
        "kind": "WorkflowTemplate",
        "metadata": [],
        "spec": {"templates": [None, 1, {"container": 1, "steps": [[1], 2]}]},
    },
    {"kind": "ServingTemplate", "spec": {"inputs": {"parameters": "x", "artifacts": {"a": 1}}}},
    {"spec": {"templates": [{"dag": {"tasks": [{"inline": {"script": {"env": "x", "image": 5}}}]}}]}},
]


JUNK: list[Any] = [None, 1, True, 1.5, "{{", [], {}, [None], [[1]], {"name": 1}, [{"name": ["x"]}]]


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


@pytest.mark.parametrize("make", [workflow, serving, rendered])
def test_junk_anywhere_is_a_finding_at_most(make: Callable[[], Document]) -> None:
    for at, path in enumerate(paths(make())):
        document = make()
        node: Any = document
        for key in path[:-1]:
            node = node[key]
        for junk in (JUNK[at % len(JUNK)], JUNK[(at * 7 + 3) % len(JUNK)]):
            node[path[-1]] = copy.deepcopy(junk)
            assert all(str(f) for f in lint(document, LintOptions(rendered=True)))


ALL_OPTIONS = TemplateOptions(
    "churn-train",
    scenario_id="churn",
    image_pull_secrets=("registry",),
    active_deadline=60,
    outputs=(Output("sums", kind="model", path="/tmp/s"),),
    owner="us",
)


def junked(make: Callable[[], Document]) -> Iterator[Document]:
    """Every part of a document in turn replaced by some junk."""
    for at, path in enumerate(paths(make())):
        for junk in (JUNK[at % len(JUNK)], JUNK[(at * 7 + 3) % len(JUNK)], "x"):
            document = make()
            node: Any = document
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = copy.deepcopy(junk)
            yield document


@pytest.mark.parametrize("make", [workflow, serving, rendered])
def test_what_has_the_right_form_can_be_finished(make: Callable[[], Document]) -> None:
    """Whatever passes the first rules is decorated, read and written without a look at types."""
    finished, step = 0, "start" if make is rendered else "main"
    output = replace(ALL_OPTIONS.outputs[0], step=step)
    for document in junked(make):
        if misshapen(document):
            continue
        spec_digest(document)
        with suppress(InvalidInput):  # a step that is not there, in words
            done = decorate(document, replace(ALL_OPTIONS, outputs=(output,)))
            facts(done)
            assert parse_document(to_bytes(done), "wt.yaml") == done
            finished += 1
    assert finished > 20


MISSHAPEN: list[Change] = [
    lambda d: d["metadata"].update(labels="team: x\n"),
    lambda d: d["metadata"].update(labels=["a"]),
    lambda d: d["metadata"].update(annotations="x"),
    lambda d: d.update(metadata=[1]),
    lambda d: main(d).update(metadata="x"),
    lambda d: main(d).update(metadata={"labels": ["x"]}),
    lambda d: main(d).update(outputs=["x"]),
]


@pytest.mark.parametrize("change", MISSHAPEN)
def test_a_part_of_another_form_is_told_before_anything_is_written_into_it(change: Change) -> None:
    document = changed(change)
    assert {f.code for f in errors(misshapen(document))} == {"AC114"}
    off = LintOptions(overrides={"AC110": Override("off", "x")})
    assert misshapen(document, off)
    assert misshapen(workflow()) == ()


@pytest.mark.parametrize("document", ODD)
def test_odd_shapes_are_findings_not_crashes(document: Document) -> None:
    found = lint(document)
    assert found
    assert all(isinstance(finding, Finding) for finding in found)
