"""What a check hands to a review: the flows of a change with their manifests, as data that runs nothing.

The check rendered code that nobody has read. Whoever plans from what it left believes none of it before it has passed
the same models and rules as a source, and never needs the code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aicore_sync.core.discover import TEMPLATE_KINDS, FoundFlow, FoundTemplate
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.inventory import FlowSource, Inventory, within
from aicore_sync.core.manifest import Manifest
from aicore_sync.core.rights import Rights

FILE = "flows.json"


class HandedFlow(BaseModel):
    """One flow: where it lies in its source, what it is, and its complete manifest. `cron` is its own `@schedule`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    file: str
    manifest_file: str = ""
    kind: Literal["Flow", "WorkflowTemplate", "ServingTemplate"]
    name: str
    cron: str | None = None
    manifest: dict[str, Any]

    def found(self) -> FoundFlow | FoundTemplate:
        """As reading its file would find it."""
        if self.kind in TEMPLATE_KINDS:
            return FoundTemplate(self.kind, self.name, self.file)
        return FoundFlow(self.name, self.file, 0, has_main=True, has_schedule=self.cron is not None)


class Handover(BaseModel):
    """All flows of a change. `format` is raised when an older reader would misunderstand it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    flows: tuple[HandedFlow, ...]


def encode(found: Iterable[tuple[FlowSource, str | None]]) -> bytes:
    """Flows and their own crons as the text of `FILE`: the same for the same flows."""
    flows = [_handed(source, cron) for source, cron in found]
    flows.sort(key=lambda flow: (flow.source, flow.file, flow.name))
    return (json.dumps(Handover(flows=tuple(flows)).model_dump(), indent=2, sort_keys=True) + "\n").encode()


def _handed(source: FlowSource, cron: str | None) -> HandedFlow:
    found = source.found
    kind, name = ("Flow", found.class_name) if isinstance(found, FoundFlow) else (found.kind, found.name)
    return HandedFlow.model_validate({
        "source": source.origin,
        "file": source.file,
        "manifest_file": source.manifest_file,
        "kind": kind,
        "name": name,
        "cron": cron,
        "manifest": source.manifest.model_dump(mode="json", by_alias=True, exclude_unset=True),
    })  # fmt: skip


def decode(data: bytes) -> Handover:
    """Raises InvalidInput for anything that `encode` does not write."""
    try:
        return Handover.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput([_refused(place, first["msg"])]) from None


def inventory_of(handover: Handover, rights: Mapping[str, Rights]) -> Inventory:
    """The flows as if their sources had been read; `rights` by source. Raises InvalidInput for what no source holds."""
    sources = [_source(flow, rights) for flow in handover.flows]
    names = [source.manifest.executable.id for source in sources]
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput([_refused("flows", f"two flows called {name}")])
    return Inventory(tuple(sorted(sources, key=lambda s: (s.file, s.manifest.executable.id))), ())


def _source(flow: HandedFlow, rights: Mapping[str, Rights]) -> FlowSource:
    if flow.source not in rights:
        raise InvalidInput([_refused("source", f"{flow.source}, which the configuration does not name")])
    try:
        manifest = Manifest.model_validate(flow.manifest)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, ("manifest", *first["loc"])))
        raise InvalidInput([_refused(f"{flow.file}: {place}", first["msg"])]) from None
    directory = flow.file.rpartition("/")[0]
    source = FlowSource(directory, flow.file, flow.manifest_file, manifest, flow.found())
    return within(rights[flow.source], source)


def _refused(place: str, found: str) -> Problem:
    cure = "have `aicore-sync render --out` of this version write it"
    return Problem(FILE, 0, place, found, "flows as `aicore-sync render --out` writes them", cure)
