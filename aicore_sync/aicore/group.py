"""Verbs on what is in a resource group and never changes: scenarios, executables, artifacts, configurations.

Filters are frozen values; an empty field does not filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aicore_sync.aicore.calls import Call, csv, get_object
from aicore_sync.aicore.errors import NotFound
from aicore_sync.aicore.pages import Listing, count, list_all, list_whole
from aicore_sync.aicore.send import Sender
from aicore_sync.aicore.values import Scenario
from aicore_sync.aicore.wire import lifecycle
from aicore_sync.aicore.wire.basics import read_id, write_labels
from aicore_sync.core.world import Artifact, Configuration, Executable

_IDS_PER_REQUEST = 64  # keeps the URL below 8 kB, where many gateways stop
_SELECTOR_TERMS = 10


@dataclass(frozen=True)
class Place:
    """A resource group as seen by the verbs: where requests go and how large a page is."""

    sender: Sender
    group: str
    top: int


@dataclass(frozen=True)
class ArtifactFilter:
    """`labels` are full keys with the values that must be equal; `search` is a part of name or description."""

    scenario: str = ""
    execution: str = ""
    name: str = ""
    kind: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    search: str = ""


@dataclass(frozen=True)
class ConfigurationFilter:
    """`search` is a part of the name, 1 to 80 characters without `~`, case-sensitive."""

    search: str = ""
    executables: tuple[str, ...] = ()
    scenario: str = ""


class Scenarios:
    """`/lm/scenarios` and their executables."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def list(self) -> tuple[Scenario, ...]:
        listing = Listing("/lm/scenarios", lifecycle.read_scenario, lambda s: s.id, group=self._at.group)
        return await list_whole(self._at.sender, listing)

    async def executables(self, scenario: str) -> tuple[Executable, ...]:
        """The executables of a scenario; none when the scenario does not exist (yet)."""
        listing = Listing(
            "/lm/scenarios/{scenario}/executables",
            lifecycle.read_executable(scenario),
            lambda e: e.id,
            group=self._at.group,
            path={"scenario": scenario},
        )
        try:
            return await list_whole(self._at.sender, listing)
        except NotFound:
            return ()


class Artifacts:
    """`/lm/artifacts`: permanent and immutable."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def list(self, where: ArtifactFilter | None = None) -> tuple[Artifact, ...]:
        where = where or ArtifactFilter()
        found = await list_all(self._at.sender, self._listing(where), self._at.top)
        return tuple(artifact for artifact in found if where.labels.items() <= artifact.labels.items())

    async def count(self, where: ArtifactFilter | None = None) -> int:
        """How many there are. Labels that the server cannot select by are not counted out."""
        return await count(self._at.sender, self._listing(where or ArtifactFilter()))

    async def create(self, artifact: Artifact) -> str:
        """Register an artifact and return its id; the value's own id, execution and time are ignored.

        The same content twice gives two artifacts.
        """
        body: dict[str, object] = {
            "name": artifact.name,
            "kind": artifact.kind,
            "url": artifact.url,
            "scenarioId": artifact.scenario,
        }
        if artifact.description:
            body["description"] = artifact.description
        if artifact.labels:
            body["labels"] = write_labels(artifact.labels)
        return await self._at.sender.send(
            Call("POST", "/lm/artifacts", read_id, group=self._at.group, body=body)
        )

    def _listing(self, where: ArtifactFilter) -> Listing[Artifact]:
        query = {
            "scenarioId": where.scenario,
            "executionId": where.execution,
            "name": where.name,
            "kind": where.kind,
            "artifactLabelSelector": label_selector(where.labels),
            "$search": where.search,
        }
        reads, group = lifecycle.read_artifact, self._at.group
        return Listing("/lm/artifacts", reads, lambda a: a.id, group=group, query=given(query))


class Configurations:
    """`/lm/configurations`: permanent and immutable."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def list(self, where: ConfigurationFilter | None = None) -> tuple[Configuration, ...]:
        where = where or ConfigurationFilter()
        found: dict[str, Configuration] = {}
        for listing in self._listings(where):
            for configuration in await list_all(self._at.sender, listing, self._at.top):
                found.setdefault(configuration.id, configuration)
        return tuple(found.values())

    async def count(self, where: ConfigurationFilter | None = None) -> int:
        listings = self._listings(where or ConfigurationFilter())
        return sum([await count(self._at.sender, listing) for listing in listings])

    async def get(self, configuration: str) -> Configuration:
        reads = get_object(lifecycle.read_configuration)
        route = "/lm/configurations/{id}"
        return await self._at.sender.send(
            Call("GET", route, reads, group=self._at.group, path={"id": configuration})
        )

    async def create(self, configuration: Configuration) -> str:
        """Create a configuration and return its id; the value's own id and time are ignored.

        Raises Stalled when the executable is not synced.
        """
        body = {
            "name": configuration.name,
            "executableId": configuration.executable,
            "scenarioId": configuration.scenario,
            "parameterBindings": write_labels(configuration.parameters),
            "inputArtifactBindings": [
                {"key": key, "artifactId": configuration.inputs[key]} for key in sorted(configuration.inputs)
            ],
        }
        return await self._at.sender.send(
            Call("POST", "/lm/configurations", read_id, group=self._at.group, body=body)
        )

    def _listings(self, where: ConfigurationFilter) -> Sequence[Listing[Configuration]]:
        fixed = {"scenarioId": where.scenario, "$search": where.search}
        reads, group = lifecycle.read_configuration, self._at.group
        return [
            Listing(
                "/lm/configurations", reads, lambda c: c.id, group=group, query=given(fixed | executables)
            )
            for executables in executable_filters(where.executables)
        ]


def label_selector(labels: Mapping[str, str]) -> str:
    """`key=value,…` for up to ten labels; a value with a space or `=` cannot be selected by and is left out.

    What is left out is compared after reading.
    """
    terms = [
        f"{key}={value.replace(',', '{comma}')}"
        for key, value in sorted(labels.items())
        if value and not set(value) & set(" =")
    ]
    return ",".join(terms[:_SELECTOR_TERMS])


def executable_filters(executables: tuple[str, ...]) -> list[dict[str, str]]:
    """One filter, or several when there are too many ids for one URL."""
    return [{"executableIds": csv(portion)} for portion in in_portions(executables, _IDS_PER_REQUEST)]


def in_portions(ids: tuple[str, ...], size: int) -> list[tuple[str, ...]]:
    """`ids` in portions of at most `size`; no ids give one empty portion, which does not filter."""
    unique = tuple(dict.fromkeys(ids))
    return [unique[i : i + size] for i in range(0, len(unique), size)] or [()]


def given(query: Mapping[str, str]) -> dict[str, str]:
    """The filters that have a value."""
    return {key: value for key, value in query.items() if value}
