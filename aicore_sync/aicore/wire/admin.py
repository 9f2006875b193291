"""Readers of what lives in a tenant: repositories, applications, meta, quotas, groups, secrets. Pure."""

from __future__ import annotations

from collections.abc import Callable

from aicore_sync.aicore.values import (
    InstanceType,
    Meta,
    ResourceGroup,
    SecretInfo,
    TenantInfo,
)
from aicore_sync.aicore.wire.basics import (
    Json,
    inner,
    is_number,
    known,
    must,
    number,
    objects,
    read_labels,
    read_object,
    read_time,
    text,
)
from aicore_sync.core.world import (
    Application,
    ApplicationStatus,
    Quota,
    Repository,
    ResourceStatus,
)


def read_repository(body: Json) -> Repository:
    return Repository(name=must(body, "name"), url=text(body, "url"), status=text(body, "status"))


def read_application(body: Json) -> Application:
    return Application(
        name=must(body, "applicationName", "name"),
        repository_url=text(body, "repositoryUrl", "repositoryURL", "repoURL"),
        revision=text(body, "revision"),
        path=text(body, "path"),
    )


def read_application_status(value: object) -> ApplicationStatus:
    """Missing data is the literal "Unknown"; the list of resources has been seen under three names."""
    body = read_object(value)
    source = body.get("source")
    resources = objects(body, "syncResourcesStatus", "syncRessourcesStatus", "syncResourceStatus")
    return ApplicationStatus(
        health=known(body, "healthStatus"),
        sync=known(body, "syncStatus"),
        message=known(body, "message"),
        revision=known(source, "revision") if isinstance(source, dict) else "",
        resources=tuple(
            ResourceStatus(text(r, "name"), text(r, "kind"), known(r, "status"), text(r, "message"))
            for r in resources
        ),
        finished_at=read_time(text(body, "syncFinishedAt", "syncedFinishedAt")),
    )


def read_meta(value: object) -> Meta:
    """Capabilities and limits. What is not mentioned counts as there, except bulk updates, which are off by default."""
    body = read_object(value)
    capabilities = inner(body, "aiApi", "capabilities")
    limits = inner(body, "aiApi", "limits")
    running = inner(limits, "executions").get("maxRunningCount", -1)
    hours = limits.get("minimumFrequencyHour")
    return Meta(
        runtime=text(body, "runtimeIdentifier"),
        api_version=text(inner(body, "aiApi"), "version"),
        executions=capabilities.get("userExecutions") is not False,
        schedules=capabilities.get("executionSchedules") is not False,
        logs=inner(capabilities, "logs").get("executions") is not False,
        bulk_executions=inner(capabilities, "bulkUpdates").get("executions") is True,
        max_running=int(running) if is_number(running) and running >= 0 else None,
        minimum_frequency_hours=float(hours) if is_number(hours) else 1.0,
    )


def read_quota(name: str) -> Callable[[object], tuple[Quota, ...]]:
    """A reader of `/admin/resourceQuota/<name>`; executables count two kinds of template."""

    def read(value: object) -> tuple[Quota, ...]:
        quota, usage = inner(read_object(value), "quota"), inner(read_object(value), "usage")
        if name != "executables":
            return _quota(name, usage.get("count"), quota.get("maxCount"))
        return _quota(
            "workflowTemplates", usage.get("workflowTemplateCount"), quota.get("workflowTemplateMaxCount")
        ) + _quota(
            "servingTemplates", usage.get("servingTemplateCount"), quota.get("servingTemplateMaxCount")
        )

    return read


def read_resource_group(value: object) -> ResourceGroup:
    body = read_object(value)
    return ResourceGroup(
        id=must(body, "resourceGroupId"),
        status=text(body, "status"),
        message=text(body, "statusMessage"),
        labels=read_labels(body.get("labels")),
        created_at=read_time(body.get("createdAt")),
    )


def read_secret(body: Json) -> SecretInfo:
    """A generic, object store or docker registry secret; an object store's name may come with a suffix."""
    replicated = inner(body, "resourceGroupSecretsSyncStatus") or inner(
        body, "resourceGroupSecretReplicationStatus"
    )
    return SecretInfo(
        name=must(body, "name").removesuffix("-object-store-secret"),
        metadata={key: str(text) for key, text in inner(body, "metadata").items()},
        labels=read_labels(body.get("labels")),
        replicated={group: done is True for group, done in replicated.items()},
        created_at=read_time(body.get("createdAt")),
    )


def read_tenant(value: object) -> TenantInfo:
    body = read_object(value)
    return TenantInfo(id=text(body, "tenantId"), plan=text(body, "servicePlan"), status=text(body, "status"))


def read_instance_types(value: object) -> tuple[InstanceType, ...]:
    types = inner(read_object(value), "instanceTypes")
    return tuple(
        InstanceType(
            id=name,
            memory=text(kind, "memory"),
            cpu=number(kind, "cpu"),
            gpu=number(kind, "gpu"),
            units_per_hour=number(kind, "billableUnitsPerHour"),
        )
        for name, kind in sorted(types.items())
        if isinstance(kind, dict)
    )


def _quota(name: str, used: object, limit: object) -> tuple[Quota, ...]:
    return (Quota(name, used if isinstance(used, int) else 0, limit),) if isinstance(limit, int) else ()
