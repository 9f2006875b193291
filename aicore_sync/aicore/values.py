"""Answers of the AI-API that decisions of `core` do not need, and the values that writers send.

What plans work with (artifacts, configurations, executions, …) is in `core/world.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aicore_sync.core.errors import SyncError


@dataclass(frozen=True)
class Scenario:
    """A scenario; it exists as long as a workflow template carries its id."""

    id: str
    name: str
    description: str = ""


@dataclass(frozen=True)
class Metric:
    """One measured value of an execution. `labels` hold for instance `metrics.ai.sap.com/Artifact.name`."""

    name: str
    value: float
    step: int | None = None
    timestamp: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExecutionMetrics:
    """Metrics, tags and custom info of one execution; also the body of a metrics PATCH."""

    execution: str
    metrics: tuple[Metric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    custom_info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Meta:
    """GET /lm/meta. `max_running` is None when unlimited; `minimum_frequency_hours` is the least distance of runs."""

    runtime: str = ""
    api_version: str = ""
    executions: bool = True
    schedules: bool = True
    logs: bool = True
    bulk_executions: bool = False
    max_running: int | None = None
    minimum_frequency_hours: float = 1.0


@dataclass(frozen=True)
class ResourceGroup:
    """`status` is PROVISIONING, PROVISIONED or ERROR."""

    id: str
    status: str
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True)
class SecretInfo:
    """A secret's name and what AI Core tells about it; values are never readable.

    `metadata` keeps full keys (`storage.ai.sap.com/bucket`); `replicated` maps resource groups to success
    for secrets of the whole tenant.
    """

    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    replicated: Mapping[str, bool] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True)
class TenantInfo:
    """GET /admin/tenantInfo. `plan` is free, standard, extended, …"""

    id: str
    plan: str
    status: str


@dataclass(frozen=True)
class InstanceType:
    """A machine size of the extended plan. `memory` as AI Core writes it (`3Gi`)."""

    id: str
    memory: str
    cpu: float
    gpu: float
    units_per_hour: float


@dataclass(frozen=True, order=True)
class LogLine:
    """One line of an execution's log."""

    time: datetime
    text: str
    pod: str = ""
    container: str = ""
    stream: str = ""


@dataclass(frozen=True)
class Changed:
    """One item of a bulk change: `error` is None when AI Core accepted it."""

    id: str
    error: SyncError | None = None


@dataclass(frozen=True)
class GitCredentials:
    """What AI Core uses to read a repository."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class GenericSecret:
    """A generic secret to write; `data` is plain text, full keys in `labels`. An empty label value removes it."""

    name: str
    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectStoreSecret:
    """An object store secret to write. `endpoint` is a host without scheme, `data` the credentials as plain text."""

    name: str
    data: Mapping[str, str] = field(repr=False)
    type: str = "S3"
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    path_prefix: str = ""
    use_https: bool = True
    verify_ssl: bool = True
