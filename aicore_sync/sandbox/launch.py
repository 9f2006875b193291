"""Turns an execution of a configuration into what the workflow executor needs, and says what is missing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.model import Configuration, Executable, Execution, Group, ObjectStore, Tenant
from aicore_sync.sandbox.workflow import RunRequest, StoreLocation


class CannotLaunch(Exception):
    """The execution can never run as it is bound; it ends DEAD with this text."""


@dataclass(frozen=True)
class Place:
    """Where an execution happens."""

    tenant: Tenant
    group: Group
    url: str  # of this sandbox
    work: Path


def blocked_by(place: Place, executable: Executable) -> str:
    """What keeps the pods from being created (a secret that does not exist), or "". It then stays UNKNOWN."""
    if "default" not in place.group.object_stores:
        return "object store secret default does not exist in the resource group"
    for item in executable.document["spec"].get("imagePullSecrets") or []:
        if item.get("name") not in place.tenant.docker_secrets:
            return f"docker registry secret {item.get('name')} does not exist"
    return ""


def run_request(
    place: Place, run: Execution, configuration: Configuration, executable: Executable
) -> RunRequest:
    """The request for the workflow executor. Raises CannotLaunch."""
    parameters = {p.name: p.default for p in executable.parameters if p.default is not None}
    parameters |= {binding.key: binding.value for binding in configuration.parameter_bindings}
    store = place.group.object_stores.get("default")
    return RunRequest(
        id=run.id,
        template=executable.document,
        parameters=parameters,
        inputs=_inputs(place, configuration),
        secrets=_secrets(place),
        store=store_location(store) if store else None,
        workdir=place.work / "runs" / run.id,
        env={
            "AICORE_EXECUTION_ID": run.id,
            "AICORE_TRACKING_ENDPOINT": f"{place.url}/tracking/{place.tenant.tracking_key}",
            "AI-MAIN-TENANT": place.tenant.zone,
            "AI-RESOURCE-GROUP": place.group.resource_group_id,
        },
    )


def store_location(store: ObjectStore) -> StoreLocation:
    """An S3 secret as the place where a run reads and writes."""
    scheme = "http" if store.usehttps == "0" else "https"
    return StoreLocation(
        endpoint=store.endpoint if "://" in store.endpoint else f"{scheme}://{store.endpoint}",
        bucket=store.bucket,
        prefix=store.path_prefix.strip("/"),
        access_key=store.data.get("AWS_ACCESS_KEY_ID", ""),
        secret_key=store.data.get("AWS_SECRET_ACCESS_KEY", ""),
        region=store.region,
    )


def _inputs(place: Place, configuration: Configuration) -> dict[str, str]:
    inputs = {}
    for binding in configuration.input_artifact_bindings:
        artifact = place.group.artifacts.get(binding.artifact_id)
        if artifact is None:
            raise CannotLaunch(f"artifact {binding.artifact_id} bound to {binding.key} does not exist")
        inputs[binding.key] = _address(place.group, artifact.url)
    return inputs


def _address(group: Group, url: str) -> str:
    """`ai://<secret>/<path>` resolved with the secret's bucket and path prefix; other addresses as they are."""
    scheme, _, rest = url.partition("://")
    if scheme != "ai":
        return url
    secret, _, path = rest.partition("/")
    store = group.object_stores.get(secret)
    if store is None:
        raise CannotLaunch(f"{url} names the object store secret {secret}, which does not exist")
    prefix = store.path_prefix.strip("/")
    return f"s3://{store.bucket}/{prefix + '/' if prefix else ''}{path}"


def _secrets(place: Place) -> dict[str, dict[str, str]]:
    """All secrets that a pod of this resource group may name, decoded."""
    found: dict[str, dict[str, str]] = {}
    for store in place.group.object_stores.values():
        found[f"{store.name}-object-store-secret"] = dict(store.data)
    for name, secret in {**place.tenant.shared_secrets, **place.group.secrets}.items():
        found[name] = {
            key: base64.b64decode(value).decode(errors="replace") for key, value in secret.data.items()
        }
    return found


def details(nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> dict[str, Any]:
    """`statusDetails`: one entry per node of the workflow and one per pod that failed or ran."""
    return {"workflowInfo": nodes, "details": pods}
