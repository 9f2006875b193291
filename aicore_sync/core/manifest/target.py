"""From a manifest as written to the manifest of one environment: defaults, overlay, isolation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aicore_sync.core.cron import CronError, from_metaflow, require_spacing
from aicore_sync.core.discover import FoundFlow, FoundTemplate
from aicore_sync.core.document import lift
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.fields import EXECUTABLE_ID
from aicore_sync.core.manifest.model import (
    ConfigurationPart,
    Defaults,
    ExecutablePart,
    Manifest,
    Rendering,
    ScenarioPart,
    SchedulePart,
)
from aicore_sync.core.manifest.parse import lift_manifest, merged
from aicore_sync.core.problems import validate

RENDERING_KEYS = (
    *Rendering.model_fields,
    "flow",
    "template",
    "requirements",
    "scenario",
    "executable",
    "outputs",
)


def executable_id(class_name: str) -> str:
    """The id a flow has when nobody names one: its class name as SAP's plugin spells it."""
    return class_name.replace("_", "-").lower()


def default_manifest(found: FoundFlow, defaults: Defaults) -> Manifest:
    """The complete manifest of a flow that has none. Raises InvalidInput when its name makes no valid id."""
    name = found.file.rpartition("/")[2]
    return complete(Manifest(flow=f"{name}:{found.class_name}"), found, defaults)


def complete(manifest: Manifest, found: FoundFlow | FoundTemplate, defaults: Defaults) -> Manifest:
    """The manifest with everything filled in that it leaves out: ids, names, and the installation's defaults.

    For a hand-written template ids, names and version come from the template where the manifest has none.
    Raises InvalidInput when there is no valid executable id.
    """
    shared = set(Defaults.model_fields) & set(Manifest.model_fields) - {"scenario"}
    fill: dict[str, Any] = {
        key: getattr(defaults, key)
        for key in shared & defaults.model_fields_set
        if key not in manifest.model_fields_set
    }
    if {"resource_plan", "instance_type"} & manifest.model_fields_set:  # one choice, not half of each
        fill = {key: item for key, item in fill.items() if key not in ("resource_plan", "instance_type")}
    if isinstance(found, FoundTemplate) and found.version and "version" not in manifest.model_fields_set:
        fill["version"] = found.version
    executable = _executable(manifest.executable, found)
    fill |= {"executable": executable, "scenario": _scenario(manifest, found, defaults, executable)}
    return manifest.model_copy(update=fill)


def _executable(part: ExecutablePart, found: FoundFlow | FoundTemplate) -> ExecutablePart:
    if isinstance(found, FoundTemplate):
        name, line, title = found.name, 0, found.executable_name
    else:
        name, line, title = executable_id(found.class_name), found.line, ""
    chosen = part.id or name
    if not re.fullmatch(EXECUTABLE_ID, chosen):
        expected = "4 to 63 lower-case letters, digits and hyphens as executable id"
        cure = "set `executable.id` in a manifest (aicore.yaml) beside the file"
        raise InvalidInput([Problem(found.file, line, "executable.id", f'"{chosen}"', expected, cure)])
    return part.model_copy(update={"id": chosen, "name": part.name or title or chosen})


def _scenario(
    manifest: Manifest, found: FoundFlow | FoundTemplate, defaults: Defaults, executable: ExecutablePart
) -> ScenarioPart:
    own, fallback = manifest.scenario, defaults.scenario
    if isinstance(found, FoundTemplate) and not own.id and found.scenario_id:
        fallback = ScenarioPart.model_construct(
            id=found.scenario_id, name=found.scenario_name, description=""
        )
    chosen = own.id or fallback.id or executable.id
    same = chosen == fallback.id
    name = own.name or (fallback.name if same else "") or chosen
    description = own.description or (fallback.description if same else "")
    return own.model_copy(update={"id": chosen, "name": name, "description": description})


def for_environment(manifest: Manifest, environment: str) -> Manifest:
    """The manifest as it holds in one environment: its overlay applied, isolation applied, no overlays left.

    Give it a complete manifest. Overlays were checked when the manifest was parsed; InvalidInput is left for an
    executable id that isolation makes too long.
    """
    overlay = manifest.overlays.get(environment, {})
    result = manifest.model_copy(update={"overlays": {}}) if manifest.overlays else manifest  # shared by many
    if overlay:
        result = validate(Manifest, merged(lift_manifest(manifest), lift(overlay)), f"overlay {environment}")
    own_id = "id" in (overlay.get("executable") or {})
    if not result.isolate or own_id:
        return result
    part = result.executable
    isolated = f"{part.id}-{environment}"
    if len(isolated) > 63:
        expected = "at most 63 characters as executable id"
        cure = f"shorten `executable.id`, or set it in overlays.{environment}"
        raise InvalidInput([Problem(manifest.script, 0, "isolate", f'"{isolated}"', expected, cure)])
    return result.model_copy(update={"executable": part.model_copy(update={"id": isolated})})


def rendering_part(manifest: Manifest) -> dict[str, Any]:
    """What feeds the template, as plain data with sorted keys; the same for the same content."""
    data = manifest.model_dump(mode="json", by_alias=True, include=set(RENDERING_KEYS))
    sorted_data: dict[str, Any] = json.loads(json.dumps(data, sort_keys=True))
    return sorted_data


def template_conflicts(manifest: Manifest, tenants: Mapping[str, str], file: str) -> tuple[Problem, ...]:
    """Overlays that would make two templates out of one executable id of one tenant.

    `tenants` maps environments to tenants; unknown environments are left to other checks. Templates are
    tenant-wide, so environments of a tenant share a template unless their executable ids differ.
    """
    first: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    problems = []
    for name in manifest.environments:
        if name not in tenants:
            continue
        target = for_environment(manifest, name)
        part = rendering_part(target)
        other, expected = first.setdefault((tenants[name], target.executable.id), (name, part))
        different = [key for key in part if part[key] != expected[key]]
        if different:
            problems.append(_conflict(file, (name, other), tenants[name], different))
    return tuple(problems)


def _conflict(file: str, names: tuple[str, str], tenant: str, different: list[str]) -> Problem:
    found = f"another {', '.join(different)} than in {names[1]}, which shares tenant {tenant}"
    expected = "one template for one executable id in a tenant"
    cure = f"set `isolate: true` or another `executable.id` in overlays.{names[0]}, or make them equal"
    return Problem(file, 0, f"overlays.{names[0]}", found, expected, cure, "AC163")


def with_metaflow_schedule(manifest: Manifest, cron: str | None, file: str) -> Manifest:
    """Metaflow's `@schedule` as the schedule of a configuration called `default`, unless the manifest has one.

    Raises InvalidInput when AI Core cannot run so often.
    """
    if cron is None or any(item.schedule for item in manifest.configurations):
        return manifest
    try:
        schedule = SchedulePart(cron=require_spacing(from_metaflow(cron)))
    except CronError as error:
        raise InvalidInput([Problem(file, 0, "@schedule", f'"{cron}"', error.expected, error.cure)]) from None
    current = manifest.configuration("default") or ConfigurationPart(name="default")
    default = current.model_copy(update={"schedule": schedule})
    others = tuple(item for item in manifest.configurations if item.name != "default")
    return manifest.model_copy(update={"configurations": (*others, default)})
