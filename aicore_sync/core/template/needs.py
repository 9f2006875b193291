"""What a WorkflowTemplate relies on in the tenant and the resource group that its runs start in.

Sources: AI Core's pages on workflow templates, secrets in templates, choosing an instance or a resource plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aicore_sync.core.template.walk import artifacts, containers, entries, is_serving, mapping, spec, steps

_NONE: frozenset[str] = frozenset()
STORE_SUFFIX = "-object-store-secret"  # Kubernetes name of the object store secret in front of it
DEFAULT_STORE = "default"  # the only one that outputs go to


@dataclass(frozen=True)
class Needs:
    """Names of object store secrets, docker registry secrets, generic secrets, resource plans and instance types."""

    stores: frozenset[str] = _NONE
    registries: frozenset[str] = _NONE
    secrets: frozenset[str] = _NONE
    plans: frozenset[str] = _NONE
    instance_types: frozenset[str] = _NONE

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.stores | other.stores,
            self.registries | other.registries,
            self.secrets | other.secrets,
            self.plans | other.plans,
            self.instance_types | other.instance_types,
        )


def needs(document: Mapping[str, Any]) -> Needs:
    """What the runs of a document need. Names that parameters fill in are not known and left out.

    A ServingTemplate's pods are text with placeholders: nothing is known of it.
    """
    if is_serving(document):
        return Needs()
    body = spec(document)
    moves_files = any(artifacts(step, "inputs") or artifacts(step, "outputs") for step in steps(document))
    return secret_needs(_plain(_secret_names(document))) | Needs(
        stores=frozenset({DEFAULT_STORE} if moves_files else ()),
        registries=frozenset(_plain(item.get("name") for item in entries(body.get("imagePullSecrets")))),
        plans=frozenset(_plain(_hardware(document, "ai.sap.com/resourcePlan"))),
        instance_types=frozenset(_plain(_hardware(document, "ai.sap.com/instanceType"))),
    )


def secret_needs(names: Iterable[str]) -> Needs:
    """Secrets as pods name them: those of object stores carry a suffix there."""
    named = frozenset(names)
    stores = frozenset(name for name in named if name.endswith(STORE_SUFFIX))
    return Needs(stores=frozenset(name.removesuffix(STORE_SUFFIX) for name in stores), secrets=named - stores)


def _plain(names: Iterable[object]) -> Iterator[str]:
    return (name for name in names if isinstance(name, str) and name and "{{" not in name)


def _secret_names(document: Mapping[str, Any]) -> Iterator[object]:
    volumes = [*entries(spec(document).get("volumes"))]
    for step in steps(document):
        volumes += entries(step.body.get("volumes"))
        for _, container in containers(step):
            for item in entries(container.get("envFrom")):
                yield _needed(item.get("secretRef"), "name")
            for item in entries(container.get("env")):
                yield _needed(mapping(item.get("valueFrom")).get("secretKeyRef"), "name")
    for volume in volumes:
        yield _needed(volume.get("secret"), "secretName")


def _needed(reference: object, key: str) -> object:
    found = mapping(reference)
    return None if found.get("optional") is True else found.get(key)


def _hardware(document: Mapping[str, Any], label: str) -> Iterator[object]:
    defaults = mapping(mapping(mapping(spec(document).get("templateDefaults")).get("metadata")).get("labels"))
    for step in steps(document):
        if step.runs_pod:
            yield {**defaults, **mapping(mapping(step.body.get("metadata")).get("labels"))}.get(label)
