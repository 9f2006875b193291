"""What a template needs, and what is said when the tenant or the resource group does not have it."""

from __future__ import annotations

from typing import Any

import pytest

from aicore_sync.core.model import Mark, Stage
from aicore_sync.core.preflight import Facts, GroupState, group_look, holds, looks
from aicore_sync.core.template import Needs, facts

ALL = Facts(
    GroupState("PROVISIONED"),
    stores=frozenset({"default"}),
    secrets=frozenset({"token"}),
    registries=frozenset({"registry"}),
    plan="extended",
    instance_types=frozenset({"g4dn.xlarge"}),
)
NEEDS = Needs(
    stores=frozenset({"default"}),
    registries=frozenset({"registry"}),
    secrets=frozenset({"token"}),
    plans=frozenset({"basic"}),
    instance_types=frozenset({"g4dn.xlarge"}),
)


def document(step: dict[str, Any], **spec: Any) -> dict[str, Any]:
    container = {"image": "docker.io/library/python:3.11", "command": ["python"], "args": ["x"]}
    if "dag" not in step:
        step = {**step, "container": container | step.get("container", {})}
    step = {"name": "main", **step}
    body = {"entrypoint": "main", "templates": [step]} | spec
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate"}
    return kind | {"metadata": {"name": "some-flow"}, "spec": body}


def of(step: dict[str, Any], **spec: Any) -> Needs:
    return facts(document(step, **spec)).needs


def test_a_template_that_names_nothing_needs_nothing() -> None:
    assert of({}) == Needs()


@pytest.mark.parametrize("direction", ["inputs", "outputs"])
def test_artifacts_need_the_default_object_store(direction: str) -> None:
    step = {direction: {"artifacts": [{"name": "model", "path": "/tmp/model"}]}}
    assert of(step).stores == {"default"}


def test_every_way_to_name_a_secret_is_found() -> None:
    environment = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "by-key", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "may-be-absent", "key": "b", "optional": True}}},
        {"name": "C", "value": "plain"},
    ]
    sources = [{"secretRef": {"name": "whole"}}, {"secretRef": {"name": "lake-object-store-secret"}}]
    found = of(
        {
            "container": {"env": environment, "envFrom": sources},
            "volumes": [{"name": "v", "secret": {"secretName": "mounted"}}],
            "sidecars": [{"name": "side", "envFrom": [{"secretRef": {"name": "beside"}}]}],
        },
        volumes=[{"name": "w", "secret": {"secretName": "shared"}}, {"name": "x", "emptyDir": {}}],
        imagePullSecrets=[{"name": "registry"}],
    )
    assert found.secrets == {"by-key", "whole", "mounted", "beside", "shared"}
    assert found.stores == {"lake"}
    assert found.registries == {"registry"}


def test_names_that_a_parameter_fills_in_are_left_out() -> None:
    assert of({"container": {"envFrom": [{"secretRef": {"name": "{{workflow.parameters.s}}"}}]}}) == Needs()


def test_hardware_comes_from_the_step_or_from_the_defaults() -> None:
    defaults = {"metadata": {"labels": {"ai.sap.com/resourcePlan": "basic"}}}
    assert of({}, templateDefaults=defaults).plans == {"basic"}
    own = {"metadata": {"labels": {"ai.sap.com/instanceType": "m5.large"}}}
    assert of(own).instance_types == {"m5.large"}
    assert of({"dag": {"tasks": []}}, templateDefaults=defaults).plans == frozenset()


@pytest.mark.parametrize("junk", [{"spec": 7}, {"spec": {"templates": [{"container": "x"}], "volumes": "x"}}])
def test_odd_documents_need_nothing(junk: dict[str, Any]) -> None:
    assert facts({"kind": "WorkflowTemplate", "metadata": {"name": "x"}} | junk).needs == Needs()


def test_where_everything_is_there_nothing_holds() -> None:
    assert {look.state for look in looks(NEEDS, ALL, "t", "rg")} == {"ok"}
    assert holds(looks(NEEDS, ALL, "t", "rg")) == ()


def test_what_is_missing_holds_starts_and_says_how_to_mend_it() -> None:
    bare = Facts(None, frozenset(), frozenset(), frozenset(), "extended", frozenset({"m5.large"}))
    found = holds(looks(NEEDS, bare, "acme", "rg"))
    assert {h.stage for h in found} == {Stage.EXECUTE}
    assert {h.mark for h in found} == {Mark.FAIL}
    assert [h.reason for h in found] == [
        "ObjectStoreMissing",
        "RegistrySecretMissing",
        "SecretMissing",
        "HardwareMissing",
    ]
    said = [h.message for h in found]
    assert "resource group rg has no object store secret default" in said[0]
    assert "tenant acme has no docker registry secret registry" in said[1]
    assert "it has m5.large" in said[3]
    assert all(h.after for h in found), "what a person mends is found without a restart"


def test_what_cannot_be_read_holds_nothing() -> None:
    found = list(looks(NEEDS, Facts(), "t", "rg"))
    assert {look.state for look in found} == {"unknown"}
    assert holds(found) == ()
    assert group_look(Facts(), "t", "rg").state == "unknown"


@pytest.mark.parametrize(
    ("plan", "wanted", "missing"),
    [
        ("free", Needs(plans=frozenset({"starter"})), False),
        ("free", Needs(plans=frozenset({"basic"})), True),
        ("standard", Needs(plans=frozenset({"basic"})), False),
        ("standard", Needs(instance_types=frozenset({"g4dn.xlarge"})), True),
        ("extended", Needs(instance_types=frozenset({"g4dn.xlarge"})), False),
        ("extended", Needs(plans=frozenset({"basic"})), False),
        ("sap-internal", Needs(plans=frozenset({"infer.s"})), False),
    ],
)
def test_the_service_plan_allows_what_it_allows(plan: str, wanted: Needs, missing: bool) -> None:
    known = Facts(plan=plan, instance_types=frozenset({"g4dn.xlarge"}))
    assert bool(holds(looks(wanted, known, "t", "rg"))) is missing


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (GroupState("PROVISIONED"), ""),
        (GroupState(""), "ResourceGroupMissing"),
        (GroupState("PROVISIONING"), "ResourceGroupNotReady"),
        (GroupState("ERROR", "no more space"), "ResourceGroupNotReady"),
    ],
)
def test_a_resource_group_must_be_there_and_provisioned(group: GroupState, reason: str) -> None:
    look = group_look(Facts(group), "t", "rg")
    assert look.reason == reason
    assert group.message in look.message
