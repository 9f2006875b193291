"""What the sandbox remembers, in the words of the AI-API (camelCase on the wire, snake_case here).

Every class is a pydantic model, so that one dump is an answer and the whole `State` is one JSON file.
Shapes: OpenAPI description of AI Core 2.42.0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN = "Unknown"  # AI Core's literal for missing data in an application status, even for times


class Wire(BaseModel):
    """Base of all shapes that travel: camelCase aliases, unknown fields ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def wire(self, *exclude: str) -> dict[str, Any]:
        """As JSON-ready dict without absent values and without the fields named in `exclude`."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(exclude))


class Label(Wire):
    key: str
    value: str


class Repository(Wire):
    name: str
    url: str
    username: str
    password: str
    status: str = "IN-PROGRESS"


class ResourceStatus(Wire):
    """One entry of `syncResourcesStatus`."""

    name: str
    kind: str
    status: str
    message: str


class Source(Wire):
    repo_url: str = Field(default=UNKNOWN, alias="repoURL")
    path: str = UNKNOWN
    revision: str = UNKNOWN


class ApplicationStatus(Wire):
    """Plain strings; whatever is not known is the text "Unknown"."""

    health_status: str = UNKNOWN
    sync_status: str = UNKNOWN
    message: str = UNKNOWN
    source: Source = Field(default_factory=Source)
    sync_finished_at: str = UNKNOWN
    sync_started_at: str = UNKNOWN
    reconciled_at: str = UNKNOWN
    sync_resources_status: list[ResourceStatus] = Field(default_factory=list)


class Application(Wire):
    application_name: str
    repository_url: str
    revision: str
    path: str
    status: ApplicationStatus = Field(default_factory=ApplicationStatus)


class Parameter(Wire):
    name: str
    description: str | None = None
    default: str | None = None
    type: str = "string"


class Slot(Wire):
    """An input or output artifact that an executable declares."""

    name: str
    kind: str | None = None
    description: str | None = None
    labels: list[Label] | None = None
    title: str | None = None  # the name under which an output is registered, when an annotation gives one


class Executable(Wire):
    """A synced template. `document` is the whole manifest, `application` the one that brought it."""

    id: str
    scenario_id: str
    name: str
    description: str | None = None
    version_id: str
    labels: list[Label] | None = None
    parameters: list[Parameter] = Field(default_factory=list)
    input_artifacts: list[Slot] = Field(default_factory=list)
    output_artifacts: list[Slot] = Field(default_factory=list)
    deployable: bool = False
    created_at: datetime = EPOCH
    modified_at: datetime = EPOCH
    scenario_name: str = ""
    scenario_description: str | None = None
    application: str = ""
    document: dict[str, Any] = Field(default_factory=dict)


class Artifact(Wire):
    id: str
    name: str
    kind: str
    url: str
    scenario_id: str
    description: str | None = None
    labels: list[Label] | None = None
    execution_id: str | None = None
    configuration_id: str | None = None
    created_at: datetime
    modified_at: datetime


class ParameterBinding(Wire):
    key: str
    value: str


class ArtifactBinding(Wire):
    key: str
    artifact_id: str


class Configuration(Wire):
    id: str
    name: str
    executable_id: str
    scenario_id: str
    parameter_bindings: list[ParameterBinding] = Field(default_factory=list)
    input_artifact_bindings: list[ArtifactBinding] = Field(default_factory=list)
    created_at: datetime


class Execution(Wire):
    """`status`: PENDING RUNNING COMPLETED DEAD STOPPING STOPPED UNKNOWN; `deleted_at` marks the lingering dead."""

    id: str
    configuration_id: str
    configuration_name: str
    executable_id: str
    scenario_id: str
    status: str = "UNKNOWN"
    target_status: str = "COMPLETED"
    status_message: str | None = None
    status_details: dict[str, Any] | None = None
    output_artifacts: list[Artifact] = Field(default_factory=list)
    execution_schedule_id: str | None = None
    created_at: datetime
    modified_at: datetime
    submission_time: datetime | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    deleted_at: datetime | None = None


class Deployment(Wire):
    """`deployment_url` answers nobody. `deleted_at` marks the lingering dead."""

    id: str
    deployment_url: str
    configuration_id: str
    configuration_name: str
    latest_running_configuration_id: str | None = None
    executable_id: str
    scenario_id: str
    status: str = "UNKNOWN"
    target_status: str = "RUNNING"
    last_operation: str = "CREATE"
    status_message: str | None = None
    ttl: str | None = None
    created_at: datetime
    modified_at: datetime
    submission_time: datetime | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    deleted_at: datetime | None = None


class Schedule(Wire):
    id: str
    name: str
    cron: str
    configuration_id: str
    start: datetime
    end: datetime | None = None
    status: str = "ACTIVE"
    created_at: datetime
    modified_at: datetime


class Metrics(Wire):
    """All that an execution tracked; items are kept as they were sent, completed with times."""

    execution_id: str
    created_at: datetime
    modified_at: datetime
    metrics: list[dict[str, Any]] = Field(default_factory=list)
    tags: list[dict[str, Any]] = Field(default_factory=list)
    custom_info: list[dict[str, Any]] = Field(default_factory=list)


class ObjectStore(Wire):
    """An object store secret; `data` never leaves the sandbox."""

    name: str
    type: str
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    path_prefix: str = ""
    verifyssl: str = ""
    usehttps: str = "1"
    data: dict[str, str]


class Secret(Wire):
    """A generic secret; `data` values are base64 as sent."""

    name: str
    data: dict[str, str]
    labels: list[Label] | None = None
    created_at: datetime


class Group(Wire):
    """One resource group and all that lives in it."""

    resource_group_id: str
    labels: list[Label] | None = None
    status: str = "PROVISIONED"
    created_at: datetime
    artifacts: dict[str, Artifact] = Field(default_factory=dict)
    configurations: dict[str, Configuration] = Field(default_factory=dict)
    executions: dict[str, Execution] = Field(default_factory=dict)
    schedules: dict[str, Schedule] = Field(default_factory=dict)
    deployments: dict[str, Deployment] = Field(default_factory=dict)
    metrics: dict[str, Metrics] = Field(default_factory=dict)
    object_stores: dict[str, ObjectStore] = Field(default_factory=dict)
    secrets: dict[str, Secret] = Field(default_factory=dict)


class Tenant(Wire):
    """One AI Core service instance: its service key and all that is tenant-wide."""

    name: str
    zone: str
    client_id: str
    client_secret: str
    tracking_key: str
    repositories: dict[str, Repository] = Field(default_factory=dict)
    applications: dict[str, Application] = Field(default_factory=dict)
    executables: dict[str, Executable] = Field(default_factory=dict)
    groups: dict[str, Group] = Field(default_factory=dict)
    docker_secrets: dict[str, str] = Field(default_factory=dict)  # name -> .dockerconfigjson
    main_secrets: dict[str, Secret] = Field(default_factory=dict)  # main-tenant scope
    shared_secrets: dict[str, Secret] = Field(default_factory=dict)  # tenant-wide scope, replicated


class State(Wire):
    tenants: dict[str, Tenant] = Field(default_factory=dict)
