"""From a target and the place that its template goes to: what to render, and what is refused before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aicore_sync.controller.source import MOST_BYTES, MOST_FILES, too_large
from aicore_sync.core.catalog import Target
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.manifest import Manifest
from aicore_sync.core.requirements import own_requirements
from aicore_sync.core.template import Format
from aicore_sync.render import InstanceType, RenderJob


@dataclass(frozen=True)
class Place:
    """Where a template goes: what of the tenant ends up in it. `store_endpoint` is "" for Amazon's own.

    `instance_types` are the machines that steps get which ask for sizes; without any, resource plans.
    """

    owner: str
    store_root: str
    store_endpoint: str
    store_secret: str
    format: Format
    instance_types: tuple[InstanceType, ...] = ()


def job_of(target: Target, directory: Path, place: Place, suffixes: tuple[str, ...]) -> RenderJob:
    """What to render, from a snapshot; without the flow's own packages."""
    manifest = target.manifest
    return RenderJob(
        directory=directory,
        script=target.source.script,
        datastore_root=place.store_root,
        name=target.key.executable,
        flow=getattr(target.source.found, "class_name", None) or None,
        image=manifest.image,
        secrets=secrets_of(target, place),
        image_pull_secrets=manifest.image_pull_secrets,
        max_workers=manifest.max_workers,
        timeout=int(manifest.timeout),
        embedded=manifest.embedded,
        package_suffixes=suffixes,
        dialect=manifest.dialect,
        rendering=manifest.render_environment,
        machines=machines_of(manifest),
        project=_project(manifest),
        instance_types=place.instance_types,
        stub_imports=manifest.stub_imports,
        environment=tuple(sorted((_store_variables(place) | manifest.environment).items())),
    )


def require_small(target: Target, root: Path, below: str, files: Mapping[str, str]) -> None:
    """Raises InvalidInput for a flow that has data beside it which is not for copying."""
    found = too_large(root, below, files)
    if found:
        expected = (
            f"at most {MOST_BYTES >> 20} MiB and {MOST_FILES} files, since all of it is copied for a render"
        )
        cure = "move the data elsewhere, to the object store say, or name its directory in the source's `exclude`"
        raise InvalidInput([Problem(target.source.file, 0, "", found, expected, cure)])


def requirements_of(target: Target, directory: Path) -> tuple[str, ...]:
    """What the flow's own requirements file names. Raises InvalidInput."""
    name, manifest = target.manifest.requirements, target.source.manifest_file
    if not name:
        return ()
    try:
        text = (directory / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "no text file" if isinstance(error, UnicodeDecodeError) else "no such file"
        raise InvalidInput([Problem(manifest, 0, "requirements", why, "a file beside the flow")]) from error
    below = f"{target.source.directory}/{name}" if target.source.directory else name
    return own_requirements(text, below)


def _store_variables(place: Place) -> dict[str, str]:
    """AI Core's object store secret holds the login but not the address of a store that is not Amazon's."""
    return {"METAFLOW_S3_ENDPOINT_URL": place.store_endpoint} if place.store_endpoint else {}


def secrets_of(target: Target, place: Place) -> tuple[str, ...]:
    """Secrets of every step: the manifest's, or the tenant's object store secret."""
    chosen = target.manifest.secrets
    return (place.store_secret,) if chosen is None else chosen


def machines_of(manifest: Manifest) -> tuple[tuple[str, str, str], ...]:
    """The manifest's hardware as `RenderJob.machines`; the name for one step is stronger than what the flow says."""
    kinds = (("plan", manifest.resource_plan), ("instance-type", manifest.instance_type))
    return tuple((kind, step, name) for kind, names in kinds for step, name in sorted(names.items()))


def _project(manifest: Manifest) -> tuple[str, ...]:
    """The manifest's word on `@project`, as Metaflow's command line takes it."""
    part = manifest.project
    if part is None:
        return ()
    branch = (f"--branch={part.branch}",) if part.branch else ()
    return (*branch, "--production") if part.production else branch
