"""What AI Core and git hold, as values: the answers of the AI-API reduced to what decisions need.

Facts about the fields: the AI-API's OpenAPI description 2.42.0. Times are aware datetimes in UTC or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Repository:
    """A git repository as registered with AI Core. `COMPLETED` only means that credentials are stored."""

    name: str
    url: str
    status: str = ""


@dataclass(frozen=True)
class Application:
    """An AI Core application: which path of which revision of which repository is synced."""

    name: str
    repository_url: str
    revision: str
    path: str


@dataclass(frozen=True)
class ResourceStatus:
    """One entry of an application's `syncResourcesStatus`."""

    name: str
    kind: str
    status: str
    message: str = ""


@dataclass(frozen=True)
class ApplicationStatus:
    """GET /admin/applications/{name}/status. Missing data is the literal text "Unknown" there, "" here."""

    health: str = ""
    sync: str = ""
    message: str = ""
    revision: str = ""
    resources: tuple[ResourceStatus, ...] = ()
    finished_at: datetime | None = None  # when the sync that it speaks of ended

    def resource(self, name: str) -> ResourceStatus | None:
        """The entry of the template called `name`, if AI Core reports one."""
        return next((r for r in self.resources if r.name == name), None)


@dataclass(frozen=True)
class Executable:
    """A synced template. `version_id` echoes the label `ai.sap.com/version`."""

    id: str
    scenario: str
    version_id: str
    parameters: Mapping[str, str | None] = field(default_factory=dict)  # name -> default
    inputs: frozenset[str] = frozenset()
    deployable: bool = False
    modified_at: datetime | None = None


@dataclass(frozen=True)
class Artifact:
    """Immutable and permanent. `labels` keep their full keys (`ext.ai.sap.com/...`)."""

    id: str
    name: str
    kind: str
    url: str
    scenario: str
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    execution: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Configuration:
    """Immutable and permanent."""

    id: str
    name: str
    executable: str
    scenario: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)  # input key -> artifact id
    created_at: datetime | None = None


@dataclass(frozen=True)
class Execution:
    """One run. `status` is one of PENDING RUNNING COMPLETED DEAD STOPPING STOPPED UNKNOWN."""

    id: str
    configuration: str
    executable: str
    scenario: str
    status: str
    target_status: str = ""
    schedule: str | None = None
    message: str = ""
    outputs: tuple[Artifact, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def active(self) -> bool:
        """True while it may still cost money."""
        return (
            self.status in {"PENDING", "RUNNING", "STOPPING", "UNKNOWN"} and self.target_status != "DELETED"
        )


@dataclass(frozen=True)
class Schedule:
    """An execution schedule; everything but its name can be patched. `status` is ACTIVE or INACTIVE."""

    id: str
    name: str
    cron: str
    configuration: str
    status: str = "ACTIVE"
    start: datetime | None = None
    end: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Deployment:
    """A running ServingTemplate. `status` as of executions; `ttl` is what it was started with ("2h"), "" for ever.

    Neither name nor labels: it is known by its configuration. `url` is where it serves.
    """

    id: str
    configuration: str
    executable: str
    scenario: str
    status: str
    target_status: str = ""
    message: str = ""
    url: str = ""
    ttl: str = ""
    created_at: datetime | None = None

    @property
    def active(self) -> bool:
        """True while it may still cost money."""
        return (
            self.status in {"PENDING", "RUNNING", "STOPPING", "UNKNOWN"} and self.target_status != "DELETED"
        )


@dataclass(frozen=True)
class Quota:
    """Usage of one kind of thing against its limit in a tenant."""

    name: str
    used: int
    limit: int


@dataclass(frozen=True)
class Upload:
    """A blob that a template refers to and that must be in the object store before the commit.

    `url` is where the template looks for it (`s3://bucket/key`), `digest` the sha256 of its bytes in
    hex, `file` the local path of the captured copy.
    """

    url: str
    digest: str
    file: str
