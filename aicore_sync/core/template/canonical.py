"""The canonical form of a document: what changes without meaning is gone, what remains is in one order.

What is volatile in rendered templates was measured on SAP's plugin (Metaflow 2.12) and on Metaflow 2.19:
label order, user names, tool versions, timestamps and tokens in `metaflow/*` labels and annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aicore_sync.core.template.walk import Document

# Metaflow refuses to run without a user name, so the variable stays, with the same value for everybody.
RUN_USER = "aicore-sync"

_SERVER_FIELDS = frozenset(
    {
        "namespace",
        "creationTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
# Tool labels that AI Core does not know; users report scenarios that stay invisible because of extra labels.
_FOREIGN_LABELS = ("metaflow/", "app.kubernetes.io/")
_KEPT_ANNOTATION = "metaflow/flow_name"
_DROPPED_WHEN_EMPTY = frozenset(
    {"labels", "annotations", "metadata", "workflowMetadata", "podMetadata", "nodeSelector", "tolerations"}
)


def canonical(document: Mapping[str, Any]) -> Document:
    """A sorted deep copy without nulls, server fields, tool labels and what differs between equal renders.

    List order is kept, because it can mean something: commands, variables that refer to earlier ones.
    """
    plain = {key: value for key, value in document.items() if key != "status"}
    if isinstance(plain.get("metadata"), Mapping):
        plain["metadata"] = {k: v for k, v in plain["metadata"].items() if k not in _SERVER_FIELDS}
    return {key: _canonical(key, value) for key, value in sorted(plain.items()) if value is not None}


def _canonical(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _canonical_map(key, value)
    if isinstance(value, list | tuple):
        return [_canonical("", item) for item in value]
    return value


def _canonical_map(key: str, value: Mapping[str, Any]) -> Document:
    if key == "labels":
        value = {k: v for k, v in value.items() if not _is_foreign_label(k, v)}
    elif key == "annotations":
        value = {k: v for k, v in value.items() if k == _KEPT_ANNOTATION or not k.startswith("metaflow/")}
    elif value.get("name") == "METAFLOW_USER" and "value" in value:
        value = {**value, "value": RUN_USER}
    cleaned = {k: _canonical(k, v) for k, v in sorted(value.items()) if v is not None}
    return {k: v for k, v in cleaned.items() if v not in ({}, []) or k not in _DROPPED_WHEN_EMPTY}


def _is_foreign_label(key: str, value: Any) -> bool:
    return key.startswith(_FOREIGN_LABELS) or (key == "app" and value == "metaflow")
