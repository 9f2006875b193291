"""The parts of the configuration with good defaults: rendering, and the rhythm of the loop."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from aicore_sync.config.paths import HerePath
from aicore_sync.core.fields import Duration, EnvironmentName, Share, Size, Strict, refuse
from aicore_sync.core.lint import CODES, FIXED
from aicore_sync.core.manifest import Concurrency, FailurePart, OnFailure, RetentionPart
from aicore_sync.core.problems import did_you_mean

LIST_LAG = (
    20.0  # seconds by which a list of AI Core may be behind what was just written; nobody promises less
)


def _supported(value: object) -> object:
    parts = str(value).split(".")
    if (
        len(parts) < 3
        or not all(p.isdigit() for p in parts)
        or not (2, 12) <= (int(parts[0]), int(parts[1])) < (2, 20)
    ):
        raise refuse(
            "a version of Metaflow from 2.12 to 2.19, such as 2.15.21", "quote it, and name all of it"
        )
    return value


MetaflowVersion = Annotated[str, BeforeValidator(_supported), WithJsonSchema({"type": "string"})]


class RenderEnvironment(Strict):
    """A Python environment for rendering, beside the default one."""

    python: HerePath | None = Field(
        None, description="Interpreter: used as it is when alone, else what the environment is built from."
    )
    requirements: tuple[str, ...] | HerePath = Field(
        (),
        description="Packages that flows import, as lines of a requirements file, or the file.",
        examples=[["pandas==2.2.3"]],
    )
    metaflow: MetaflowVersion | None = Field(
        None,
        description="Version of Metaflow, 2.12 to 2.19, in place of the pinned one; installed without hashes.",
        examples=["2.15.21"],
    )
    index_file: HerePath | None = Field(
        None,
        description="File with the address of the package index for this environment; `render.indexFile` when absent.",
    )


class Render(Strict):
    """How flows become templates. Flows' code runs in children with these limits."""

    concurrency: int = Field(2, ge=1, le=64, description="Renders at the same time.")
    deadline: Duration = Field(120.0, ge=1, description="Longest duration of one render.")
    memory: Size = Field(2**30, ge=256 * 2**20, description="Address space of one render.")
    sandbox: Literal["auto", "strict", "off"] = Field(
        "auto",
        description="Isolation of flows' code: what this system gives; refuse to do with less; none.",
    )
    environments: dict[EnvironmentName, RenderEnvironment] = Field(
        default_factory=dict,
        description="Environments that manifests name in `renderEnvironment`; built once, found again by content. "
        "`native` and `plugin` take the place of those that are built for the dialects.",
        examples=[
            {"ml": {"requirements": ["pandas==2.2.3"]}, "native": {"python": "/opt/metaflow/bin/python"}}
        ],
    )
    index_file: HerePath | None = Field(
        None,
        description="File with the address of the package index, its password included, in one line.",
        examples=["/run/secrets/package-index"],
    )
    package_suffixes: tuple[str, ...] = Field(
        (".py", ".R", ".RDS"), description="Endings of the files beside a flow that are packaged with it."
    )


def _known_rule(value: object) -> object:
    """A code of docs/lint.md whose severity a repository may choose."""
    if value in FIXED:
        raise refuse("the code of a rule that may be changed", f"{value} guards more than one flow and stays")
    if value not in CODES:
        raise refuse("the code of a rule in docs/lint.md", did_you_mean(str(value), sorted(CODES)))
    return value


RuleCode = Annotated[
    str,
    BeforeValidator(_known_rule),
    WithJsonSchema({"type": "string", "enum": sorted(CODES.keys() - FIXED)}),
]


class LintRule(Strict):
    """A rule as this repository wants it."""

    severity: Literal["off", "info", "warning", "error"] = Field(
        description="How its findings count; only `error` keeps a template from being published.",
        examples=["info"],
    )
    reason: str = Field(
        min_length=1,
        description="Why, for those who read this later.",
        examples=["our runs end by themselves"],
    )


class Lint(Strict):
    """How strict the checks of templates are."""

    rules: dict[RuleCode, LintRule] = Field(
        default_factory=dict,
        description="Rules with another severity, by code; each needs a reason.",
        examples=[{"AC128": {"severity": "info", "reason": "our runs end by themselves"}}],
    )
    resource_plans: tuple[str, ...] = Field(
        (), description="Resource plans of the tenants beyond those that AI Core documents."
    )
    instance_types: tuple[str, ...] = Field(
        (),
        description="Instance types of the tenants; without them instance types are not checked.",
        examples=[["g4dn.xlarge"]],
    )
    quota: int = Field(50, ge=1, description="Most templates of one kind that a tenant takes.")


class Reconcile(Strict):
    """Rhythm, patience and brakes of the loop."""

    interval: Duration = Field(180.0, ge=1, description="Distance of two looks at a settled flow.")
    jitter: Share = Field(0.05, description="Random share by which that distance varies.")
    workers: int = Field(4, ge=1, le=64, description="Keys of one tenant handled at the same time.")
    settle: Duration = Field(
        90.0, description="Wait before starts and new schedules after a take-over or a lost answer."
    )
    allow_short_settle: bool = Field(
        False,
        description="Take a `settle` that is too short for what it guards, as demonstrations and tests do.",
    )
    run_quiet: Duration = Field(60.0, description="A run starts only after this time without newer input.")
    start_within: Duration = Field(
        86400.0, description="Age up to which an onChange configuration is still started."
    )
    gone_after: Duration = Field(
        60.0, description="A flow is gone when two full scans this far apart miss it."
    )
    max_runs_per_day: int = Field(
        24,
        ge=1,
        description="Most starts of one flow in one environment in 24 hours; those of schedules do not count.",
    )
    on_failure: OnFailure = Field(
        FailurePart(),
        description="After a run: onChange that ended DEAD, where the manifest says nothing: `hold`, or `retry`.",
        examples=["hold"],
    )
    concurrency: Concurrency = Field(
        "allow", description="Runs of one configuration beside each other, where the manifest says nothing."
    )
    retention: RetentionPart = Field(
        RetentionPart(), description="Which ended executions are deleted, where the manifest says nothing."
    )
    log_archive: HerePath | None = Field(
        None,
        description="Directory for logs of deleted executions, for `retention.logs: directory`. It must outlive the "
        "service: on Kubernetes a mounted volume.",
    )
    stuck_after: Duration = Field(
        900.0, ge=1, description="A run that has not begun after this is looked into and explained."
    )
    max_starts: int = Field(
        5, ge=1, description="More starts than this in one round wait for a confirmation."
    )
    max_starts_share: Share = Field(0.20, description="Also a larger share of the flows than this.")
    max_removals: int = Field(
        3, ge=1, description="Up to this many removals in an hour need no confirmation."
    )
    max_removals_share: Share = Field(
        0.30, description="A larger share of the flows than this waits for one."
    )
    request_timeout: Duration = Field(30.0, ge=1, description="Longest wait for an answer of the AI-API.")
    requests_per_tenant: int = Field(
        8, ge=1, le=64, description="Requests to the AI-API of one tenant at the same time."
    )
    retry_deadline: Duration = Field(
        60.0, ge=0, description="How long reading calls are repeated in one pass."
    )
    git_timeout: Duration = Field(60.0, ge=1, description="Longest duration of one git command.")
    push_deadline: Duration = Field(
        60.0, ge=1, description="How long a push that lost a race is repeated in one go."
    )
    upload_timeout: Duration = Field(120.0, ge=1, description="Longest duration of one upload.")
    sync_timeout: Duration = Field(
        600.0, ge=1, description="After this an unsynced template needs attention."
    )
    backoff_first: Duration = Field(0.75, gt=0, description="First wait after an error; it doubles.")
    backoff_most: Duration = Field(900.0, gt=0, description="Longest wait after an error.")
    lock_expiry: Duration = Field(900.0, ge=10, description="A lock not renewed for this long is free.")
    lock_renew: Duration = Field(300.0, ge=1, description="Distance of two renewals of our lock.")

    @model_validator(mode="after")
    def _settles(self) -> Self:
        """A start whose answer was lost must be in the lists before the next one is thought of."""
        least = self.request_timeout + LIST_LAG
        if self.settle < least and not self.allow_short_settle:
            raise refuse(
                f"settle of at least {least:g}s: requestTimeout and the {LIST_LAG:g}s by which lists may lag",
                "raise settle or lower requestTimeout; `allowShortSettle: true` risks runs that start twice",
                f"settle {self.settle:g}s with requestTimeout {self.request_timeout:g}s",
            )
        return self

    @model_validator(mode="after")
    def _archives(self) -> Self:
        """What is saved before a deletion must lie where nobody throws it away."""
        if self.retention.logs == "directory" and self.log_archive is None:
            raise refuse(
                "`logArchive` beside `retention.logs: directory`",
                "set logArchive to a directory that outlives the service, or say `logs: objectStore`",
            )
        return self
