"""The manifest `aicore.yaml`: reading it, filling in what it leaves out, and its form in one environment.

parse_manifest(text, file) → complete(manifest, found, defaults) → for_environment(manifest, environment)
"""

from __future__ import annotations

from aicore_sync.core.manifest.model import (
    ArtifactPart,
    ConfigurationPart,
    Defaults,
    ExecutablePart,
    InputPart,
    Manifest,
    OutputPart,
    Rendering,
    ScenarioPart,
    SchedulePart,
)
from aicore_sync.core.manifest.parse import parse_manifest
from aicore_sync.core.manifest.runs import Concurrency, FailurePart, OnFailure, RetentionPart, RetryPart
from aicore_sync.core.manifest.target import (
    complete,
    default_manifest,
    executable_id,
    for_environment,
    rendering_part,
    template_conflicts,
    with_metaflow_schedule,
)

__all__ = [
    "ArtifactPart",
    "Concurrency",
    "ConfigurationPart",
    "Defaults",
    "ExecutablePart",
    "FailurePart",
    "InputPart",
    "Manifest",
    "OnFailure",
    "OutputPart",
    "Rendering",
    "RetentionPart",
    "RetryPart",
    "ScenarioPart",
    "SchedulePart",
    "complete",
    "default_manifest",
    "executable_id",
    "for_environment",
    "parse_manifest",
    "rendering_part",
    "template_conflicts",
    "with_metaflow_schedule",
]
