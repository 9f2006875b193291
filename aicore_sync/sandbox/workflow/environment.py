"""The environment and the volumes of a container, from a template and the secrets of the resource group."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.workflow.calls import Json, TemplateError, text
from aicore_sync.sandbox.workflow.substitute import expand

Secrets = Mapping[str, Mapping[str, str]]


def base_environment(home: str, temporary: str) -> dict[str, str]:
    """What every container has: the Python that runs the sandbox comes first on PATH, it has boto3 and requests."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1",
        "METAFLOW_HOME": f"{home}/.metaflowconfig",
    }


def container_environment(container: Json, fields: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """`envFrom`, then `env` in order, with Kubernetes' expansion over what came before.

    `fields` answers `fieldRef` (`metadata.name`, …). Raises `TemplateError` that names a missing secret or key.
    """
    env: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        prefix = source.get("prefix") or ""
        env |= {prefix + key: value for key, value in _whole_secret(source, secrets).items()}
    for entry in container.get("env") or []:
        value = _value(entry, fields, secrets)
        if value is not None:
            env[entry["name"]] = expand(value, env) if "valueFrom" not in entry else value
    return env


def _whole_secret(source: Json, secrets: Secrets) -> Mapping[str, str]:
    if "secretRef" not in source:
        raise TemplateError(f"envFrom with {', '.join(sorted(source))} is not supported, expected secretRef")
    reference = source["secretRef"]
    return _secret(reference["name"], bool(reference.get("optional")), secrets)


def _secret(name: str, optional: bool, secrets: Secrets) -> Mapping[str, str]:
    if name not in secrets and not optional:
        raise TemplateError(f"secret {name!r} not found in the resource group; create it or correct its name")
    return secrets.get(name, {})


def _value(entry: Json, fields: Mapping[str, str], secrets: Secrets) -> str | None:
    source: dict[str, Any] = entry.get("valueFrom") or {}
    if "secretKeyRef" in source:
        reference = source["secretKeyRef"]
        optional = bool(reference.get("optional"))
        data = _secret(reference["name"], optional, secrets)
        if reference["key"] not in data and not optional:
            raise TemplateError(f"secret {reference['name']!r} has no key {reference['key']!r}")
        return data.get(reference["key"])
    if "fieldRef" in source:
        return fields.get(source["fieldRef"].get("fieldPath", ""), "")
    if "resourceFieldRef" in source:
        return str(os.cpu_count() or 1)
    if source:
        raise TemplateError(f"env {entry['name']!r}: valueFrom {', '.join(sorted(source))} is not supported")
    return text(entry["value"]) if entry.get("value") is not None else ""


def volume_files(volume: Json, secrets: Secrets) -> dict[str, str]:
    """File name → content of a volume that shows a secret; nothing for other volumes."""
    source = volume.get("secret")
    if not source:
        return {}
    data = _secret(source["secretName"], bool(source.get("optional")), secrets)
    if source.get("items"):
        return {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}
    return dict(data)
