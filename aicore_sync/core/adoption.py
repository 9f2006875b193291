"""Taking over what people made by hand: a template file and execution schedules, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aicore_sync.core.template import PublishedTemplate, parse_document, to_bytes
from aicore_sync.core.template.digests import OURS
from aicore_sync.core.world import Configuration, Schedule


@dataclass(frozen=True)
class Adoption:
    """What a manifest takes over: a file of the application's path, schedules by id.

    `on_change`: not before something differs from what is there.
    """

    file: str = ""
    schedules: frozenset[str] = frozenset()
    on_change: bool = False


@dataclass(frozen=True)
class ForeignSchedule:
    """A schedule of somebody else that runs a template, and what it binds."""

    schedule: Schedule
    configuration: Configuration


def adopting_path(tenant: str, executable: str, environment: str) -> str:
    """Where the state branch keeps which of our schedules sleep until the old ones do."""
    return f"adopting/{tenant}/{executable}/{environment}.json"


def adopting(data: bytes | None) -> frozenset[str] | None:
    """The schedules in that record; None without one."""
    return frozenset(json.loads(data)["schedules"]) if data else None


def annotated(data: bytes, file: str, wanted: PublishedTemplate) -> bytes:
    """A template file with our annotations and nothing else changed in meaning.

    Raises InvalidInput for a file that is no template.
    """
    document = parse_document(data, file)
    marks = {"owner": wanted.owner, "flow": wanted.flow, "environments": ",".join(wanted.environments)}
    metadata = dict(document["metadata"])
    ours: Mapping[str, str] = {OURS + name: text for name, text in marks.items() if text}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **ours}
    return to_bytes({**document, "metadata": metadata}, "json" if file.endswith(".json") else "yaml")
