"""What is wanted and what is seen for one key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from aicore_sync.core.adoption import Adoption, ForeignSchedule
from aicore_sync.core.asks import Ask
from aicore_sync.core.deployed import Deployed
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.manifest.runs import Concurrency, Logs
from aicore_sync.core.model import FlowKey, Hold, TemplateKey
from aicore_sync.core.refusals import Declined, Refusal
from aicore_sync.core.starts import Start
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import (
    ApplicationStatus,
    Artifact,
    Configuration,
    Deployment,
    Executable,
    Execution,
    Quota,
    Schedule,
    Upload,
)

# --- templates: publish and sync -------------------------------------------------------------------


@dataclass(frozen=True)
class Template:
    """A finished template file. `data` are its bytes, `facts` what they say, `source` the source's revision or "".

    `note` stands in the commit's subject instead of the executable id. `original` is the digest of a hand-written
    template before anything was added, "" where the manifest adds what AI Core can tell.
    """

    file: str
    data: bytes
    facts: PublishedTemplate
    uploads: tuple[Upload, ...] = ()
    source: str = ""
    note: str = ""
    original: str = ""


@dataclass(frozen=True)
class WantTemplate:
    """`template` is None while it cannot be made (`holds` says why) or when nobody wants it (`gone`).

    `source` is what this was decided on, None where there is none.
    `blocked` are holds of the environments that use it: suspended or frozen.
    `removal` is the mass-removal brake. `unread` are other sources that could not be read completely.
    `lapsed_pin` is the file of a rollback that its source has ended. `retired` are environments that people empty.
    """

    key: TemplateKey
    template: Template | None = None
    source: Ingredients | None = None
    gone: bool = False
    holds: tuple[Hold, ...] = ()
    blocked: tuple[Hold, ...] = ()
    removal: Hold | None = None
    unread: frozenset[str] = frozenset()
    lapsed_pin: str = ""
    retired: frozenset[str] = frozenset()
    adopt: Adoption | None = None


@dataclass(frozen=True)
class PublishedFile:
    """The file at the branch head: `blob` is git's id of its content, `commit` the head it was read at."""

    file: str
    blob: str
    commit: str
    facts: PublishedTemplate | None
    ours: bool
    data: bytes = b""


@dataclass(frozen=True)
class Review:
    """What a request of ours proposes for a template's file: the template with this digest, or with "" its removal.

    `open` while people have not decided; else they closed the request without merging it. `url` leads to it.
    `outdated`: it was proposed in place of another file than the one that is there by now, which is a conflict.
    """

    file: str
    digest: str
    url: str
    open: bool = True
    outdated: bool = False


@dataclass(frozen=True)
class ScheduleUse:
    """An owned schedule that runs a template. `accepted`: the wanted template takes its bindings."""

    environment: str
    schedule: Schedule
    accepted: bool


@dataclass(frozen=True)
class Registration:
    """What AI Core knows of the tenant's repository and application; `elsewhere` says where a wrong one points.

    `shared` says which other application follows the same place.
    """

    repository: bool = True
    application: bool = True
    elsewhere: str = ""
    shared: str = ""


@dataclass(frozen=True)
class SeenTemplate:
    """`pending`: handed to the committer and not answered yet. `synced_blob`: the file's blob at the synced revision.

    `executions` counts running executions and deployments of the executable in all environments; `sync_requested` is
    when a refresh was last asked for since the published blob changed.
    """

    published: PublishedFile | None = None
    pending: bool = False
    push_error: Hold | None = None
    registration: Registration = field(default_factory=Registration)
    application: ApplicationStatus | None = None
    synced_blob: str | None = None
    executable: Executable | None = None
    schedules: tuple[ScheduleUse, ...] = ()
    executions: int = 0
    refusal: Refusal | None = None
    review: Review | None = None  # None: nothing is proposed for this template
    declined: Declined | None = None
    conflict: Review | None = None  # what is proposed and cannot be merged any more
    paused: frozenset[str] | None = None  # schedules that we paused for the next template; None: no record
    quota: Quota | None = None  # for a new file only; in use are also places that others wait to fill
    stalest: tuple[str, ...] = ()
    sync_requested: datetime | None = None
    overdue: bool = False  # published so long ago that AI Core should run it by now
    file_error: str = ""  # AI Core's words when it names our file in a failed sync
    taken: Executable | None = None  # before our first file: somebody else's executable of this id


# --- flows: configure, schedule, execute -----------------------------------------------------------


@dataclass(frozen=True)
class ArtifactRef:
    """An input bound to an artifact that the manifest declares."""

    name: str


@dataclass(frozen=True)
class ArtifactId:
    """An input bound to an artifact id."""

    id: str


@dataclass(frozen=True)
class Upstream:
    """An input bound to the newest COMPLETED output of another flow in the same environment."""

    flow: str
    output: str


InputRef = ArtifactRef | ArtifactId | Upstream


@dataclass(frozen=True)
class WantArtifact:
    """`hash` is over kind, url, scenario and name: new content, new artifact."""

    name: str
    kind: str
    url: str
    description: str
    labels: tuple[tuple[str, str], ...]
    hash: str


@dataclass(frozen=True)
class WantSchedule:
    """`cron` is five numeric fields. `suspend` None: the status is not ours. Without times at once and for ever."""

    cron: str
    start: datetime | None = None
    end: datetime | None = None
    suspend: bool | None = None


@dataclass(frozen=True)
class WantDeployment:
    """`ttl` ("2h") ends it, "" never. `suspend` None: whether it runs is left to people once it was started."""

    ttl: str = ""
    suspend: bool | None = None


@dataclass(frozen=True)
class Retry:
    """A DEAD run starts again `times` at most, the first time after `backoff` seconds, then after twice as long."""

    times: int = 0
    backoff: float = 0.0


@dataclass(frozen=True)
class Retention:
    """The newest `keep` ended executions stay, and those that ended less than `younger_than` seconds ago.

    Without either nothing is deleted. `foreign`: also those that others started. `logs`: where saved first.
    """

    keep: int | None = None
    younger_than: float | None = None
    foreign: bool = False
    logs: Logs = "none"


@dataclass(frozen=True)
class WantConfiguration:
    """One configuration of a flow; its name in AI Core gets a hash over what it binds. None: as the policy says."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, InputRef], ...] = ()
    run: Literal["onChange", "manual"] = "manual"
    on_upstream: bool = False
    rerun: str = ""
    schedule: WantSchedule | None = None
    max_runs_per_day: int | None = None
    on_failure: Retry | None = None
    concurrency: Concurrency | None = None
    retention: Retention | None = None
    deployment: WantDeployment | None = None


@dataclass(frozen=True)
class RunPolicy:
    """The brakes on what costs money; times in seconds."""

    settle: float = 90.0
    run_quiet: float = 60.0
    start_within: float = 86400.0
    max_runs_per_day: int = 24
    on_failure: Retry = Retry()
    concurrency: Concurrency = "allow"
    retention: Retention = Retention()
    stuck_after: float = 900.0
    log_directory: bool = False  # whether there is one to save logs in


@dataclass(frozen=True)
class WantFlow:
    """What a flow wants in one environment.

    `targeted` False: everything of ours is taken away here. `template_holds` say why the template is not proven live;
    what needs the template waits for them. `template_stays`: nothing is on its way to take the live one's place.
    `coming_run` is the run-digest of the wanted one, "" while it is unknown.
    `quiet_until` is when the newest input is old enough to run.
    `blocked`: suspended or frozen, so nothing is created, pointed elsewhere or started. `unfit`: what runs would miss.
    `keep_schedules`: whether there is a schedule is not known now, so none is deleted.
    `removal` keeps what the manifest names no more.
    """

    key: FlowKey
    owner: str
    executable: str
    scenario: str
    tenant: str = ""
    targeted: bool = True
    template_holds: tuple[Hold, ...] = ()
    template_stays: bool = False
    coming_run: str = ""
    desire_holds: tuple[Hold, ...] = ()
    artifacts: tuple[WantArtifact, ...] = ()
    configurations: tuple[WantConfiguration, ...] = ()
    policy: RunPolicy = field(default_factory=RunPolicy)
    quiet_until: datetime | None = None
    removal: Hold | None = None
    keep_schedules: bool = False
    producers: Mapping[str, str] = field(default_factory=dict)  # upstream flow -> its executable here
    blocked: tuple[Hold, ...] = ()
    unfit: tuple[Hold, ...] = ()
    adopt: Adoption | None = None

    @property
    def keeps(self) -> bool:
        """Whether what the manifest does not name stays for now."""
        return self.keep_schedules or self.removal is not None


@dataclass(frozen=True)
class StartBudget:
    """Rule 12: which flows want or made a start in this round, against how many may without a confirmation.

    `allowed`: a person has confirmed the start of this one.
    """

    wanting: frozenset[FlowKey] = frozenset()
    limit: int = 5
    allowed: bool = False


@dataclass(frozen=True)
class SeenFlow:
    """What AI Core holds for a flow in one environment, all ours but `executions` and `deployments`, which hold
    foreign ones too.

    `live` are the facts of the template that is proven live, None before the first proof. `settled_at`: creating runs
    and schedules waits until then; `recent` maps names and configuration ids to when we last wrote them.
    `owners` maps executions to the owner that their metric tag names, "" where it names none; those that were not
    looked at are absent. `causes` explain executions that are DEAD or stuck. `patched`: what a field was set to, when.
    """

    live: PublishedTemplate | None = None
    artifacts: tuple[Artifact, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    executions: tuple[Execution, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    upstream: Mapping[tuple[str, str], str] = field(default_factory=dict)
    settled_at: datetime | None = None
    recent: Mapping[str, datetime] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    budget: StartBudget = field(default_factory=StartBudget)
    owners: Mapping[str, str] = field(default_factory=dict)
    untagged: Mapping[str, Start] = field(
        default_factory=dict
    )  # runs of ours whose tag got lost, in owners too
    causes: Mapping[str, str] = field(default_factory=dict)
    patched: Mapping[tuple[str, str], tuple[tuple[str | datetime, datetime], ...]] = field(
        default_factory=dict
    )  # (schedule id, field) -> (value, at), the oldest first
    asks: tuple[Ask, ...] = ()
    deployed: Mapping[str, Deployed] = field(default_factory=dict)
    foreign: tuple[ForeignSchedule, ...] = ()  # schedules of others that run our template
    adopting: frozenset[str] | None = None  # ours that sleep until those do; None: no takeover is under way
