"""Who is told of what: people in chats and mail, and collectors of traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aicore_sync.config.addresses import HttpUrl
from aicore_sync.config.secret import SecretRef
from aicore_sync.core.fields import Duration, PlainName, Strict

Pattern = Annotated[str, StringConstraints(min_length=1)]


class Threshold(Strict):
    """How often a flow must be found in trouble before anybody is told."""

    failures: int = Field(1, ge=1, le=100, description="Passes that found trouble.")
    within: Duration = Field(600.0, gt=0, description="Time in which they happened.")


class Notification(Strict):
    """One route to people. Trouble and its end are told once; a restart tells nothing twice."""

    name: PlainName = Field(description="Name in logs and metrics.", examples=["ml-chat"])
    to: tuple[SecretRef, ...] = Field(
        min_length=1,
        description="Addresses in apprise's form, each a secret: slack://…, msteams://…, mailtos://…, jsons://….",
        examples=[[{"env": "ML_CHAT_URL"}]],
    )
    flows: tuple[Pattern, ...] = Field(("*",), description="Globs of flows.", examples=[["churn-*"]])
    environments: tuple[Pattern, ...] = Field(
        ("*",), description="Globs of environments.", examples=[["prod"]]
    )
    severity: Literal["warning", "info"] = Field(
        "warning",
        description="warning: what needs attention, and its recovery. info: also new versions, suspended, resumed.",
    )
    after: Threshold = Field(Threshold(), description="Patience before trouble is told.")
    group: Duration = Field(10.0, description="News within this time become one message.")


class Tracing(Strict):
    """Rollouts as OpenTelemetry traces, one per source commit."""

    endpoint: HttpUrl | None = Field(
        None,
        description="The collector's OTLP receiver over HTTP; no traces when absent.",
        examples=["http://otel-collector:4318/v1/traces"],
    )
    headers: dict[Pattern, SecretRef] = Field(
        default_factory=dict,
        description="Headers for it; their values are secrets.",
        examples=[{"Authorization": {"env": "OTLP_AUTHORIZATION"}}],
    )
