"""What workflows call, read and run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from template_documents import rendered, serving, workflow

from aicore_sync.core.lint import LintOptions, Override, lint, unheard
from aicore_sync.core.template import Document

Change = Callable[[Document], Any]


def main(document: Document) -> Any:
    return document["spec"]["templates"][0]


def noted(key: str, value: str) -> Change:
    return lambda d: d["metadata"]["annotations"].update({f"artifacts.ai.sap.com/{key}": value})


def dag(*tasks: dict[str, Any]) -> Change:
    return lambda d: d["spec"]["templates"].append({"name": "all", "dag": {"tasks": list(tasks)}})


A = {"name": "a", "template": "main"}


def reads(value: str, **more: Any) -> dict[str, Any]:
    """A task that takes a value."""
    arguments = {"parameters": [{"name": "x", "value": value}]}
    return {"name": "b", "template": "main", "arguments": arguments, **more}


def found(change: Change, options: LintOptions | None = None) -> list[tuple[str, str]]:
    document = workflow()
    change(document)
    return [(finding.code, finding.severity) for finding in lint(document, options)]


CASES: list[tuple[str, str, Change]] = [
    ("AC111", "warning", lambda d: d["spec"].update(onExit="main")),
    ("AC111", "warning", lambda d: main(d).update(podSpecPatch="x")),
    ("AC111", "error", lambda d: main(d).update(synchronization={"mutex": {"name": "x"}})),
    ("AC111", "error", lambda d: d["spec"]["templates"].append({"name": "wait", "suspend": {}})),
    ("AC111", "error", dag({"name": "a", "templateRef": {"name": "x", "template": "y"}})),
    ("AC112", "error", lambda d: d["spec"].update(entrypoint="Main")),
    ("AC112", "error", lambda d: d["spec"].pop("entrypoint")),
    ("AC112", "error", lambda d: d["spec"]["templates"].append({"name": "idle"})),
    ("AC112", "error", dag({"name": "a", "template": "mian"})),
    ("AC112", "error", dag({"name": "a", "template": "main", "dependencies": ["b"]})),
    ("AC112", "error", dag({"name": "a", "template": "main"}, {"name": "a", "template": "main"})),
    ("AC113", "error", lambda d: main(d)["container"].update(args=["{{workflow.parameters.Alpha}}"])),
    ("AC113", "error", lambda d: main(d)["container"].update(args=["{{ inputs.parameters.x }}"])),
    ("AC112", "error", dag({"name": "a", "template": "main", "depends": "nosuch.Succeeded"})),
    ("AC112", "error", dag(A, {"name": "b", "template": "main", "depends": "a.Succeded"})),
    ("AC112", "error", dag(A, {"name": "b", "template": "main", "depends": "a, a"})),
    ("AC113", "error", dag(reads("{{tasks.nope.outputs.parameters.r}}"))),
    ("AC113", "error", dag(A, reads("{{tasks.a.outputs.result}}"))),
    ("AC113", "error", dag(A, reads("{{tasks.a.outputs.artifacts.r}}", depends="a"))),
    ("AC113", "error", dag(A, {"name": "b", "template": "main", "dependencies": ["a"], "arguments": {
        "artifacts": [{"name": "rawdata", "from": "{{tasks.nope.outputs.artifacts.r}}"}]}})),
    ("AC113", "error", lambda d: main(d)["container"].update(args=["cat {{inputs.artifacts.g.path}}"])),
    ("AC113", "error", lambda d: main(d)["container"].update(args=["cat {{outputs.artifacts.g.path}}"])),
    ("AC113", "error", lambda d: main(d)["container"].update(args=["{{tasks.a.outputs.result}}"])),
    ("AC116", "warning", lambda d: main(d)["container"].update(args=["{{wrokflow.name}}"])),
    ("AC116", "warning", lambda d: main(d)["container"].update(args=["{{ jinja }}"])),
    ("AC116", "warning", lambda d: main(d)["container"].update(args=["an open {{ brace"])),
    ("AC116", "error", lambda d: main(d)["container"].update(args=["{{workflow.nmae}}"])),
    ("AC117", "error", lambda d: main(d)["inputs"].update(parameters=[{"name": "x"}])),
    ("AC118", "error", dag({**A, "dependencies": ["b"]}, {**A, "name": "b", "dependencies": ["a"]})),
    ("AC118", "error", dag({"name": "a", "template": "main", "depends": "a"})),
    ("AC119", "warning", lambda d: d["spec"]["arguments"]["parameters"][0].update(default="x" * 5001)),
    ("AC119", "error", lambda d: d["spec"]["arguments"]["parameters"][0].update(default="a\0b")),
    ("AC123", "error", lambda d: d["spec"].update(hostNetwork=True)),
    ("AC123", "error", lambda d: d["spec"].update(volumes=[{"name": "v", "hostPath": {"path": "/"}}])),
    ("AC129", "error", lambda d: main(d)["metadata"]["labels"].update({"ai.sap.com/resourcePlan": "Starter"})),
    ("AC132", "warning", lambda d: main(d)["container"].update(image="docker.io/org/churn")),
    ("AC132", "warning", lambda d: main(d)["container"].update(image="host:5000/org/churn:latest")),
    ("AC146", "error", noted("churnmodel.labels", "x")),
    ("AC146", "error", noted("churnmodel.labels", '{"a": "b"}')),
    ("AC147", "warning", noted("ChurnModel.kind", "model")),
    ("AC147", "warning", noted("churnmodel.knd", "model")),
    ("AC148", "info", lambda d: main(d)["outputs"]["artifacts"][0].pop("archive")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "severity", "change"), CASES)
def test_each_mistake_has_one_finding(code: str, severity: str, change: Change) -> None:
    assert found(change) == [(code, severity)]


@pytest.mark.parametrize(
    ("chosen", "labels", "told"),
    [
        ((), {}, ["spec.templates[fit-all].metadata.labels"]),
        (("start",), {}, ["spec.templates[fit-all].metadata.labels"]),
        (("fit_all",), {}, []),
        (("*",), {}, []),
        ((), {"ai.sap.com/resourcePlan": "basic"}, []),
    ],
)
def test_a_machine_that_nobody_chose(chosen: Any, labels: dict[str, str], told: list[str]) -> None:
    document = rendered()
    document["spec"]["templates"][2]["metadata"]["labels"].update(labels)
    findings = list(unheard([("fit_all", "1 GPU")], chosen, document))
    assert [f.place for f in findings] == told
    assert {(f.code, f.severity) for f in findings} <= {("AC185", "warning")}


@pytest.mark.parametrize(("image", "told"), [("", []), ("docker.io/org/churn:1.4.0", [("AC135", "warning")])])
def test_an_image_that_nobody_named(image: str, told: list[tuple[str, str]]) -> None:
    assert found(lambda d: None, LintOptions(fallback_image=image)) == told


FINE: list[Change] = [
    lambda d: d["spec"]["templates"].append({"name": "wait", "suspend": {"duration": "10s"}}),
    lambda d: main(d)["container"].update(args=["{{workflow.parameters.json}} {{workflow.parameters.mode}}"]),
    lambda d: main(d)["container"].update(image="docker.io/org/churn@sha256:" + "a" * 64),
    lambda d: main(d)["container"].update(image="{{workflow.parameters.mode}}"),
    lambda d: main(d)["metadata"]["labels"].update({"ai.sap.com/resourcePlan": "infer.l"}),
    dag({"name": "a", "template": "main"}, {"name": "b", "template": "main", "dependencies": ["a"]}),
    dag(
        A,
        reads(
            "{{tasks.a.outputs.artifacts.churnmodel}} {{tasks.name}} {{item.x}}", depends="a.Succeeded || !a"
        ),
    ),
    lambda d: d["spec"]["templates"].append(
        {"name": "s", "steps": [[A], [reads("{{steps.a.outputs.result}}")]]}
    ),
    lambda d: main(d)["container"].update(
        args=["{{=sprig.trim(' x ')}} {{retries}} {{pod.name}} {{workflow.labels.a.b/c}}"]
    ),
    lambda d: main(d)["container"].update(
        args=["{{inputs.artifacts.rawdata.path}} {{outputs.artifacts.churnmodel.path}}"]
    ),
    lambda d: main(d)["inputs"].update(parameters=[{"name": "alpha"}]),
    lambda d: d["spec"]["arguments"]["parameters"][0].update(description="as in {{ jinja }}"),
    lambda d: d["spec"]["templates"].append({"name": "s", "steps": [[{"name": "a", "template": "main"}]]}),
]


@pytest.mark.parametrize("change", FINE)
def test_what_works_has_no_finding(change: Change) -> None:
    assert found(change) == []


def test_two_templates_of_one_name() -> None:
    assert ("AC112", "error") in found(lambda d: d["spec"]["templates"].append(main(d)))


def test_the_case_of_a_parameter_is_pointed_at() -> None:
    document = workflow()
    main(document)["container"]["args"] = ["{{workflow.parameters.ALPHA}}"]
    (finding,) = lint(document)
    assert finding.cure == "did you mean `alpha`? Case matters."


def test_placeholders_of_serving_templates_are_declared() -> None:
    document = serving()
    document["spec"]["template"]["spec"] += "  x: {{inputs.parameters.Replicas}}\n"
    assert [(f.code, f.place) for f in lint(document)] == [("AC113", "spec.template.spec")]


def instance(document: Document) -> None:
    main(document)["metadata"]["labels"] = {"ai.sap.com/instanceType": "g4dn.xlarge"}


def test_instance_types_are_checked_once_the_repository_lists_them() -> None:
    assert found(instance) == [("AC129", "info")]
    assert found(instance, LintOptions(instance_types=("g4dn.xlarge",))) == []
    assert found(instance, LintOptions(instance_types=("m5.large",))) == [("AC129", "error")]


def test_a_tenant_may_have_more_plans() -> None:
    def own_plan(document: Document) -> None:
        main(document)["metadata"]["labels"] = {"ai.sap.com/resourcePlan": "train.xxl"}

    assert found(own_plan) == [("AC129", "error")]
    assert found(own_plan, LintOptions(plans=("train.xxl",))) == []


def test_names_of_containers_decide_about_logs() -> None:
    def pair(*names: str) -> Change:
        one = {"image": "docker.io/a/b:1", "command": ["x"], "args": ["y"]}
        group = {"containers": [{"name": name, **one} for name in names]}

        def change(document: Document) -> None:
            main(document).pop("container")
            main(document)["containerSet"] = group

        return change

    assert found(pair("main", "readable-side")) == []
    assert found(pair("main", "side")) == [("AC130", "info")]
    assert found(pair("first", "readable-side"))[0] == ("AC130", "error")


def test_every_step_of_a_flow_gets_the_secrets() -> None:
    document = rendered()
    first = document["spec"]["templates"][1]["container"]
    first["envFrom"] = [{"secretRef": {"name": "default-object-store-secret"}}]
    found = [f for f in lint(document, LintOptions(rendered=True)) if f.code == "AC131"]
    assert [f.place for f in found] == ["spec.templates[fit-all]"]
    assert not [f for f in lint(document) if f.code == "AC131"]


def test_a_repository_chooses_the_severity() -> None:
    def endless(document: Document) -> None:
        document["spec"].pop("activeDeadlineSeconds")

    def chosen(severity: Any) -> LintOptions:
        return LintOptions(overrides={"AC128": Override(severity, "our runs end by themselves")})

    assert found(endless) == [("AC128", "warning")]
    assert found(endless, chosen("error")) == [("AC128", "error")]
    assert found(endless, chosen("off")) == []
