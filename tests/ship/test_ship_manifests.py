"""The objects of `deploy/`: equal to the chart's, restricted, consistent, valid for every supported Kubernetes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ship_objects import (
    DEPLOY,
    ROOT,
    VALUES,
    Object,
    Objects,
    by_name,
    comparable,
    kustomized,
    rendered,
    values,
)

from aicore_sync.app import service
from aicore_sync.config import parse_settings, secret_references
from aicore_sync.controller.loop import LoopOptions
from aicore_sync.web.server import GRACE_SECONDS

PLACES = {"service": "base"} | {name: f"overlays/{name}" for name in ("dir-source", "git-source", "ha")}
CUSTOM = {"ServiceMonitor", "PrometheusRule", "ExternalSecret"}
VERSIONS = [f"1.{minor}" for minor in range(28, 37)]


def workload(objects: Objects) -> Object:
    (found,) = (o for (kind, _), o in objects.items() if kind in ("Deployment", "StatefulSet"))
    return found


@pytest.mark.parametrize("name", PLACES)
def test_deploy_and_chart_give_the_same_objects(name: str) -> None:
    given = {**values(VALUES[name]), "image": {"repository": "aicore-sync"}}
    chart, deploy = comparable(rendered(given)), comparable(kustomized(DEPLOY / PLACES[name]))
    assert chart.keys() == deploy.keys()
    for key in chart:
        assert deploy[key] == chart[key], key


def built(directory: Path) -> Objects:
    """The objects as kustomize itself makes them, ConfigMaps without the hash in their names."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    command = [program, "kustomize", "--load-restrictor=LoadRestrictionsNone", str(directory)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\baicore-sync-config-[a-z0-9]{10}\b", "aicore-sync-config", text)
    return by_name(yaml.safe_load_all(text))


@pytest.mark.parametrize("name", PLACES)
def test_kustomize_makes_the_objects_that_are_compared_here(name: str) -> None:
    assert built(DEPLOY / PLACES[name]) == kustomized(DEPLOY / PLACES[name])


def test_an_overlay_with_a_namespace_binds_the_role_to_the_account_in_it(tmp_path: Path) -> None:
    overlay = {"resources": [os.path.relpath(DEPLOY / "overlays/ha", tmp_path)], "namespace": "ml"}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    objects = built(tmp_path)
    assert {item["metadata"]["namespace"] for item in objects.values()} == {"ml"}
    account = workload(objects)["spec"]["template"]["spec"]["serviceAccountName"]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "ml"}
    assert objects["RoleBinding", "aicore-sync"]["subjects"] == [subject]


def test_kustomize_finds_the_account_that_the_role_is_bound_to() -> None:
    """It writes its namespace into subjects that name an account of the build in the namespace `default`."""
    objects = kustomized(DEPLOY / "overlays/ha")
    (subject,) = objects["RoleBinding", "aicore-sync"]["subjects"]
    assert ("ServiceAccount", subject["name"]) in objects
    assert subject["namespace"] == "default"
    assert all("namespace" not in item["metadata"] for item in objects.values())


@pytest.mark.parametrize("name", PLACES)
def test_the_configuration_is_valid_and_its_secrets_are_mounted(name: str) -> None:
    objects = kustomized(DEPLOY / PLACES[name])
    text = objects["ConfigMap", "aicore-sync-config"]["data"]["config.yaml"]
    settings = parse_settings(text, Path("/etc/aicore-sync/config.yaml"), {})
    container = workload(objects)["spec"]["template"]["spec"]["containers"][0]
    mounts = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
    wanted = [ref.path() for _, ref in secret_references(settings)]
    assert len(set(wanted)) == 4
    assert all(path and path.parent in mounts for path in wanted)
    assert (settings.sources[0].directory in mounts) == (name in ("dir-source", "ha"))
    assert settings.cache_dir in mounts
    assert settings.state_dir.is_relative_to(settings.cache_dir)
    assert settings.http.port == container["ports"][0]["containerPort"]


def restricted(pod: Any) -> Iterator[str]:
    """What the Pod Security Standard "restricted" would refuse, and what we promise on top of it."""
    outer = pod["securityContext"]
    if (
        not outer["runAsNonRoot"]
        or outer["runAsUser"] == 0
        or outer["seccompProfile"]["type"] != "RuntimeDefault"
    ):
        yield "user or seccomp"
    if {"hostNetwork", "hostPID", "hostIPC"} & pod.keys() or pod.get("initContainers"):
        yield "host namespaces"
    for container in pod["containers"]:
        inner = container["securityContext"]
        if inner["allowPrivilegeEscalation"] or inner["capabilities"] != {"drop": ["ALL"]}:
            yield "privileges"
        if not inner["readOnlyRootFilesystem"]:
            yield "a writable root"
        writable = [m["name"] for m in container["volumeMounts"] if not m.get("readOnly")]
        if writable != ["cache"]:
            yield f"writable: {writable}"
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
    yield from (v["name"] for v in pod["volumes"] if not (v.keys() - {"name"}) <= allowed)


@pytest.mark.parametrize("name", PLACES)
def test_the_pod_is_restricted(name: str) -> None:
    assert list(restricted(workload(kustomized(DEPLOY / PLACES[name]))["spec"]["template"]["spec"])) == []


@pytest.mark.parametrize("name", VALUES)
def test_the_pod_of_the_chart_is_restricted(name: str) -> None:
    assert list(restricted(workload(rendered(values(VALUES[name])))["spec"]["template"]["spec"])) == []


@pytest.mark.parametrize("name", PLACES)
def test_selectors_volumes_and_accounts_fit_together(name: str) -> None:
    objects = kustomized(DEPLOY / PLACES[name])
    spec = workload(objects)["spec"]
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    service = objects["Service", "aicore-sync"]["spec"]
    selectors = [service["selector"], spec["selector"]["matchLabels"]]
    selectors += [
        o["spec"].get("podSelector", o["spec"].get("selector"))["matchLabels"]
        for (kind, _), o in objects.items()
        if kind in ("NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor")
    ]
    assert all(selector == labels for selector in selectors)
    assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    assert ("ServiceAccount", pod["serviceAccountName"]) in objects
    assert pod["automountServiceAccountToken"] == any(kind == "Lease" for kind, _ in objects)


def test_the_role_may_change_its_leases_and_nothing_else() -> None:
    objects = kustomized(DEPLOY / "overlays/ha")
    (rule,) = objects["Role", "aicore-sync"]["rules"]
    assert rule["apiGroups"] == ["coordination.k8s.io"]
    assert rule["resources"] == ["leases"]
    assert set(rule["resourceNames"]) == {name for kind, name in objects if kind == "Lease"}
    assert set(rule["verbs"]) == {"get", "update", "watch"}
    assert not {"ClusterRole", "ClusterRoleBinding"} & {kind for kind, _ in objects}


def test_no_pod_reaches_the_metadata_of_a_cloud() -> None:
    for item in kustomized(DEPLOY / "overlays/ha").values():
        for rule in item["spec"].get("egress", ()) if item["kind"] == "NetworkPolicy" else ():
            blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
            assert all("169.254.0.0/16" in b["except"] for b in blocks if b["cidr"] == "0.0.0.0/0")
            assert rule["ports"]


def test_a_pod_has_time_to_stop() -> None:
    parts = (LoopOptions().grace, service.DRAIN, service.RELEASE, service.LEASE, GRACE_SECONDS)
    assert service.LAST_NOTES <= service.RELEASE
    assert sum(parts) < 20, "each at its longest, as docs/operations.md promises"
    pod = workload(kustomized(DEPLOY / "base"))["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > sum(parts) + 10


def test_the_example_of_external_secrets_fills_what_the_base_mounts() -> None:
    objects = kustomized(DEPLOY / "base")
    pod = workload(objects)["spec"]["template"]["spec"]
    mounted = {v["name"]: v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
    paths = {m["mountPath"]: mounted.get(m["name"]) for m in pod["containers"][0]["volumeMounts"]}
    example = list(yaml.safe_load_all((DEPLOY / "examples/external-secrets.yaml").read_text()))
    filled = {(e["spec"]["target"]["name"], d["secretKey"]) for e in example for d in e["spec"]["data"]}
    text = objects["ConfigMap", "aicore-sync-config"]["data"]["config.yaml"]
    files = [Path(file) for file in re.findall(r"/secrets/[a-z/-]+(?:\.json)?", text)]
    assert filled == {(paths[str(file.parent)], file.name) for file in files}


def validated(objects: Objects, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="pip install '.[ship]' brings the schemas")
    for (kind, name), item in objects.items():
        if kind not in CUSTOM:
            try:
                validate.validate(item, version, strict=True)
            except validate.ValidationError as error:
                pytest.fail(f"{kind} {name} for {version}: {error.message} at {list(error.path)}")


def everything() -> Iterator[Objects]:
    yield from (kustomized(DEPLOY / place) for place in PLACES.values())
    yield from (rendered(values(files)) for files in VALUES.values())
    example = yaml.safe_load((DEPLOY / "examples/namespace.yaml").read_text())
    yield {("Namespace", "aicore-sync"): example}


def test_every_object_is_valid_for_a_kubernetes_of_today() -> None:
    for objects in everything():
        validated(objects, "1.34")


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_every_supported_kubernetes(version: str) -> None:
    for objects in everything():
        validated(objects, version)


def test_the_schemas_are_strict() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="pip install '.[ship]' brings the schemas")
    objects = kustomized(DEPLOY / "base")
    workload(objects)["spec"]["replica"] = 2
    with pytest.raises(validate.ValidationError):
        validate.validate(workload(objects), "1.34", strict=True)


def test_every_yaml_file_of_deploy_can_be_read() -> None:
    files = [f for f in DEPLOY.rglob("*.y*ml") if f.is_file()]
    assert len(files) > 15
    for file in files:
        assert list(yaml.safe_load_all(file.read_text())), file.relative_to(ROOT)
