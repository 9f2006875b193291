"""What a flow asks for and does not get."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from aicore_sync.core.lint.findings import Finding
from aicore_sync.core.lint.runtime import HARDWARE
from aicore_sync.core.manifest import Manifest
from aicore_sync.core.template.walk import mapping, steps


def unheard(
    asks: Iterable[tuple[str, str]], chosen: Collection[str], document: Mapping[str, Any]
) -> Iterator[Finding]:
    """AC185: `asks` are (step, machine) pairs; `chosen` the steps whose machine the manifest names, `*` for all."""
    labelled = {
        step.name
        for step in steps(document)
        if any(mapping(mapping(step.body.get("metadata")).get("labels")).get(key) for key in HARDWARE)
    }
    named = {name.replace("_", "-").lower() for name in chosen}
    for step, need in asks:
        name = step.replace("_", "-").lower()  # as the plugin spells it
        if name in labelled | named or "*" in chosen:
            continue
        message = f"step {step} asks for {need}; the dialect `plugin` does not hear of it and takes starter"
        cure = "name a machine under resourcePlan in the manifest, or use dialect: native"
        yield Finding("AC185", "warning", message, f"spec.templates[{name}].metadata.labels", cure)


def unused_schedule(manifest: Manifest, cron: str | None, file: str) -> Iterator[Finding]:
    """AC186: a schedule in the manifest, of any configuration, takes the place of the flow's own."""
    named = [item.name for item in manifest.configurations if item.schedule]
    if cron is not None and named:
        message = f"@schedule of the flow is not used: the manifest has a schedule, of {', '.join(named)}"
        yield Finding("AC186", "info", message, "", "take @schedule away, or the manifest's schedule", file)
