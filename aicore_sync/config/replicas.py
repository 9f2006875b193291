"""Several processes of one installation in Kubernetes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from aicore_sync.core.fields import Duration, Strict, matching, refuse

LeaseName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9.-]{0,58}[a-z0-9])?",
        "at most 60 of a-z 0-9 . - with a letter or digit at both ends",
    ),
]


class Replicas(Strict):
    """How processes in one cluster share the work. Without `leases` this process works alone."""

    leases: LeaseName | None = Field(
        None,
        description="Names of the Leases without their number; needs the extra `kubernetes`.",
        examples=["aicore-sync-shard"],
    )
    shards: int = Field(
        1, ge=1, le=64, description="Number of Leases, from 0 on: so many processes work, others wait."
    )
    namespace: str | None = Field(
        None, min_length=1, description="Namespace of the Leases; the pod's own when absent.", examples=["ml"]
    )
    address: str | None = Field(
        None,
        min_length=1,
        description="Address of this process for the others; the variable POD_IP when absent.",
        examples=["10.1.2.3"],
    )
    duration: Duration = Field(
        35.0, ge=1, description="Another process may take a Lease not renewed so long."
    )
    renew_deadline: Duration = Field(
        30.0, ge=0.5, description="A process that could not renew for so long writes nothing any more."
    )
    retry: Duration = Field(
        5.0, ge=0.1, description="Distance of two renewals; a take-over may be so much later than `duration`."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.retry < self.renew_deadline < self.duration:
            raise refuse("retry < renewDeadline < duration", found="times in another order")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All Leases."""
        return tuple(f"{self.leases}-{number}" for number in range(self.shards)) if self.leases else ()
