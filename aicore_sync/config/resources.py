"""What the configuration may declare of a tenant and its resource groups: secrets, and the groups themselves.

Rules of names and keys: AI Core's pages on object store, docker registry and generic secrets, OpenAPI 2.42.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from aicore_sync.config.secret import SecretRef
from aicore_sync.core.fields import Size, Strict, matching, refuse

RegistryName = Annotated[
    str,
    matching(
        r"(?=.{2,63}\Z)[a-z0-9](_?[a-z0-9.-]+)*[a-z0-9]",
        "2 to 63 lower-case letters, digits, `.`, `-`, a letter or digit at both ends",
    ),
]
StoreName = Annotated[
    str,
    matching(
        r"(?=.{1,233}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "a lower-case DNS name of at most 233 characters",
    ),
]
GenericName = Annotated[
    str,
    matching(
        r"(?=.{1,252}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "1 to 252 lower-case letters, digits, `.`, `-`, a letter or digit at both ends",
    ),
]
LabelKey = Annotated[
    str,
    matching(
        r"(?=.{1,49}\Z)[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?",
        "a label's name of at most 49 letters, digits, `-`, `_`, `.`",
        "leave out the prefix ext.ai.sap.com/",
    ),
]
MachineName = Annotated[
    str,
    matching(r"(?=.{1,63}\Z)[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?", "an instance type, such as g4dn.xlarge"),
]
DataKey = Annotated[str, matching(r"[A-Za-z0-9._-]{1,253}", "letters, digits, `.`, `_` or `-`")]

StoreType = Literal["S3", "oss", "webhdfs", "azure", "gcs"]
DATA_KEYS: Mapping[StoreType, tuple[str, ...]] = {
    "S3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "oss": ("BUCKET", "ENDPOINT", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"),
    "webhdfs": ("HDFS_NAMENODE", "TLS_CERT", "TLS_KEY", "HEADERS"),
    "azure": ("CONTAINER_URI", "STORAGE_ACCESS_KEY"),
    "gcs": ("BUCKET", "PRIVATE_KEY"),
}
_MORE_KEYS = {"azure": {"REGION", "CLIENT_ID", "CLIENT_SECRET", "TENANT_ID", "SUBSCRIPTION_ID"}}


class RegistryLogin(Strict):
    """A login for a docker registry."""

    username: str = Field(min_length=1, description="User name.", examples=["robot"])
    password: SecretRef = Field(description="Password or token.", examples=[{"env": "REGISTRY_TOKEN"}])


class RegistrySecret(Strict):
    """A docker registry secret of the tenant, which templates name in `imagePullSecrets`."""

    name: RegistryName = Field(description="Name in AI Core.", examples=["registry"])
    server: str = Field(
        "",
        description="Address of the registry; `https://index.docker.io` for Docker Hub.",
        examples=["ghcr.io"],
    )
    credentials: RegistryLogin | None = Field(None, description="Login, with `server`.")
    docker_config: SecretRef | None = Field(
        None, description="A whole docker `config.json`, instead of `server` and `credentials`."
    )

    @model_validator(mode="after")
    def _one(self) -> RegistrySecret:
        login = bool(self.server) and self.credentials is not None
        part = bool(self.server) or self.credentials is not None
        if login == (self.docker_config is not None) or (part and not login):
            raise refuse("either `server` and `credentials`, or `dockerConfig`")
        return self


class InstanceSize(Strict):
    """A machine of a tenant on the extended plan."""

    cpu: float = Field(gt=0, description="CPUs.", examples=[4])
    memory: Size = Field(gt=0, description="Memory.", examples=["16Gi"])
    gpu: int = Field(0, ge=0, description="GPUs.")


class StoreSecret(Strict):
    """An object store secret of a resource group. AI Core uses `default` for the outputs of runs."""

    name: StoreName = Field("default", description="Name in AI Core.")
    type: StoreType = Field("S3", description="Kind of store: S3, oss, webhdfs, azure, gcs.")
    bucket: str = Field("", description="Bucket (S3).", examples=["ml-dev"])
    endpoint: str = Field(
        "",
        description="Host of the store, without https:// (S3).",
        examples=["s3.eu-central-1.amazonaws.com"],
    )
    region: str = Field("", description="Region (S3).", examples=["eu-central-1"])
    path_prefix: str = Field("", description="Prefix of all paths in it.", examples=["aicore"])
    use_https: bool = Field(True, description="Whether the store is asked over TLS.")
    verify_tls: bool = Field(True, description="Whether its certificate is checked.")
    data: dict[DataKey, SecretRef] = Field(
        description="Credentials by AI Core's keys; which ones depends on `type`.",
        examples=[{"AWS_ACCESS_KEY_ID": {"env": "S3_KEY"}, "AWS_SECRET_ACCESS_KEY": {"env": "S3_SECRET"}}],
    )

    @model_validator(mode="after")
    def _complete(self) -> StoreSecret:
        needed = set(DATA_KEYS[self.type])
        absent = sorted(needed - self.data.keys())
        unknown = sorted(self.data.keys() - needed - _MORE_KEYS.get(self.type, set()))
        if absent or unknown:
            found = f"no {', '.join(absent)}" if absent else ", ".join(unknown)
            raise refuse(f"`data` with {', '.join(DATA_KEYS[self.type])} for type {self.type}", found=found)
        if "://" in self.endpoint:
            raise refuse("`endpoint` as a host without a scheme", "leave out https://", self.endpoint)
        return self


class GenericSecret(Strict):
    """A generic secret of a resource group: variables or files of steps."""

    name: GenericName = Field(description="Name in AI Core.", examples=["feature-store"])
    data: dict[DataKey, SecretRef] = Field(
        min_length=1, description="Values by key.", examples=[{"TOKEN": {"env": "FEATURE_STORE_TOKEN"}}]
    )


class TenantSecret(GenericSecret):
    """A generic secret of a tenant."""

    scope: Literal["tenant", "everywhere"] = Field(
        "tenant",
        description="tenant: the main tenant only. everywhere: AI Core copies it to every resource group (at most 5).",
    )
