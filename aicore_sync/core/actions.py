"""What can be done: one value per kind of write, and the plan that lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from aicore_sync.core.desired import Template, WantArtifact
from aicore_sync.core.manifest.runs import Logs
from aicore_sync.core.model import FlowKey, Hold, Stage
from aicore_sync.core.resources import SecretId


@dataclass(frozen=True)
class Publish:
    """Hand the template to the branch's committer. `restore` puts a refused file back to its last synced content.

    `adopt`: the file is nobody's, and the manifest takes it over.
    """

    stage: ClassVar[Stage] = Stage.PUBLISH
    tenant: str
    template: Template
    restore: bool = False
    replaces: str = ""  # the file that held this executable under another name
    adopt: bool = False


@dataclass(frozen=True)
class Retract:
    """Remove the template's file in the next commit."""

    stage: ClassVar[Stage] = Stage.PUBLISH
    tenant: str
    executable: str
    file: str


@dataclass(frozen=True)
class Withdraw:
    """Take what is proposed for a file out of the open request. `data` is what the published branch holds, if any."""

    stage: ClassVar[Stage] = Stage.PUBLISH
    tenant: str
    executable: str
    file: str
    data: bytes | None


@dataclass(frozen=True)
class Remember:
    """Keep a fact on the state branch before the step that relies on it; `data` None forgets it."""

    stage: ClassVar[Stage] = Stage.SYNC
    path: str
    data: bytes | None
    message: str


@dataclass(frozen=True)
class Register:
    """Register the tenant's repository, or the application that follows it, with AI Core."""

    stage: ClassVar[Stage] = Stage.SYNC
    tenant: str
    what: Literal["repository", "application"]


@dataclass(frozen=True)
class Refresh:
    """Ask AI Core to sync the tenant's application now."""

    stage: ClassVar[Stage] = Stage.SYNC
    tenant: str


@dataclass(frozen=True)
class CreateArtifact:
    """Register `artifact` under `scenario`."""

    stage: ClassVar[Stage] = Stage.CONFIGURE
    key: FlowKey
    scenario: str
    artifact: WantArtifact


@dataclass(frozen=True)
class CreateConfiguration:
    """`name` is the full name with owner and hash; `inputs` map input keys to artifact ids."""

    stage: ClassVar[Stage] = Stage.CONFIGURE
    key: FlowKey
    name: str
    scenario: str
    executable: str
    parameters: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CreateSchedule:
    """A new schedule that begins at `start`; AI Core has no way to create one inactive."""

    stage: ClassVar[Stage] = Stage.SCHEDULE
    key: FlowKey
    name: str
    configuration: str
    cron: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class PatchSchedule:
    """`changes` hold only what differs: configuration, cron, start, end, status.

    `soon` stands in them for "as soon as can be", and moves with the clock.
    """

    stage: ClassVar[Stage] = Stage.SCHEDULE
    environment: str
    id: str
    name: str
    changes: tuple[tuple[str, str | datetime], ...]
    soon: datetime | None = None


@dataclass(frozen=True)
class PauseForeign:
    """Set a schedule of somebody else INACTIVE that the manifest takes over; it must run `executable`."""

    stage: ClassVar[Stage] = Stage.SCHEDULE
    key: FlowKey
    id: str
    name: str
    executable: str


@dataclass(frozen=True)
class DeleteSchedule:
    """Delete an owned schedule; its executions stay."""

    stage: ClassVar[Stage] = Stage.SCHEDULE
    environment: str
    id: str
    name: str


@dataclass(frozen=True)
class StartExecution:
    """Start a run of the configuration with this id; `run_digest` and `source` become metric tags.

    `known` are the runs of it that were seen: another one that is there now means that somebody was faster.
    """

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    configuration: str
    name: str
    run_digest: str
    source: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class TagExecution:
    """Mark a run that we started and whose tag got lost. `announced` is the file on the state branch that tells."""

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    id: str
    tags: tuple[tuple[str, str], ...]
    announced: str


@dataclass(frozen=True)
class StopExecution:
    """Stop a run of ours; `why` for people."""

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    id: str
    why: str


@dataclass(frozen=True)
class DeleteExecutions:
    """Delete ended runs of the configuration with this manifest name. `foreign`: also those that others started.

    `logs`: where their logs are saved first.
    """

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    name: str
    executable: str
    ids: tuple[str, ...]
    foreign: bool = False
    logs: Logs = "none"


@dataclass(frozen=True)
class StartDeployment:
    """Deploy the configuration with this id; `ttl` ("2h") ends it, "" never. `known` as for executions."""

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    configuration: str
    name: str
    ttl: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class UpdateDeployment:
    """Point a deployment of ours at the configuration with this id and name; its address stays.

    `began` tells of one with a ttl when it was started.
    """

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    id: str
    configuration: str
    name: str
    began: datetime | None = None


@dataclass(frozen=True)
class StopDeployment:
    """Stop a deployment of ours; `why` for people."""

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    id: str
    why: str


@dataclass(frozen=True)
class DeleteDeployment:
    """Delete a deployment of ours that has ended; `why` for people."""

    stage: ClassVar[Stage] = Stage.EXECUTE
    key: FlowKey
    id: str
    why: str


@dataclass(frozen=True)
class CreateGroup:
    """Create a resource group with these labels."""

    stage: ClassVar[Stage] = Stage.CONFIGURE
    tenant: str
    group: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LabelGroup:
    """Set all labels of a resource group, those of others included."""

    stage: ClassVar[Stage] = Stage.CONFIGURE
    tenant: str
    group: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class WriteSecret:
    """Create a secret or state it anew, and keep its mark. The value is read when it is written."""

    stage: ClassVar[Stage] = Stage.CONFIGURE
    tenant: str
    id: SecretId
    why: str
    new: bool = False


Action = (
    Publish
    | Retract
    | Withdraw
    | Remember
    | Register
    | Refresh
    | CreateArtifact
    | CreateConfiguration
    | CreateSchedule
    | PatchSchedule
    | DeleteSchedule
    | PauseForeign
    | StartExecution
    | TagExecution
    | StopExecution
    | DeleteExecutions
    | StartDeployment
    | UpdateDeployment
    | StopDeployment
    | DeleteDeployment
    | CreateGroup
    | LabelGroup
    | WriteSecret
)


@dataclass(frozen=True)
class Plan:
    """Actions that can be done now, in order, and what waits for what. Settled: no actions, no waiting holds."""

    actions: tuple[Action, ...] = ()
    holds: tuple[Hold, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions or self.holds)

    def __add__(self, other: Plan) -> Plan:
        holds = tuple(dict.fromkeys(self.holds + other.holds))  # one mistake may hold back several things
        return Plan(self.actions + other.actions, holds)
