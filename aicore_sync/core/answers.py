"""What `get` answers, as data: one shape per kind, the same on the command line and over HTTP.

Stable: fields are added, never renamed or removed. Times are ISO 8601 in UTC, absent values are null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class Where:
    """What is asked for: of a flow, in an environment; "" is every one. `limit` is the most runs, ticks or versions.

    `scenario` and `executions` are for what is about those.
    """

    flow: str = ""
    environment: str = ""
    limit: int = 20
    scenario: str = ""
    executions: tuple[str, ...] = ()


class Answer(BaseModel):
    """camelCase on the wire, as in the configuration file and in AI Core's own API."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


Id = Annotated[str, Field(description="Its id in AI Core")]
FlowName = Annotated[str, Field(description="Executable id of the flow")]
EnvironmentName = Annotated[str, Field(description="Name of the environment, as in the configuration")]
Scenario = Annotated[str, Field(description="Id of the scenario")]
Created = Annotated[datetime | None, Field(description="When AI Core made it")]


class InfoAnswer(Answer):
    """Who answers at an address."""

    owner: str = Field(description="Whose service this is: `owner` of its configuration")
    version: str


class FlowAnswer(Answer):
    """A flow in an environment, with its template."""

    name: str = Field(description="Executable id of the flow")
    environment: str = Field(description="Empty for a flow that no environment targets")
    tenant: str = Field(description="Where its template lives; empty where that is not known")
    health: str = Field(description="Healthy, Progressing, NeedsAttention, Suspended or NotTargeted")
    message: str = Field(description="The one sentence that says what blocks, or that all is well")
    reason: str = Field(description="PascalCase word of the condition that blocks, empty when none does")
    version: str = Field(description="Version of the template that is live, with the start of its digest")
    commit: str = Field(description="Commit of the publish branch at which that was seen")
    source: str = Field(description="Revision of the source that it was made of")


class ConfigurationAnswer(Answer):
    """A configuration in AI Core; configurations can never be deleted."""

    id: Id
    flow: FlowName
    name: str = Field(description="Its name in the manifest")
    environment: EnvironmentName
    full_name: str = Field(description="Its name in AI Core: owner, flow, name, digest of its content")
    scenario: Scenario
    executable: str = Field(description="Id of the executable that it configures")
    parameters: dict[str, str] = Field(description="Parameter name to value")
    inputs: dict[str, str] = Field(description="Input name to artifact id")
    created: Created


class ScheduleAnswer(Answer):
    """An execution schedule in AI Core."""

    id: Id
    flow: FlowName
    name: str = Field(description="Name of its configuration in the manifest")
    environment: EnvironmentName
    status: str = Field(description="ACTIVE or INACTIVE")
    cron: str = Field(description="Five numeric fields, in UTC")
    start: datetime | None = Field(description="It does not fire before; null: from the first tick on")
    end: datetime | None = Field(description="It does not fire after; null: without an end")
    configuration: str = Field(description="Id of the configuration that it runs")
    next: datetime | None = Field(description="Its next tick; null while it is INACTIVE or has ended")


class ExecutionAnswer(Answer):
    """A run."""

    id: Id
    flow: FlowName
    configuration: str = Field(description="Name of its configuration in the manifest")
    configuration_id: str = Field(description="Id of that configuration")
    environment: EnvironmentName
    status: str = Field(description="PENDING, RUNNING, COMPLETED, DEAD, STOPPING, STOPPED or UNKNOWN")
    message: str = Field(description="AI Core's words about its state; mostly empty")
    by: str = Field(description="Who started it: aicore-sync, schedule or foreign")
    created: Created
    completed: datetime | None = Field(description="When it ended; null while it has not")
    outputs: tuple[str, ...] = Field(description="Names of the artifacts that it made")


class ArtifactAnswer(Answer):
    """An artifact that a manifest declares, or that a run of ours made; artifacts can never be deleted."""

    id: Id
    name: str = Field(description="Its name in AI Core")
    kind: str = Field(description="model, dataset, resultset or other")
    url: str = Field(description="Where it lies: ai://, of an object store secret, or another address")
    environment: EnvironmentName
    scenario: Scenario
    execution: str | None = Field(description="The run that made it; null for one that a manifest declares")
    created: Created


class SourceAnswer(Answer):
    """A place where flows are read from."""

    name: str = Field(description="Its name in the configuration")
    kind: str = Field(description="directory or git")
    place: str = Field(description="The directory, or the address of the repository")
    revision: str = Field(description="The commit that is used, empty for a directory")
    flows: int = Field(description="How many flows it holds")
    broken: int = Field(description="How many flows of it have mistakes or cannot be read")
    complete: bool = Field(description="False while something of it cannot be read; then nothing looks gone")
    problem: str = Field(description="Why it is not read as it is now; empty when it is")


class QuotaAnswer(Answer):
    """Usage of one kind of thing in a tenant."""

    name: str = Field(description="What it counts, such as workflowTemplates")
    used: int = Field(description="How many there are")
    limit: int = Field(description="How many there may be")


class TenantAnswer(Answer):
    """An AI Core tenant of the configuration."""

    name: str = Field(description="Its name in the configuration")
    application: str = Field(description="Name of the application in AI Core")
    repository: str = Field(description="Name of the repository that it follows, as in the configuration")
    branch: str = Field(description="Branch of that repository")
    path: str = Field(description="Directory of its templates in it")
    environments: tuple[str, ...] = Field(description="Names of its environments")
    sync: str = Field(description="AI Core's word for the application's sync; empty while there is none")
    revision: str = Field(description="Commit that AI Core has synced")
    quotas: tuple[QuotaAnswer, ...] = Field(description="Its quotas, as far as AI Core tells them")
    problem: str = Field(description="Why it cannot be read; empty when it can")


class TickAnswer(Answer):
    """A coming run of a schedule."""

    at: datetime = Field(description="When it begins")
    flow: FlowName
    name: str = Field(description="Name of the schedule's configuration in the manifest")
    environment: EnvironmentName
    cron: str = Field(description="Five numeric fields, in UTC")


class VersionAnswer(Answer):
    """A commit of the publish branch that changed a flow's template."""

    commit: str = Field(description="The commit")
    at: datetime = Field(description="When it was made")
    author: str = Field(description="Author of the commit")
    subject: str = Field(description="First line of its message")
    tenant: str = Field(description="Where the template lives")
    executable: str = Field(description="Executable id of the template")
    version: str = Field(description="Empty where the commit removed the template")
    source: str = Field(description="Revision of the source that it was made of")
    changes: tuple[str, ...] = Field(description="What it changed, in words")
    live: bool = Field(description="Whether AI Core is proven to run it")


class TraceAnswer(Answer):
    """Where a run comes from, back to who wrote what it runs. What is not known is empty."""

    execution: ExecutionAnswer = Field(description="The run")
    configuration: ConfigurationAnswer | None = Field(
        description="What it ran with; null where AI Core does not have it"
    )
    template: VersionAnswer | None = Field(description="The version that was published when it began")
    certain: bool = Field(description="True when the run carries the mark of that version's content")
    source: str = Field(description="Revision of the source")
    source_commit: str = Field(description="Commit of the source, where it is in git")
    author: str = Field(description="Who made that commit")
    subject: str = Field(description="The first line of what they said about it")


class ActAnswer(Answer):
    """What became of something that was asked for."""

    message: str = Field(description="One sentence for people")
    execution: ExecutionAnswer | None = Field(
        None, description="The run that was started; null where it did not start soon"
    )


class LineAnswer(Answer):
    """One fact about runs that are compared."""

    group: str = Field(description="parameter, input or metric; empty for what every run has")
    name: str = Field(description="Name of the parameter, input or metric")
    values: tuple[str, ...] = Field(
        description="One for each run, in their order; empty where a run lacks it"
    )
    differs: bool = Field(description="Whether the runs do not agree")


class ComparedAnswer(Answer):
    """Runs side by side."""

    executions: tuple[ExecutionAnswer, ...] = Field(
        description="The runs, in the order in which they were asked for"
    )
    lines: tuple[LineAnswer, ...] = Field(description="One for each fact")


class Node(Answer):
    """A place in the tree of a scenario, with what hangs from it."""

    kind: str = Field(description="scenario, flow, template, configuration, schedule, execution or artifact")
    name: str = Field(description="How people call it")
    id: str = Field(description="Its id in AI Core; empty where it has none")
    state: str = Field(description="Version, cron or status, whatever the kind has")
    children: tuple[Node, ...] = Field((), description="What hangs from it")
