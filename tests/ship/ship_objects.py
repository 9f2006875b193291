"""The objects of `deploy/` and of the chart as plain dictionaries, in a form that can be compared.

`kustomized` does what `kustomize build` does with the few things that `deploy/` uses: resources, components,
generators of ConfigMaps from files, and JSON patches that add or replace. Anything else is an error.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/aicore-sync"
DEPLOY = ROOT / "deploy"

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]

KNOWN = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "patches"}
HELM_LABELS = {"helm.sh/chart", "app.kubernetes.io/managed-by"}
VALUES = {
    "service": ("service",),
    "dir-source": ("service", "dir-source"),
    "git-source": ("service", "git-source"),
    "ha": ("service", "dir-source", "ha"),
    "persistent": ("service", "persistent"),
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def by_name(objects: Iterable[Object]) -> Objects:
    """Objects by kind and name; the same one twice is an error."""
    found: Objects = {}
    for item in filter(None, objects):
        key = (item["kind"], item["metadata"]["name"])
        assert key not in found, f"{key} twice"
        found[key] = item
    return found


def kustomized(directory: Path, below: Objects | None = None) -> Objects:
    """The objects of a kustomization, or of a component applied to those `below`."""
    rules = load(directory / "kustomization.yaml")
    assert set(rules) <= KNOWN, f"{directory}: this renderer does not know {set(rules) - KNOWN}"
    objects = dict(below or {})
    for name in rules.get("resources", ()):
        path = (directory / name).resolve()
        found = kustomized(path) if path.is_dir() else by_name(yaml.safe_load_all(path.read_text()))
        assert not objects.keys() & found.keys()
        objects |= found
    for name in rules.get("components", ()):
        objects = kustomized((directory / name).resolve(), objects)
    for generator in rules.get("configMapGenerator", ()):
        _generate(generator, directory, objects)
    for patch in rules.get("patches", ()):
        key = (patch["target"]["kind"], patch["target"]["name"])
        objects[key] = reduce(_patched, load(directory / patch["path"]), copy.deepcopy(objects[key]))
    return objects


def _generate(generator: Mapping[str, Any], directory: Path, objects: Objects) -> None:
    key = ("ConfigMap", generator["name"])
    data = {name: (directory / name).read_text() for name in generator["files"]}
    if generator.get("behavior") == "replace":
        assert key in objects, f"nothing to replace: {key}"
        objects[key] = {**objects[key], "data": data}
        return
    assert key not in objects
    metadata = {"name": generator["name"], "labels": generator["options"]["labels"]}
    objects[key] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _patched(item: Object, operation: Mapping[str, Any]) -> Object:
    """RFC 6902, `add` and `replace` only."""
    *parents, last = operation["path"].lstrip("/").split("/")
    target: Any = item
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if isinstance(target, list):
        assert (operation["op"], last) == ("add", "-")
        target.append(operation["value"])
    else:
        assert operation["op"] in ("add", "replace")
        assert (operation["op"] == "replace") == (last in target), operation
        target[last] = operation["value"]
    return item


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm merges values files."""
    return {
        **one,
        **{
            key: merged(one[key], value)
            if isinstance(value, Mapping) and isinstance(one.get(key), Mapping)
            else value
            for key, value in other.items()
        },
    }


def values(files: Sequence[str]) -> dict[str, Any]:
    """The values files of the chart's `ci/`, one over the other."""
    return reduce(merged, (load(CHART / "ci" / f"{name}.yaml") for name in files))


def rendered(given: Mapping[str, Any], namespace: str = "default") -> Objects:
    """The objects of the chart, rendered by Helm's own code; the test is skipped where that is not installed."""
    helm = pytest.importorskip("helm_python", reason="pip install '.[ship]' brings Helm")
    with helm.Chart.load(CHART) as chart:
        texts = chart.render(dict(given), name="aicore-sync", namespace=namespace)
    files = (text for path, text in texts.items() if path.endswith(".yaml"))
    return by_name(item for text in files for item in yaml.safe_load_all(text))


def comparable(objects: Objects) -> Objects:
    """Without what only Helm adds, in one order; files in ConfigMaps parsed, because their notation is free."""
    return {key: _comparable(item) for key, item in objects.items()}


def _comparable(item: Object) -> Object:
    item = copy.deepcopy(item)
    labels = item["metadata"]["labels"]
    item["metadata"]["labels"] = {k: v for k, v in labels.items() if k not in HELM_LABELS}
    if item["kind"] == "ConfigMap":
        item["data"] = {name: yaml.safe_load(text) for name, text in item["data"].items()}
    if "template" in item.get("spec", {}):
        metadata = item["spec"]["template"]["metadata"]
        metadata.get("annotations", {}).pop("checksum/config", None)
        if not metadata.get("annotations"):
            metadata.pop("annotations", None)
        pod = item["spec"]["template"]["spec"]
        pod["volumes"].sort(key=lambda volume: volume["name"])
        pod["containers"][0]["volumeMounts"].sort(key=lambda mount: mount["name"])
    return item
