"""Readers of what lives in a resource group: scenarios to logs. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aicore_sync.aicore.values import (
    ExecutionMetrics,
    LogLine,
    Metric,
    Scenario,
)
from aicore_sync.aicore.wire.basics import (
    Json,
    inner,
    is_number,
    must,
    objects,
    optional,
    read_labels,
    read_object,
    read_time,
    text,
    write_instant,
    write_labels,
)
from aicore_sync.core.world import (
    Artifact,
    Configuration,
    Deployment,
    Executable,
    Execution,
    Schedule,
)


def read_scenario(body: Json) -> Scenario:
    return Scenario(id=must(body, "id"), name=text(body, "name"), description=text(body, "description"))


def read_executable(scenario: str) -> Callable[[Json], Executable]:
    """A reader of executables of `scenario`, which the objects themselves may leave out."""

    def read(body: Json) -> Executable:
        return Executable(
            id=must(body, "id"),
            scenario=text(body, "scenarioId") or scenario,
            version_id=text(body, "versionId"),
            parameters={text(p, "name"): optional(p, "default") for p in objects(body, "parameters")},
            inputs=frozenset(text(a, "name") for a in objects(body, "inputArtifacts")),
            deployable=body.get("deployable") is True,
            modified_at=read_time(body.get("modifiedAt")),
        )

    return read


def read_artifact(body: Json) -> Artifact:
    return Artifact(
        id=must(body, "id"),
        name=text(body, "name"),
        kind=text(body, "kind"),
        url=text(body, "url"),
        scenario=text(body, "scenarioId"),
        description=text(body, "description"),
        labels=read_labels(body.get("labels")),
        execution=optional(body, "executionId"),
        created_at=read_time(body.get("createdAt")),
    )


def read_configuration(body: Json) -> Configuration:
    parameters = objects(body, "parameterBindings")
    inputs = objects(body, "inputArtifactBindings")
    return Configuration(
        id=must(body, "id"),
        name=text(body, "name"),
        executable=text(body, "executableId"),
        scenario=text(body, "scenarioId"),
        parameters={text(p, "key"): text(p, "value") for p in parameters},
        inputs={text(i, "key"): text(i, "artifactId") for i in inputs},
        created_at=read_time(body.get("createdAt")),
    )


def read_execution(body: Json) -> Execution:
    return Execution(
        id=must(body, "id"),
        configuration=text(body, "configurationId"),
        executable=text(body, "executableId"),
        scenario=text(body, "scenarioId"),
        status=text(body, "status").upper() or "UNKNOWN",
        target_status=text(body, "targetStatus").upper(),
        schedule=optional(body, "executionScheduleId"),
        message=text(body, "statusMessage"),
        outputs=tuple(read_artifact(a) for a in objects(body, "outputArtifacts") if a.get("id")),
        created_at=read_time(body.get("createdAt")) or read_time(body.get("submissionTime")),
        started_at=read_time(body.get("startTime")),
        completed_at=read_time(body.get("completionTime")),
    )


def read_deployment(body: Json) -> Deployment:
    return Deployment(
        id=must(body, "id"),
        configuration=text(body, "configurationId"),
        executable=text(body, "executableId"),
        scenario=text(body, "scenarioId"),
        status=text(body, "status").upper() or "UNKNOWN",
        target_status=text(body, "targetStatus").upper(),
        message=text(body, "statusMessage"),
        url=text(body, "deploymentUrl"),
        ttl=text(body, "ttl"),
        created_at=read_time(body.get("createdAt")) or read_time(body.get("submissionTime")),
    )


def read_details(value: object) -> Json:
    """`statusDetails` of an execution, as they are."""
    return inner(read_object(value), "statusDetails")


def read_schedule(body: Json) -> Schedule:
    return Schedule(
        id=must(body, "id"),
        name=text(body, "name"),
        cron=text(body, "cron"),
        configuration=text(body, "configurationId"),
        status=text(body, "status").upper() or "ACTIVE",
        start=read_time(body.get("start")),
        end=read_time(body.get("end")),
        created_at=read_time(body.get("createdAt")),
    )


def read_metrics(body: Json) -> ExecutionMetrics:
    return ExecutionMetrics(
        execution=must(body, "executionId"),
        metrics=tuple(_metric(m) for m in objects(body, "metrics") if is_number(m.get("value"))),
        tags=read_labels(body.get("tags"), "name"),
        custom_info=read_labels(body.get("customInfo"), "name"),
    )


def write_metrics(values: ExecutionMetrics) -> dict[str, Any]:
    """The body of a metrics PATCH; parts that are empty are left out, so they stay as they are."""
    parts: dict[str, Any] = {
        "metrics": [_metric_body(metric) for metric in values.metrics],
        "tags": write_labels(values.tags, "name"),
        "customInfo": write_labels(values.custom_info, "name"),
    }
    return {"executionId": values.execution} | {key: part for key, part in parts.items() if part}


def read_log(value: object) -> list[LogLine]:
    """The lines of `{data: {result: [{timestamp, msg, …}]}}`; a line whose time cannot be read is dropped."""
    data = read_object(value).get("data") or {}
    lines = objects(read_object(data), "result")
    found = [(read_time(line.get("timestamp")), line) for line in lines]
    return [
        LogLine(time, text(line, "msg"), text(line, "pod"), text(line, "container"), text(line, "stream"))
        for time, line in found
        if time
    ]


def _metric(body: Json) -> Metric:
    step = body.get("step")
    return Metric(
        name=text(body, "name"),
        value=float(body["value"]),
        step=step if isinstance(step, int) else None,
        timestamp=read_time(body.get("timestamp")),
        labels=read_labels(body.get("labels"), "name"),
    )


def _metric_body(metric: Metric) -> dict[str, Any]:
    body: dict[str, Any] = {"name": metric.name, "value": metric.value}
    if metric.step is not None:
        body["step"] = metric.step
    if metric.timestamp is not None:
        body["timestamp"] = write_instant(metric.timestamp)
    if metric.labels:
        body["labels"] = write_labels(metric.labels, "name")
    return body
