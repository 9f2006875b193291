"""What a manifest says about runs: after a failure, beside each other, and how long they are kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from aicore_sync.core.fields import Duration, Strict, matching, refuse

Concurrency = Literal["allow", "forbid", "replace"]
Logs = Literal["none", "directory", "objectStore"]


class RetryPart(Strict):
    """How often and when a run that ended DEAD is started again."""

    times: int = Field(ge=1, le=10, description="Most further starts after the first run.")
    backoff: Duration = Field(300.0, ge=1, description="Wait before the first of them; it doubles with each.")


class FailurePart(Strict):
    """`hold`, or `retry` with its times."""

    retry: RetryPart | None = Field(None, description="Start again by itself; absent: a person decides.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if isinstance(value, str) and value != "hold":
            raise refuse("`hold`, or `retry` with `times` and `backoff`")
        return {} if value == "hold" else value

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.retry else "hold"


_RETRY_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["times"],
    "properties": {
        "times": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10,
            "description": "Most further starts after the first run.",
        },
        "backoff": {
            "anyOf": [
                {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"},
                {"type": "number", "minimum": 1},
            ],
            "description": "Wait before the first of them; it doubles with each.",
            "default": 300.0,
        },
    },
}
OnFailure = Annotated[
    FailurePart,
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "hold", "description": "A person decides."},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"retry": {"anyOf": [_RETRY_SCHEMA, {"type": "null"}]}},
                },
            ]
        }
    ),
]


class RetentionPart(Strict):
    """Which ended executions are deleted: those that are neither among the newest nor young. None without a bound."""

    keep: int | None = Field(None, ge=1, description="The newest so many stay.")
    younger_than: Duration | None = Field(None, ge=0, description="Those that ended less than this ago stay.")
    foreign: bool = Field(
        False, description="Also delete executions that others started on our configurations."
    )
    logs: Logs = Field(
        "none",
        description="Save the log first. directory: under `reconcile.logArchive`, which must be set. "
        "objectStore: below the root of the tenant's datastore.",
    )


Ttl = Annotated[
    str, matching(r"([1-9][0-9]+m|[1-9][0-9]*[hd])", "a time to live such as 30m (10m at least), 12h or 7d")
]


class DeploymentPart(Strict):
    """A ServingTemplate that runs with a configuration until it is stopped."""

    ttl: Ttl | Literal[""] = Field(
        "", description="AI Core deletes the deployment after this time; never when absent.", examples=["12h"]
    )
    suspend: bool | None = Field(
        None,
        description="true: kept stopped. false: started again when people stop it. Absent: left to people.",
    )


class AdoptPart(Strict):
    """A template file and schedules that people made, to be taken over."""

    file: str = Field(
        "", description="Name of the template's file in the application's path.", examples=["churn.yaml"]
    )
    schedules: tuple[str, ...] = Field((), description="Ids of execution schedules that run the template.")
    take_over: Literal["now", "onChange"] = Field(
        "now", description="now: at once. onChange: when something differs from what is there."
    )
