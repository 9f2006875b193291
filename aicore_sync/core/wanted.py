"""From a manifest to what is wanted: the options of a template, artifacts, configurations, schedules."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aicore_sync.core.adoption import Adoption
from aicore_sync.core.catalog import Target
from aicore_sync.core.desired import (
    ArtifactId,
    ArtifactRef,
    InputRef,
    Retention,
    Retry,
    Upstream,
    WantArtifact,
    WantConfiguration,
    WantDeployment,
    WantSchedule,
)
from aicore_sync.core.manifest import ConfigurationPart, FailurePart, InputPart, Manifest, RetentionPart
from aicore_sync.core.template import Hardware, Output, TemplateOptions


def template_options(target: Target, owner: str) -> TemplateOptions:
    """Everything that the manifest says about the template's document; digests are added when they are known."""
    manifest = target.manifest
    return TemplateOptions(
        executable_id=target.key.executable,
        scenario_id=manifest.scenario.id,
        scenario_name=manifest.scenario.name,
        scenario_description=manifest.scenario.description,
        executable_name=manifest.executable.name,
        executable_description=manifest.executable.description,
        version=manifest.version,
        hardware=_hardware(manifest),
        image_pull_secrets=manifest.image_pull_secrets,
        active_deadline=int(manifest.timeout),
        outputs=_outputs(manifest),
        owner=owner,
        origin=target.source.origin,
        flow=target.flow,
        environments=target.environments,
        source=target.source.manifest_file or target.source.file,
    )


def _hardware(manifest: Manifest) -> dict[str, Hardware]:
    plans = {step: Hardware(name) for step, name in manifest.resource_plan.items()}
    return plans | {step: Hardware(name, "instanceType") for step, name in manifest.instance_type.items()}


def _outputs(manifest: Manifest) -> tuple[Output, ...]:
    return tuple(
        Output(name, part.kind, part.name, part.description, part.labels, part.suffix, part.path, part.step)
        for name, part in sorted(manifest.outputs.items())
    )


def run_options(manifest: Manifest, secrets: tuple[str, ...]) -> dict[str, Any]:
    """The rendering options that reach running code; a change makes `run: onChange` run."""
    # Only where it is set: what was rendered before there was such a key has not changed.
    project = {"project": manifest.project.model_dump()} if manifest.project else {}
    return {
        **project,
        "environment": dict(sorted(manifest.environment.items())),
        "secrets": sorted(secrets),
        "resourcePlan": dict(sorted(manifest.resource_plan.items())),
        "instanceType": dict(sorted(manifest.instance_type.items())),
        "embedded": manifest.embedded,
        "timeout": manifest.timeout,
        "outputs": {
            name: [part.path, part.step, part.suffix] for name, part in sorted(manifest.outputs.items())
        },
    }


def want_artifacts(manifest: Manifest) -> tuple[WantArtifact, ...]:
    """The artifacts that a manifest declares."""
    scenario = manifest.scenario.id
    return tuple(
        WantArtifact(
            name=part.name,
            kind=part.kind,
            url=part.url,
            description=part.description,
            labels=tuple(sorted(part.labels.items())),
            hash=_hash([part.kind, part.url, scenario, part.name]),
        )
        for part in manifest.artifacts
    )


def _hash(content: list[str]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]


def want_configurations(manifest: Manifest) -> tuple[WantConfiguration, ...]:
    """The configurations that a manifest declares, with their schedules."""
    return tuple(_configuration(part) for part in manifest.configurations)


def _configuration(part: ConfigurationPart) -> WantConfiguration:
    schedule = part.schedule
    return WantConfiguration(
        name=part.name,
        parameters=tuple(sorted(part.parameters.items())),
        inputs=tuple((key, _input(ref)) for key, ref in sorted(part.inputs.items())),
        run=part.run,
        on_upstream=part.on_upstream,
        rerun=part.rerun,
        max_runs_per_day=part.max_runs_per_day,
        on_failure=want_retry(part.on_failure) if part.on_failure else None,
        concurrency=part.concurrency,
        retention=want_retention(part.retention) if part.retention else None,
        deployment=WantDeployment(part.deployment.ttl, part.deployment.suspend) if part.deployment else None,
        schedule=WantSchedule(schedule.cron, schedule.start, schedule.end, schedule.suspend)
        if schedule
        else None,
    )


def want_retry(part: FailurePart) -> Retry:
    """What `onFailure` says; `hold` is no further start."""
    return Retry(part.retry.times, part.retry.backoff) if part.retry else Retry()


def want_retention(part: RetentionPart) -> Retention:
    """What `retention` says."""
    return Retention(part.keep, part.younger_than, part.foreign, part.logs)


def _input(part: InputPart) -> InputRef:
    if part.artifact:
        return ArtifactRef(part.artifact)
    if part.select != "latestCompleted":
        return ArtifactId(part.select)
    return Upstream(part.flow, part.output)


def metaflow_schedule_missing(target: Target, cron: str | None) -> bool:
    """True when the flow carries `@schedule` but its cron is not known, because it has not been rendered."""
    scheduled = bool(getattr(target.source.found, "has_schedule", False))
    return scheduled and cron is None and not any(c.schedule for c in target.manifest.configurations)


def adoption(manifest: Manifest) -> Adoption | None:
    """What a manifest takes over."""
    part = manifest.adopt
    if part is None:
        return None
    return Adoption(part.file, frozenset(part.schedules), part.take_over == "onChange")
