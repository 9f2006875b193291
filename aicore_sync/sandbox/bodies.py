"""Request bodies with the patterns and lengths of the OpenAPI description. A breach is a 400."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from aicore_sync.sandbox.model import ArtifactBinding, Label, ParameterBinding, Wire

Id = Annotated[str, StringConstraints(pattern=r"^[\w.-]{4,64}$")]
Name = Annotated[
    str, StringConstraints(max_length=256, pattern=r"""^[\w\s.!?,;:\[\](){}<>"'=+*/\\^&%@~$#|-]*$""")
]
Kind = Literal["model", "dataset", "resultset", "other"]
RepositoryName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9\-]+$", min_length=1, max_length=51)]
ApplicationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9\-]+$", min_length=3, max_length=54)]
StoreName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=233
    ),
]
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9\-\.]+$", min_length=1, max_length=252)]
DockerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](_?[a-z0-9\.\-]+)*[a-z0-9]$", max_length=63)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.-]{1,251}[a-zA-Z0-9]$")]

_WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


def _instant(text: object) -> datetime:
    """RFC 3339 without a fraction of a second, which AI Core refuses in schedules."""
    if not isinstance(text, str) or not _WHOLE_SECONDS.fullmatch(text):
        raise ValueError("expected an RFC 3339 time without fractional seconds, such as 2030-01-31T00:00:00Z")
    return datetime.fromisoformat(text).astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(_instant)]


def _artifact_label(label: Label) -> Label:
    if (
        not re.fullmatch(r"ext\.ai\.sap\.com/[\w.-]+", label.key)
        or len(label.key) > 256
        or len(label.value) > 5000
    ):
        raise ValueError(f"label {label.key!r} must be ext.ai.sap.com/<name>, at most 256 characters")
    return label


def _group_label(label: Label) -> Label:
    if not re.fullmatch(r"ext.ai.sap.com/[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?", label.key) or len(label.key) > 63:
        raise ValueError(f"label {label.key!r} must be ext.ai.sap.com/<name>, at most 63 characters")
    return label


ArtifactLabel = Annotated[Label, AfterValidator(_artifact_label)]
GroupLabel = Annotated[Label, AfterValidator(_group_label)]


def _bounded_parameter(binding: ParameterBinding) -> ParameterBinding:
    if len(binding.key) > 256 or len(binding.value) > 5000:
        raise ValueError(
            "a parameter binding has a key of at most 256 and a value of at most 5000 characters"
        )
    return binding


class Credentials(Wire):
    username: str
    password: str


class NewRepository(Credentials):
    name: RepositoryName = ""
    url: str


class Source(Wire):
    repository_url: str
    revision: str = Field(min_length=1)
    path: str


class NewApplication(Wire):
    application_name: ApplicationName = ""
    repository_url: str = ""
    repository_name: str = ""
    revision: str = Field(min_length=1)
    path: str


class NewArtifact(Wire):
    name: Name
    kind: Kind
    url: Annotated[str, StringConstraints(max_length=1024, pattern=r"([a-z0-9-]+):\/\/.+")]
    scenario_id: Id
    description: Annotated[str, StringConstraints(max_length=5000)] = ""
    labels: list[ArtifactLabel] = Field(default_factory=list)


class NewConfiguration(Wire):
    name: Name
    executable_id: Id
    scenario_id: Id
    parameter_bindings: list[Annotated[ParameterBinding, AfterValidator(_bounded_parameter)]] = Field(
        default_factory=list, max_length=1000
    )
    input_artifact_bindings: list[ArtifactBinding] = Field(default_factory=list, max_length=1000)


class NewExecution(Wire):
    configuration_id: Id


class ExecutionChange(Wire):
    target_status: Literal["STOPPED"]


def _ttl(text: str | None) -> str | None:
    found = re.fullmatch(r"(\d+)([mhd])", (text or "10m").lower())
    if not found or (found[2] == "m" and int(found[1]) < 10) or not int(found[1]):
        raise ValueError(f"ttl {text!r} must be a number of minutes (at least 10m), hours or days")
    return text


class NewDeployment(Wire):
    configuration_id: Id
    ttl: Annotated[str | None, AfterValidator(_ttl)] = None


class DeploymentChange(Wire):
    target_status: Literal["STOPPED", ""] = ""
    configuration_id: Annotated[str, StringConstraints(pattern=r"^([\w.-]{4,64})?$")] = ""

    @model_validator(mode="after")
    def _either(self) -> DeploymentChange:
        if bool(self.target_status) == bool(self.configuration_id):
            raise ValueError("expected either targetStatus or configurationId")
        return self


class BulkItem(Wire):
    id: Id
    target_status: Literal["STOPPED", "DELETED"]


class BulkChange(Wire):
    executions: list[BulkItem] = Field(min_length=1, max_length=100)


class _Schedule(Wire):
    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict) and (nulls := [key for key, value in data.items() if value is None]):
            raise ValueError(f"{', '.join(nulls)} must not be null")
        return data


class NewSchedule(_Schedule):
    cron: str
    name: Annotated[str, StringConstraints(max_length=256)]
    configuration_id: Id
    start: Instant | None = None
    end: Instant | None = None


class ScheduleChange(_Schedule):
    cron: str = ""
    configuration_id: Id = ""
    start: Instant | None = None
    end: Instant | None = None
    status: Literal["ACTIVE", "INACTIVE", ""] = ""


class Pair(Wire):
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    value: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Info(Wire):
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    value: Annotated[str, StringConstraints(min_length=1)]


class Metric(Wire):
    name: Annotated[str, StringConstraints(max_length=256, pattern=r"[\w-]{1,64}")]
    value: float
    timestamp: datetime | None = None
    step: Annotated[int, Field(ge=0)] | None = None
    labels: list[Pair] = Field(default_factory=list, max_length=20)


class MetricsChange(Wire):
    execution_id: Id
    metrics: list[Metric] = Field(default_factory=list)
    tags: list[Pair] = Field(default_factory=list)
    custom_info: list[Info] = Field(default_factory=list)


class StoreChange(Wire):
    name: str
    type: str
    data: dict[str, str]
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    path_prefix: str = ""
    verifyssl: str = ""
    usehttps: str = "1"


class NewStore(StoreChange):
    name: StoreName


class SecretChange(Wire):
    data: dict[str, str]
    labels: list[GroupLabel] = Field(default_factory=list)


class NewSecret(SecretChange):
    name: SecretName


class DockerData(Wire):
    model_config = ConfigDict(extra="forbid")
    config: str = Field(alias=".dockerconfigjson")


class DockerChange(Wire):
    data: DockerData


class NewDocker(DockerChange):
    name: DockerName


class NewGroup(Wire):
    resource_group_id: GroupName = Field(min_length=3, max_length=253)
    labels: list[GroupLabel] = Field(default_factory=list)


class GroupChange(Wire):
    labels: list[GroupLabel] = Field(default_factory=list)
