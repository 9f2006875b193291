"""Owns the AI-API of SAP AI Core: client, tokens, and the reader of its answers."""

from __future__ import annotations

from aicore_sync.aicore.client import AICore, ClientOptions, Group
from aicore_sync.aicore.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from aicore_sync.aicore.group import ArtifactFilter, ConfigurationFilter
from aicore_sync.aicore.keys import ServiceKey, from_environment, parse_service_key
from aicore_sync.aicore.network import Network, open_http
from aicore_sync.aicore.runs import ExecutionFilter
from aicore_sync.aicore.send import PATIENCE
from aicore_sync.aicore.values import (
    Changed,
    ExecutionMetrics,
    GenericSecret,
    GitCredentials,
    InstanceType,
    LogLine,
    Meta,
    Metric,
    ObjectStoreSecret,
    ResourceGroup,
    Scenario,
    SecretInfo,
    TenantInfo,
)

__all__ = [
    "PATIENCE",
    "AICore",
    "ArtifactFilter",
    "Changed",
    "ClientOptions",
    "ConfigurationFilter",
    "Conflict",
    "ExecutionFilter",
    "ExecutionMetrics",
    "Forbidden",
    "GenericSecret",
    "GitCredentials",
    "Group",
    "InstanceType",
    "LogLine",
    "Meta",
    "Metric",
    "Network",
    "NotFound",
    "ObjectStoreSecret",
    "PreconditionFailed",
    "ResourceGroup",
    "Scenario",
    "SecretInfo",
    "ServiceKey",
    "TenantInfo",
    "from_environment",
    "open_http",
    "parse_service_key",
]
