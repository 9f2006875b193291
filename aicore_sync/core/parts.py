"""What can vanish from the sources: a flow, its place in an environment or a tenant, a schedule or deployment there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aicore_sync.core.catalog import NOWHERE, Catalog, Target


@dataclass(frozen=True, order=True)
class Part:
    """`place` is an environment, or a template's key as text; "" for the flow itself. `name` is as `kept_up` says.

    A template is a part of the flow that is called like its executable.
    """

    flow: str
    place: str = ""
    name: str = ""

    def __str__(self) -> str:
        if "@" in self.place:
            return self.place
        return " ".join(filter(None, (f"{self.flow}/{self.place}" if self.place else self.flow, self.name)))


@dataclass(frozen=True)
class Inhabitants:
    """`here` in the source, `elsewhere` in git or AI Core, `lost` from the source since the start."""

    here: frozenset[Part]
    elsewhere: frozenset[Part]
    lost: frozenset[Part]

    def vanished(self, done: frozenset[Part], asked: Part) -> frozenset[Part]:
        """All that is to go and has not gone: the removal of a flow stands for all its parts."""
        gone = (self.elsewhere | self.lost) - self.here - done
        return frozenset(part for part in gone if Part(part.flow) not in done) | {asked}

    def labels(self, vanished: frozenset[Part]) -> dict[str, str]:
        """What people confirm, with the flow it belongs to: schedules by name where the flow stays, else the flow."""
        flows = {part.flow for part in self.here}
        named = {part for part in vanished if part.name and part.flow in flows}
        whole = {part.flow for part in vanished} - {part.flow for part in named}
        return {str(part): part.flow for part in named} | {flow: flow for flow in whole}

    def survivors(self, vanished: frozenset[Part]) -> frozenset[str]:
        """Flows that are in an environment and do not lose the last thing that AI Core keeps up for them."""
        placed = {part.flow for part in self.here if part.place and "@" not in part.place}
        keeping = {part.flow for part in self.here if part.name}
        return frozenset(placed - ({part.flow for part in vanished if part.name} - keeping))


def parts(found: Catalog) -> frozenset[Part]:
    """Everything that a scan found."""
    there = {Part(name) for name in found.names()}
    there |= {Part(key.executable, str(key)) for key in found.targets}
    for key, target in found.flows.items():
        if key.environment != NOWHERE:
            there.add(Part(key.flow, key.environment))
            there |= {Part(key.flow, key.environment, name) for name in kept_up(target)}
    return frozenset(there)


def kept_up(target: Target) -> Iterator[str]:
    """What AI Core keeps up for a flow: `schedule NAME` and `deployment NAME`. Metaflow's `@schedule` is `default`."""
    configurations = target.manifest.configurations
    yield from (f"schedule {c.name}" for c in configurations if c.schedule)
    yield from (f"deployment {c.name}" for c in configurations if c.deployment)
    if getattr(target.source.found, "has_schedule", False) and not any(c.schedule for c in configurations):
        yield "schedule default"
