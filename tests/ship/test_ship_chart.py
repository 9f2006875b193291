"""The chart, by Helm's own code: lint, render, and the values that its schema refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml
from ship_objects import CHART, ROOT, VALUES, load, merged, rendered, values
from ship_values import README, described, with_table

import aicore_sync
from aicore_sync.config import parse_settings

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def names(tree: Any, path: str = "") -> Iterator[str]:
    """Every key of the values that the chart itself reads; what goes to Kubernetes as it is counts as one."""
    for key, value in tree.items():
        here = f"{path}{key}"
        inner = SCHEMA
        for part in here.split("."):
            inner = inner["properties"].get(part, {})
            if "$ref" in inner:
                inner = SCHEMA["definitions"][inner["$ref"].rpartition("/")[2]]
        if isinstance(value, Mapping) and inner.get("additionalProperties") is False:
            yield from names(value, f"{here}.")
        else:
            yield here


def test_the_table_of_the_readme_is_current() -> None:
    readme = README.read_text()
    assert readme == with_table(readme), "write it with `python tests/ship/ship_values.py`"


def test_every_value_is_described() -> None:
    text = (CHART / "values.yaml").read_text()
    found = {path for path, _ in described(text)}
    wanted = set(names(yaml.safe_load(text)))
    below = {path for path in wanted if path.rpartition(".")[0] in found}  # `resources` speaks for its parts
    assert wanted - below == {path for path in found if path not in {"resources"}}


def test_the_schema_knows_every_value_and_no_other() -> None:
    def keys(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
        if "$ref" in node:
            node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
        if node.get("additionalProperties") is not False or not path.count(".") < 4:
            yield path.rstrip(".")
            return
        for key, value in node["properties"].items():
            yield from keys(value, f"{path}{key}.")

    given = set(names(load(CHART / "values.yaml")))
    assert set(keys(SCHEMA)) - {"global"} == given | {"source.volume"}


def test_the_chart_carries_the_version_of_the_product() -> None:
    assert load(CHART / "Chart.yaml")["appVersion"] == aicore_sync.__version__


@pytest.mark.parametrize("name", VALUES)
def test_good_values_pass_the_schema(name: str) -> None:
    jsonschema.validate(merged(load(CHART / "values.yaml"), values(VALUES[name])), SCHEMA)


REFUSED: dict[str, tuple[Any, str]] = {
    "no configuration": ({"config": None}, "config"),
    "a misspelt value": ({"replicaCount": 2}, "replicaCount"),
    "a misspelt part": ({"image": {"repo": "x"}}, "repo"),
    "no process": ({"replicas": 0}, "replicas"),
    "an owner that is too long": ({"config": {"owner": "an-owner-of-too-many-letters"}}, "owner"),
    "another port": ({"config": {"http": {"port": 9090}}}, "port"),
    "another cache": ({"config": {"cacheDir": "/tmp"}}, "cacheDir"),
    "no tenant": ({"config": {"tenants": []}}, "tenants"),
    "a secret without a place": ({"secrets": [{"name": "git"}]}, "mountPath"),
    "a relative path": ({"source": {"mountPath": "flows"}}, "mountPath"),
    "two sources in one": ({"source": {"volume": {"nfs": {}, "emptyDir": {}}}}, "volume"),
    "a tag with a colon": ({"image": {"tag": "a:b"}}, "tag"),
    "a short digest": ({"image": {"digest": "sha256:12"}}, "digest"),
    "a size without sense": ({"cache": {"sizeLimit": "much"}}, "sizeLimit"),
    "a port out of range": ({"networkPolicy": {"git": {"ports": [70000]}}}, "ports"),
    "a peer that is a name": ({"networkPolicy": {"window": ["monitoring"]}}, "window"),
    "no time to stop": ({"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds"),
    "replicas without Leases": ({"replicas": 2}, "leases"),
    "more traffic without ports": ({"networkPolicy": {"more": [{"to": []}]}}, "ports"),
    "no lease": ({"leases": {"enabled": True, "shards": 0}}, "shards"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_values_are_refused_by_the_schema(case: str) -> None:
    change, word = REFUSED[case]
    given = merged(merged(load(CHART / "values.yaml"), values(("service",))), change)
    errors = list(jsonschema.Draft7Validator(SCHEMA).iter_errors(given))
    assert [e for e in errors if word in e.message or word in map(str, e.absolute_path)], errors


@pytest.mark.parametrize("case", REFUSED)
def test_bad_values_are_refused_by_helm(case: str) -> None:
    helm = pytest.importorskip("helm_python", reason="pip install '.[ship]' brings Helm")
    change, word = REFUSED[case]
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError, match=word):
        chart.render(merged(values(("service",)), change), name="aicore-sync", namespace="ml")


def test_helm_refuses_to_install_without_values() -> None:
    helm = pytest.importorskip("helm_python", reason="pip install '.[ship]' brings Helm")
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError, match="owner"):
        chart.render({}, name="aicore-sync", namespace="ml")


@pytest.mark.parametrize("name", VALUES)
def test_helm_lint_finds_nothing(name: str) -> None:
    helm = pytest.importorskip("helm_python", reason="pip install '.[ship]' brings Helm")
    report = helm.lint(CHART, values(VALUES[name]), strict=True, namespace="ml")
    assert report["errors"] == []
    assert [m for m in report["messages"] if m["severity"] > 1] == []


@pytest.mark.parametrize("name", VALUES)
def test_the_configuration_arrives_as_it_was_given(name: str) -> None:
    given = values(VALUES[name])
    objects = rendered(given)
    (text,) = (o["data"]["config.yaml"] for (kind, n), o in objects.items() if n.endswith("-config"))
    settings = parse_settings(text, ROOT / "config.yaml", {})
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8080)
    assert merged(yaml.safe_load(text), given["config"]) == yaml.safe_load(text)


def test_a_statefulset_keeps_its_cache_and_takes_what_it_is_given() -> None:
    objects = rendered(values(VALUES["persistent"]))
    (workload,) = (o for (kind, _), o in objects.items() if kind == "StatefulSet")
    pod = workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    claim = workload["spec"]["volumeClaimTemplates"][0]
    assert claim["metadata"]["name"] == "cache"
    assert claim["spec"]["storageClassName"] == "fast"
    assert "cache" not in {volume["name"] for volume in pod["volumes"]}
    assert container["image"].endswith("@sha256:" + "0123456789abcdef" * 4)
    assert pod["serviceAccountName"] == "flows"
    assert ("ServiceAccount", "flows") not in objects
    assert {name for kind, name in objects if kind == "Lease"} == {
        f"flows-controller-shard-{n}" for n in range(3)
    }
    assert objects["Role", "flows-controller"]["rules"][0]["resourceNames"] == [
        f"flows-controller-shard-{n}" for n in range(3)
    ]


def test_the_network_policy_can_be_narrowed_and_left_out() -> None:
    narrow = {"networkPolicy": {"window": [], "git": {"to": []}}}
    objects = rendered(merged(values(("service",)), narrow))
    assert len(objects["NetworkPolicy", "aicore-sync-ingress"]["spec"]["ingress"]) == 1
    assert len(objects["NetworkPolicy", "aicore-sync-egress"]["spec"]["egress"]) == 3
    none = rendered(merged(values(("service",)), {"networkPolicy": {"enabled": False}}))
    assert "NetworkPolicy" not in {kind for kind, _ in none}


def test_only_what_a_process_cannot_follow_restarts_the_pods() -> None:
    def checksum(change: Mapping[str, Any]) -> str:
        workload = rendered(merged(values(("service",)), change))["Deployment", "aicore-sync"]
        return str(workload["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    followed = {"log": {"level": "debug"}, "reconcile": {"interval": "5m"}, "http": {"login": {}}}
    for key, value in followed.items():
        assert checksum({}) == checksum({"config": {key: value}}), key
    for change in ({"config": {"owner": "other"}}, {"config": {"http": {"host": "::"}}}):
        assert checksum({}) != checksum(change), change
    assert checksum({"leases": {"enabled": True}}) != checksum({"leases": {"enabled": True, "shards": 2}})


def test_more_can_be_reached_where_it_is_named() -> None:
    collector = {"to": [{"namespaceSelector": {}}], "ports": [4318]}
    given = merged(values(("service",)), {"networkPolicy": {"more": [collector], "dnsPorts": [53, 5353]}})
    rules = rendered(given)["NetworkPolicy", "aicore-sync-egress"]["spec"]["egress"]
    assert [p["port"] for p in rules[0]["ports"]] == [53, 53, 5353, 5353]
    assert rules[-1] == {"to": [{"namespaceSelector": {}}], "ports": [{"port": 4318, "protocol": "TCP"}]}
