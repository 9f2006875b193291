"""How templates get onto the branch: pushed, or proposed for review."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aicore_sync.config.addresses import HttpUrl
from aicore_sync.config.secret import SecretRef
from aicore_sync.core.fields import Strict

ForgeKind = Literal["github", "gitlab", "azureDevOps", "bitbucket"]
KNOWN_HOSTS: dict[str, ForgeKind] = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "dev.azure.com": "azureDevOps",
    "ssh.dev.azure.com": "azureDevOps",
    "bitbucket.org": "bitbucket",
}


class Publish(Strict):
    """How templates get onto the branch."""

    mode: Literal["push", "pullRequest"] = Field(
        "push", description="push: commits at once. pullRequest: one open request, merged by people."
    )
    forge: ForgeKind | None = Field(
        None,
        description="Kind of the server; known for github.com, gitlab.com, dev.azure.com and bitbucket.org.",
        examples=["gitlab"],
    )
    api_url: HttpUrl | None = Field(
        None,
        description="Where the server's API begins, when not at its usual place.",
        examples=["https://gitlab.example.com/api/v4"],
    )
    token: SecretRef | None = Field(
        None,
        description="Token that may read and write requests; the repository's password when absent.",
        examples=[{"env": "FORGE_TOKEN"}],
    )
