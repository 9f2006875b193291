"""Where the flows are: directories and git repositories, and what the flows of each may do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aicore_sync.config.addresses import HttpUrl
from aicore_sync.config.paths import HerePath
from aicore_sync.config.remotes import Branch, Credentials, GitUrl, SshKey, Tag
from aicore_sync.config.secret import SecretRef
from aicore_sync.core.fields import Duration, EnvironmentName, PlainName, Strict, matching

Glob = Annotated[str, StringConstraints(min_length=1)]
SourcePath = Annotated[
    str,
    matching(
        r"(?!/)(?!(.*/)?\.\.?(/|$))[A-Za-z0-9._ +@=/-]+(?<!/)",
        "a directory of the repository such as `flows`",
    ),
]


class Verify(Strict):
    """Whose signatures commits must carry; with both kinds either will do."""

    allowed_signers: HerePath | None = Field(
        None,
        description="Signers by SSH key: a file in the format of ssh-keygen(1), ALLOWED SIGNERS.",
        examples=["/secrets/signers/allowed_signers"],
    )
    gpg_keys: HerePath | None = Field(
        None,
        description="Signers by OpenPGP key: a file with their public keys.",
        examples=["/secrets/signers/keys.asc"],
    )


class CommitReport(Strict):
    """Tells the forge how the source's newest commit stands in each environment."""

    forge: Literal["github", "gitlab"] = Field(description="Whose API it is.", examples=["github"])
    api_url: HttpUrl | None = Field(
        None,
        description="Where the API begins, for a server of one's own in an unusual place.",
        examples=["https://git.example.com/api/v3"],
    )
    token: SecretRef = Field(
        description="Token that may write commit statuses, and deployments where they are wanted.",
        examples=[{"file": "/secrets/forge/token"}],
    )
    deployments: bool = Field(False, description="Also record a deployment to each environment.")


class GitSource(Strict):
    """A branch or tag of a git repository."""

    url: GitUrl = Field(
        description="Address without a login.", examples=["https://git.example.com/ml/flows.git"]
    )
    branch: Branch = Field("main", description="Branch to follow.")
    tag: Tag | None = Field(None, description="Tag to follow, instead of a branch.", examples=["production"])
    path: SourcePath | None = Field(
        None, description="Directory with flows; the whole repository when absent.", examples=["flows"]
    )
    credentials: Credentials | None = Field(None, description="Login over https.")
    ssh_key: SshKey | None = Field(None, description="Login over ssh, instead of credentials.")
    interval: Duration = Field(
        60.0, ge=1, description="Distance of two looks at the remote (`git ls-remote`), with some jitter."
    )
    report: CommitReport | None = Field(
        None, description="Show at the forge how the newest commit stands: pending, then success or failure."
    )
    verify: Verify | None = Field(None, description="Use only commits that these people have signed.")


class Source(Strict):
    """A directory or a git repository with flows: exactly one of `directory` and `git`."""

    name: PlainName = Field(description="Name in messages and paths.", examples=["flows"])
    directory: HerePath | None = Field(
        None, description="Directory with flows, relative to this file.", examples=["flows"]
    )
    git: GitSource | None = Field(None, description="Git repository with flows, instead of a directory.")
    environments: tuple[EnvironmentName, ...] | None = Field(
        None,
        description="Environments that its flows may use. When absent: all for the only source, none with several.",
        examples=[["dev"]],
    )
    flows: tuple[Glob, ...] = Field(
        ("*",),
        description="Globs of the executable ids that it may declare: its own names among all sources.",
    )
    include: tuple[Glob, ...] = Field(
        ("**",), description="Globs of files to look at, relative to the directory."
    )
    exclude: tuple[Glob, ...] = Field(
        ("**/tests/**", "tests/**"), description="Globs of files to leave out; wins over include."
    )
    watch: Literal["auto", "poll"] = Field(
        "auto",
        description="Directory, auto: file events where they work. poll: look regularly (network mounts).",
    )
    poll_interval: Duration = Field(5.0, gt=0, description="Distance of two looks with `watch: poll`.")
    rescan: Duration = Field(180.0, gt=0, description="Distance of full scans, whatever the file events say.")
    quiet: Duration = Field(0.3, description="Silence after a change before it is read.")
    at_most: Duration = Field(2.0, gt=0, description="Longest wait for that silence.")
