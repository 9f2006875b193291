"""The manifest as values: what a team writes in `aicore.yaml` beside its flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from aicore_sync.core.fields import (
    ConfigurationName,
    Description,
    Duration,
    EnvironmentName,
    ExecutableId,
    ScenarioId,
    SecretName,
    Strict,
    Time,
    Title,
    refuse,
)
from aicore_sync.core.manifest.notation import (
    HARDWARE,
    ArtifactKind,
    BranchName,
    Cron,
    FlowPath,
    GlobalName,
    Labels,
    PerStep,
    RequirementsPath,
    TemplatePath,
    Text,
    Url,
    Variable,
    VariableName,
    Version,
    short_labels,
)
from aicore_sync.core.manifest.runs import AdoptPart, Concurrency, DeploymentPart, OnFailure, RetentionPart

DEFAULT_IMAGE = "docker.io/library/python:3.11"


class ScenarioPart(Strict):
    """Which scenario the template belongs to. Empty fields are filled by `complete`."""

    id: ScenarioId = Field(
        "", description="Scenario id; the executable's id when absent.", examples=["churn"]
    )
    name: Title = Field(
        "",
        description="Name shown in the Launchpad; the id when absent. Equal for equal ids.",
        examples=["Churn"],
    )
    description: Description = Field("", description="A sentence or two for the Launchpad.")


class ExecutablePart(Strict):
    """The template's own identity. Empty fields are filled by `complete`."""

    id: ExecutableId = Field(
        "",
        description="Executable id, unique in the tenant; the flow's class name in lower case when absent.",
    )
    name: Title = Field("", description="Name shown in the Launchpad; the id when absent.")
    description: Description = Field("", description="A sentence or two for the Launchpad.")


class ArtifactPart(Strict):
    """An input artifact that exists in the object store and is registered with AI Core."""

    name: GlobalName = Field(description="Name; configurations bind it by this name.")
    kind: ArtifactKind = Field(description="What it is.")
    url: Url = Field(description="`ai://<object store secret>/<path>`, no slash at the end.")
    description: Description = Field("", description="A sentence or two for the Launchpad.")
    labels: Labels = Field(default_factory=dict, description="Labels; keys get the prefix `ext.ai.sap.com/`.")


class OutputPart(Strict):
    """An output artifact that AI Core registers when the run completes."""

    kind: ArtifactKind = Field("model", description="What it is.")
    name: Title = Field("", description="Name it is registered under; the global name when absent.")
    description: Description = Field("", description="A sentence or two for the Launchpad.")
    labels: Labels = Field(default_factory=dict, description="Labels; keys get the prefix `ext.ai.sap.com/`.")
    suffix: str = Field("", description="Suffix of the file or folder in the object store.")
    path: str = Field(
        "", description="Path in the container, where the flow does not declare the output itself."
    )
    step: str = Field("", description="Step that writes it; needed with `path`.")


class InputPart(Strict):
    """What an input of the template is bound to: an artifact of this manifest or another flow's output."""

    artifact: str = Field("", description="Name of an artifact of this manifest.")
    flow: str = Field("", description="Executable id of the flow that produces the artifact.")
    output: str = Field("", description="Global name of that flow's output.")
    select: str = Field("latestCompleted", description="`latestCompleted`, or the id of one artifact.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"artifact": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _either(self) -> InputPart:
        if bool(self.artifact) == bool(self.flow) or bool(self.flow) != bool(self.output):
            raise refuse("the name of an artifact, or `flow` and `output` of another flow")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return self.artifact or handler(self)


InputBinding = Annotated[
    InputPart,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "description": "Name of an artifact of this manifest."},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["flow", "output"],
                    "properties": {
                        "flow": {"type": "string", "description": "Executable id of the producing flow."},
                        "output": {"type": "string", "description": "Global name of that flow's output."},
                        "select": {
                            "type": "string",
                            "description": "`latestCompleted` (default) or an artifact id.",
                        },
                    },
                },
            ]
        }
    ),
]


class SchedulePart(Strict):
    """When AI Core runs the configuration by itself."""

    cron: Cron = Field(
        description="Five fields, in UTC, at least an hour apart; `@daily` and names are translated."
    )
    start: Time | None = Field(None, description="First moment it may run; at once when absent.")
    end: Time | None = Field(None, description="Last moment it may run; for ever when absent.")
    suspend: bool | None = Field(
        None,
        description="true: kept INACTIVE. false: a stop by hand is reverted. Absent: the status is left to people.",
    )


class ConfigurationPart(Strict):
    """Parameters and inputs to run the template with, and when to run it."""

    name: ConfigurationName = Field(description="Name, unique in the manifest.")
    parameters: dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], Text] = Field(
        default_factory=dict,
        description="Parameter values; AI Core knows only text, so they go exactly as written.",
    )
    inputs: dict[str, InputBinding] = Field(
        default_factory=dict, description="Input artifacts by the template's key."
    )
    run: Literal["onChange", "manual"] = Field(
        "manual",
        description="onChange: one execution for each new content. manual: schedules and people start it.",
    )
    on_upstream: bool = Field(
        False, description="Run also when another flow's output that it binds is renewed."
    )
    rerun: str = Field(
        "", description="Free text; changing it makes `run: onChange` run, or a deployment start, once more."
    )
    schedule: SchedulePart | None = Field(None, description="Execution schedule; none when absent.")
    max_runs_per_day: int | None = Field(
        None,
        ge=1,
        description="Brake for starts by aicore-sync: most executions in 24 hours that no schedule has started; "
        "the service's own when absent.",
    )
    on_failure: OnFailure | None = Field(
        None,
        description="After a run: onChange that ended DEAD: `hold`, or `retry`; the service's own when absent.",
        examples=[{"retry": {"times": 2, "backoff": "5m"}}],
    )
    concurrency: Concurrency | None = Field(
        None,
        description="A run: onChange beside an active run: allow, forbid (wait) or replace (stop ours first).",
    )
    retention: RetentionPart | None = Field(
        None, description="Which ended executions are deleted; the service's own rule when absent."
    )
    deployment: DeploymentPart | None = Field(
        None, description="Deploy it, where the template is a ServingTemplate; updated with its content."
    )

    @model_validator(mode="after")
    def _serves_or_runs(self) -> ConfigurationPart:
        if self.deployment and (self.schedule or self.run != "manual"):
            raise refuse("`deployment` without `schedule` and `run`", "what serves has no executions")
        return self


class ProjectPart(Strict):
    """What Metaflow's `@project` of the flow is told."""

    branch: BranchName | None = Field(None, description="Its branch, as `--branch` at the desk.")
    production: bool = Field(False, description="Its production branch, as `--production` at the desk.")


class Rendering(Strict):
    """Options that feed the template, of one manifest or as defaults for all."""

    version: Version = Field(
        "0.1.0", description='Version shown as `versionId` (with a digest); quote it: "1.10".'
    )
    image: str = Field(DEFAULT_IMAGE, min_length=1, description="Container image with its registry's host.")
    image_pull_secrets: tuple[SecretName, ...] = Field(
        (), description="Docker registry secrets registered in AI Core.", examples=[["registry"]]
    )
    secrets: tuple[SecretName, ...] | None = Field(
        None,
        description="Secrets whose keys every step gets as variables; the tenant's object store secret when absent.",
        examples=[["default-object-store-secret"]],
    )
    resource_plan: PerStep = Field(
        default_factory=dict, description=f"AI Core resource plan: {HARDWARE}.", examples=["starter"]
    )
    instance_type: PerStep = Field(
        default_factory=dict,
        description=f"Instance type (extended plan), instead of resourcePlan: {HARDWARE}.",
        examples=[{"train": "g4dn.xlarge", "*": "m5.large"}],
    )
    dialect: Literal["native", "plugin"] = Field(
        "native",
        description="Who makes the template of a flow: aicore-sync's own compiler, or SAP's Metaflow plugin.",
    )
    render_environment: EnvironmentName | Literal[""] = Field(
        "",
        description="Python environment to render in, of `render.environments`; the dialect's own when absent.",
        examples=["ml"],
    )
    stub_imports: bool = Field(
        False,
        description="Import stand-ins for packages that only the image has; they are listed as warnings.",
    )
    project: ProjectPart | None = Field(
        None,
        description="For flows with Metaflow's `@project`: the branch that runs are of. Dialect native only.",
        examples=[{"production": True}],
    )
    embedded: bool = Field(False, description="The image holds the code; nothing is downloaded at start.")
    max_workers: int = Field(100, ge=1, le=1000, description="Most steps that run at once in one execution.")
    timeout: Duration = Field(
        86400.0, ge=60, description="Longest duration of an execution, a guard of cost."
    )
    environment: dict[VariableName, Variable] = Field(
        default_factory=dict,
        description="Environment variables of every step. Never secrets: use `secrets`.",
        examples=[{"STAGE": "dev"}],
    )


class Defaults(Rendering):
    """What flows without a manifest use, and what manifests leave out."""

    environments: tuple[EnvironmentName, ...] = Field(
        (),
        description="Environments of flows that name none; without any they are only rendered and checked.",
        examples=[["dev"]],
    )
    scenario: ScenarioPart = Field(ScenarioPart(), description="Scenario of flows that name none.")


class Manifest(Rendering):
    """One flow or hand-written template: how it is rendered, where it goes, and what runs."""

    flow: FlowPath | None = Field(
        None, description="Flow file beside this file; `file.py:Class` where it has several."
    )
    template: TemplatePath | None = Field(
        None, description="Hand-written template beside this file, not a flow."
    )
    requirements: RequirementsPath | None = Field(
        None,
        description="A requirements file beside the flow: packages that rendering it needs, names and versions only.",
        examples=["requirements.txt"],
    )
    scenario: ScenarioPart = Field(ScenarioPart(), description="Scenario of the template.")
    executable: ExecutablePart = Field(ExecutablePart(), description="Identity of the template.")
    environments: tuple[EnvironmentName, ...] = Field(
        (), description="Where it goes; `defaults` when absent."
    )
    isolate: bool = Field(
        False,
        description="Give each environment its own executable id `<id>-<environment>`; also in an overlay.",
    )
    artifacts: tuple[ArtifactPart, ...] = Field((), description="Input artifacts to register.")
    outputs: dict[GlobalName, OutputPart] = Field(
        default_factory=dict, description="Outputs by their global name."
    )
    configurations: tuple[ConfigurationPart, ...] = Field((), description="What to run it with, and when.")
    adopt: AdoptPart | None = Field(None, description="What was made by hand and is taken over.")
    overlays: Annotated[Mapping[EnvironmentName, dict[str, Any]], BeforeValidator(short_labels)] = Field(
        default_factory=dict,
        description="Differences by environment: mappings merge by key, named lists by `name`, null removes.",
    )

    @property
    def script(self) -> str:
        """The flow's file, "" where the manifest names none."""
        return (self.flow or "").partition(":")[0]

    @property
    def flow_class(self) -> str | None:
        """The flow's class where the manifest names one."""
        return (self.flow or "").partition(":")[2] or None

    def configuration(self, name: str) -> ConfigurationPart | None:
        """The configuration called `name`."""
        return next((item for item in self.configurations if item.name == name), None)
