"""The configuration of one installation: what it watches, where it publishes, which tenants it keeps in line."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from platformdirs import user_cache_path, user_state_path
from pydantic import Field

from aicore_sync.config.addresses import HttpUrl
from aicore_sync.config.freezes import Freeze
from aicore_sync.config.http import Http
from aicore_sync.config.notifications import Notification, Tracing
from aicore_sync.config.paths import HerePath
from aicore_sync.config.publish import Publish
from aicore_sync.config.remotes import Branch, Credentials, GitUrl, Signing, SshKey
from aicore_sync.config.replicas import Replicas
from aicore_sync.config.resources import (
    GenericSecret,
    InstanceSize,
    LabelKey,
    MachineName,
    RegistrySecret,
    StoreSecret,
    TenantSecret,
)
from aicore_sync.config.secret import SecretRef
from aicore_sync.config.sources import Source
from aicore_sync.config.tuning import Lint, Reconcile, Render
from aicore_sync.core.fields import Duration, EnvironmentName, OwnerName, PlainName, Strict, matching
from aicore_sync.core.manifest import Defaults

SCHEMA_ADDRESS = "docs/schemas/config.json"
Root = Annotated[
    str,
    matching(
        r"(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|file:///[^\s]+?)(/[^\s/]+)*",
        "s3://BUCKET or s3://BUCKET/PREFIX with a bucket of 3 to 63 lower-case letters, digits, dots and hyphens, "
        "without a slash at its end",
    ),
]
AppPath = Annotated[
    str,
    matching(
        r"(?!/)(?!(.*/)?\.)[A-Za-z0-9._/-]+(?<!/)", "a directory of the repository such as `templates/dev`"
    ),
]
AppName = Annotated[
    str, matching(r"[a-z0-9][a-z0-9-]{1,52}[a-z0-9]", "3 to 54 lower-case letters, digits, hyphens")
]
ResourceGroup = Annotated[
    str, matching(r"[a-zA-Z0-9][a-zA-Z0-9.-]{1,251}[a-zA-Z0-9]", "a resource group id of 3 to 253 characters")
]


class Author(Strict):
    """Who stands in our commits."""

    name: str = Field("aicore-sync", min_length=1, description="Name in commits.")
    email: str = Field("aicore-sync@localhost", min_length=1, description="Address in commits.")


class Repository(Strict):
    """A git repository that AI Core reads templates from."""

    name: PlainName = Field(description="Name here and in AI Core.", examples=["templates"])
    url: GitUrl = Field(
        description="Address without a login, written as AI Core is to know it.",
        examples=["https://git.example.com/ml/templates.git"],
    )
    branch: Branch = Field("main", description="Branch to publish to; created by the first publish.")
    credentials: Credentials | None = Field(
        None, description="Login over https; AI Core gets the same when we register the repository."
    )
    ssh_key: SshKey | None = Field(None, description="Login over ssh, instead of credentials.")
    author: Author = Field(Author(), description="Author of our commits.")
    signing: Signing | None = Field(None, description="Signs our commits; none when absent.")
    publish: Publish = Field(Publish(), description="How templates get onto the branch.")
    format: Literal["yaml", "json"] = Field("yaml", description="Notation of the template files.")
    window: Duration = Field(1.0, description="Changes within this time join one commit.")


class Application(Strict):
    """The AI Core application that syncs the templates; created when absent."""

    name: AppName = Field(description="Name in AI Core.", examples=["ml-dev"])
    path: AppPath = Field(
        description="Directory of the repository; template files lie flat in it.", examples=["templates/dev"]
    )


class StoreKeys(Strict):
    """A login for the object store."""

    access_key_id: SecretRef = Field(description="Access key id.", examples=[{"env": "S3_ACCESS_KEY_ID"}])
    secret_access_key: SecretRef = Field(
        description="Secret key.", examples=[{"env": "S3_SECRET_ACCESS_KEY"}]
    )


class DataStore(Strict):
    """The object store that code packages and Metaflow's data go to."""

    root: Root = Field(description="Bucket and prefix.", examples=["s3://ml-dev/metaflow"])
    endpoint: HttpUrl | None = Field(
        None, description="Address of the store; Amazon's when absent.", examples=["https://s3.example.com"]
    )
    region: str = Field("us-east-1", min_length=1, description="Region.")
    credentials: StoreKeys | None = Field(None, description="Login for our uploads; none for an open store.")
    secret_name: str = Field(
        "default-object-store-secret",
        min_length=1,
        description="Secret from which running steps get their login.",
    )


_REGISTRY = {
    "name": "registry",
    "server": "ghcr.io",
    "credentials": {"username": "robot", "password": {"env": "REGISTRY_TOKEN"}},
}
_STORE = {
    "name": "default",
    "bucket": "ml-dev",
    "endpoint": "s3.eu-central-1.amazonaws.com",
    "region": "eu-central-1",
    "data": {"AWS_ACCESS_KEY_ID": {"env": "S3_KEY"}, "AWS_SECRET_ACCESS_KEY": {"env": "S3_SECRET"}},
}


class Tenant(Strict):
    """One AI Core service instance. Templates are tenant-wide."""

    name: PlainName = Field(description="Name here.", examples=["dev"])
    service_key: SecretRef | None = Field(
        None,
        description="Service key (JSON); the SDK's AICORE_* variables and files when absent, for one tenant only.",
        examples=[{"file": "/secrets/aicore/service-key.json"}],
    )
    repository: PlainName = Field(description="Repository its application follows.", examples=["templates"])
    application: Application = Field(description="The application that syncs our templates.")
    datastore: DataStore = Field(description="Object store for code packages and data.")
    registry_secrets: tuple[RegistrySecret, ...] = Field(
        (),
        description="Docker registry secrets that are kept in the tenant.",
        examples=[[_REGISTRY]],
    )
    instance_types: dict[MachineName, InstanceSize] = Field(
        default_factory=dict,
        description="Instance types that steps get which ask for `@resources`, the smallest sufficient one (dialect "
        "`native`, extended plan); without any, resource plans.",
        examples=[{"g4dn.xlarge": {"cpu": 4, "memory": "16Gi", "gpu": 1}}],
    )
    secrets: tuple[TenantSecret, ...] = Field(
        (),
        description="Generic secrets that are kept in the tenant.",
        examples=[[{"name": "proxy", "scope": "everywhere", "data": {"URL": {"env": "PROXY_URL"}}}]],
    )


class Environment(Strict):
    """A named resource group of a tenant; manifests refer to it."""

    name: EnvironmentName = Field(description="Name that manifests use.", examples=["dev"])
    tenant: PlainName = Field(description="Tenant it belongs to.", examples=["dev"])
    resource_group: ResourceGroup = Field("default", description="Resource group of that tenant.")
    retire: bool = Field(
        False,
        description="Take everything of ours away here, whatever manifests say, before this entry goes.",
    )
    create_group: bool = Field(False, description="Create the resource group when the tenant has none.")
    group_labels: dict[LabelKey, str] = Field(
        default_factory=dict,
        description="Labels that the resource group is to have; names get the prefix `ext.ai.sap.com/`.",
        examples=[{"cost-centre": "4711"}],
    )
    object_stores: tuple[StoreSecret, ...] = Field(
        (), description="Object store secrets that are kept in the resource group.", examples=[[_STORE]]
    )
    secrets: tuple[GenericSecret, ...] = Field(
        (),
        description="Generic secrets that are kept in the resource group.",
        examples=[[{"name": "feature-store", "data": {"TOKEN": {"env": "FEATURE_STORE_TOKEN"}}}]],
    )


class Network(Strict):
    """How the outside is reached: AI-API, git over https, object store."""

    proxy: HttpUrl | None = Field(
        None, description="Proxy for http and https.", examples=["http://proxy.example.com:3128"]
    )
    proxy_credentials: Credentials | None = Field(None, description="Login for the proxy.")
    no_proxy: tuple[str, ...] = Field(
        (),
        description="Hosts and domains that are reached directly.",
        examples=[["localhost", ".example.com"]],
    )
    ca_bundle: HerePath | None = Field(
        None,
        description="PEM file of the certificate authorities to trust.",
        examples=["/etc/ssl/certs/ca-certificates.crt"],
    )

    def proxy_url(self) -> str | None:
        """The proxy with its login, for clients that take one URL. A secret: do not log it."""
        if self.proxy is None or self.proxy_credentials is None:
            return self.proxy
        scheme, _, rest = self.proxy.partition("://")
        login = self.proxy_credentials
        return f"{scheme}://{quote(login.username, safe='')}:{quote(login.password.read(), safe='')}@{rest}"


class Log(Strict):
    """What is logged, to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else JSON."
    )


class Settings(Strict):
    """The whole configuration file."""

    owner: OwnerName = Field(
        description="Name of this installation, part of everything it creates. Never change it.",
        examples=["ml-team"],
    )
    sources: tuple[Source, ...] = Field(
        min_length=1, description="Where the flows are: directories and git repositories."
    )
    repositories: tuple[Repository, ...] = Field(
        min_length=1, description="Git repositories that AI Core reads templates from."
    )
    tenants: tuple[Tenant, ...] = Field(min_length=1, description="AI Core tenants.")
    environments: tuple[Environment, ...] = Field(
        min_length=1, description="Named resource groups that manifests refer to."
    )
    defaults: Defaults = Field(
        Defaults(), description="For flows without a manifest, and for what a manifest leaves out."
    )
    render: Render = Field(Render(), description="How flows become templates.")
    lint: Lint = Field(Lint(), description="How strict the checks of templates are.")
    reconcile: Reconcile = Field(Reconcile(), description="Rhythm, patience and brakes.")
    freeze: tuple[Freeze, ...] = Field((), description="Times in which environments must not change.")
    notifications: tuple[Notification, ...] = Field(
        (), description="Who is told when a flow needs attention."
    )
    marks_key: SecretRef | None = Field(
        None,
        description="Key of the marks by which changed secrets are known; each tenant's service key when absent.",
        examples=[{"file": "/secrets/marks-key"}],
    )
    network: Network = Field(Network(), description="How the outside is reached.")
    http: Http = Field(Http(), description="Status page, API, webhooks, health and metrics.")
    tracing: Tracing = Field(Tracing(), description="Where rollouts go as traces.")
    log: Log = Field(Log(), description="Logging.")
    replicas: Replicas = Field(Replicas(), description="Several processes in one Kubernetes cluster.")
    cache_dir: HerePath = Field(
        default_factory=lambda: user_cache_path("aicore-sync"),
        description="Clones and rendering environments; may be lost at any time.",
    )
    state_dir: HerePath = Field(
        default_factory=lambda: user_state_path("aicore-sync"),
        description="History for the status page; may be lost at any time.",
    )

    def repository(self, name: str) -> Repository:
        """The repository called `name`; KeyError for an unknown one."""
        return {item.name: item for item in self.repositories}[name]

    def tenant(self, name: str) -> Tenant:
        """The tenant called `name`; KeyError for an unknown one."""
        return {item.name: item for item in self.tenants}[name]

    def environment(self, name: str) -> Environment:
        """The environment called `name`; KeyError for an unknown one."""
        return {item.name: item for item in self.environments}[name]

    def environments_of(self, source: Source) -> frozenset[str]:
        """What the flows of a source may use: with several sources nothing that is not named."""
        if source.environments is not None:
            return frozenset(source.environments)
        return frozenset(item.name for item in self.environments if len(self.sources) == 1)

    def tenants_by_environment(self) -> dict[str, str]:
        """Environment → tenant, as the check for shared templates wants it."""
        return {item.name: item.tenant for item in self.environments}
