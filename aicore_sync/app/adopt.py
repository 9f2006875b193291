"""Manifests for what people made by hand in a tenant: template files without an owner, and schedules that run them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aicore_sync.app.build import App
from aicore_sync.controller.estate import Environment, Tenant
from aicore_sync.core.adoption import ForeignSchedule
from aicore_sync.core.cron import CronError, require_spacing
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.fields import EXECUTABLE_ID
from aicore_sync.core.plan.adoption import schedule_content
from aicore_sync.core.template import PublishedTemplate, read_published

_HEAD = "# Taken from tenant {tenant} by aicore-sync adopt. While nothing differs, nothing is touched.\n"


@dataclass(frozen=True)
class HandMade:
    """A template that nobody owns, with the manifest that takes it over. `notes` say what the manifest leaves out."""

    tenant: str
    file: str
    data: bytes
    facts: PublishedTemplate
    manifest: str
    schedules: int
    notes: tuple[str, ...] = ()

    @property
    def template(self) -> str:
        """The name of the template's file beside the manifest."""
        return "template.json" if self.file.endswith(".json") else "template.yaml"


async def hand_made(app: App, only: str = "") -> tuple[HandMade, ...]:
    """Everything that can be taken over, in all tenants or one."""
    found: list[HandMade] = []
    for tenant in app.estate.tenants.values():
        if only in ("", tenant.name):
            found += await _of_tenant(app, tenant)
    return tuple(found)


async def _of_tenant(app: App, tenant: Tenant) -> list[HandMade]:
    places = app.estate.environments_of(tenant.name)
    running = {place.name: await _schedules(app, tenant, place) for place in places}
    found = []
    for name, blob in sorted((await app.reader.lists.files(tenant)).items()):
        facts = read_published(blob.data)
        if facts and not facts.owner and re.fullmatch(EXECUTABLE_ID, facts.executable):
            here = {
                place: [f for f in schedules if f.configuration.executable == facts.executable]
                for place, schedules in running.items()
            }
            found.append(_hand_made(tenant.name, (name, blob.data), facts, here))
    return found


async def _schedules(app: App, tenant: Tenant, place: Environment) -> list[ForeignSchedule]:
    group = tenant.client.group(place.resource_group)
    listed = (await app.reader.lists.schedules(place)).foreign
    known = {c: await group.configurations.get(c) for c in {s.configuration for s in listed}}
    return [ForeignSchedule(s, known[s.configuration]) for s in sorted(listed, key=lambda s: s.name)]


def _hand_made(
    tenant: str, file: tuple[str, bytes], facts: PublishedTemplate, here: dict[str, list[ForeignSchedule]]
) -> HandMade:
    """One manifest holds for all environments with the same schedules as the first that has any."""
    name, data = file
    first = next((schedules for schedules in here.values() if schedules), [])
    same = [place for place, schedules in here.items() if _contents(schedules) == _contents(first)]
    notes = [
        f"environment {place} has other schedules of {facts.executable}: add it, with an overlay"
        for place, schedules in here.items()
        if place not in same and schedules
    ]
    kept = [foreign for foreign in first if _may_run(foreign)]
    notes += [
        f"schedule {f.schedule.name} ({f.schedule.cron}) is left out: AI Core takes no two runs within an hour"
        for f in first
        if f not in kept
    ]
    ids = [f.schedule.id for place in same for f in here[place] if _may_run(f)]
    document = {
        "template": "template.json" if name.endswith(".json") else "template.yaml",
        "environments": same,
        "adopt": {"file": name, "schedules": ids, "takeOver": "onChange"},
        "configurations": list(_configurations(kept, facts.executable)),
    }
    text = _HEAD.format(tenant=tenant) + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return HandMade(tenant, name, data, facts, text, len(ids), tuple(notes))


def _contents(schedules: Iterable[ForeignSchedule]) -> list[str]:
    return sorted(map(schedule_content, schedules))


def _may_run(foreign: ForeignSchedule) -> bool:
    try:
        require_spacing(foreign.schedule.cron)
    except CronError:
        return False
    return True


def _configurations(schedules: Iterable[ForeignSchedule], executable: str) -> Iterator[dict[str, Any]]:
    """One configuration for each schedule, named after it."""
    names: set[str] = set()
    for foreign in schedules:
        schedule, bound = foreign.schedule, foreign.configuration
        when: dict[str, Any] = {"cron": schedule.cron}
        if schedule.end:
            when["end"] = schedule.end.isoformat().replace("+00:00", "Z")
        if schedule.status != "ACTIVE":
            when["suspend"] = True
        part: dict[str, Any] = {"name": _name(schedule.name, names)}
        if bound.parameters:
            part["parameters"] = dict(sorted(bound.parameters.items()))
        if bound.inputs:
            part["inputs"] = {
                key: {"flow": executable, "output": key, "select": artifact}
                for key, artifact in sorted(bound.inputs.items())
            }
        yield part | {"schedule": when}


def _name(wanted: str, taken: set[str]) -> str:
    """A configuration's name that is like a schedule's and not taken yet."""
    plain = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:36].strip("-") or "scheduled"
    name = next(n for n in (plain, *(f"{plain}-{at}" for at in range(2, 1000))) if n not in taken)
    taken.add(name)
    return name


def write(found: Iterable[HandMade], directory: Path) -> list[Path]:
    """A directory for each below `directory`; returns them. Raises InvalidInput when one is there already."""
    listed = tuple(found)
    several = len({one.tenant for one in listed}) > 1
    places = [
        directory / one.tenant / one.facts.executable if several else directory / one.facts.executable
        for one in listed
    ]
    for place in places:
        if place.exists():
            cure = "name another directory, or remove it"
            raise InvalidInput([Problem(str(place), 0, "", "a directory", "nothing in its place", cure)])
    for one, place in zip(listed, places, strict=True):
        place.mkdir(parents=True)
        (place / one.template).write_bytes(one.data)
        (place / "aicore.yaml").write_text(one.manifest)
    return places
