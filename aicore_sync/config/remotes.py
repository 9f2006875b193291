"""How git servers are named and logged in to."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from aicore_sync.config.addresses import without_login
from aicore_sync.config.paths import HerePath
from aicore_sync.config.secret import SecretRef
from aicore_sync.core.fields import Strict, matching

GitUrl = Annotated[
    str,
    matching(
        r"(https?|ssh|file)://[^\s]+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!/)[^\s]+",
        "https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH",
    ),
    BeforeValidator(without_login),
]


def host_of(url: str) -> str:
    """The host in the address of a git repository, in any of its forms; "" for a file."""
    if "://" in url:
        return urlsplit(url).hostname or ""
    return url.rpartition("@")[2].partition(":")[0]


_REF = r"(?!.*(\.\.|//|\.lock(/|$)))[A-Za-z0-9_][A-Za-z0-9._/+-]*(?<![./])"
Branch = Annotated[str, matching(_REF, "the name of a branch")]
Tag = Annotated[str, matching(_REF, "the name of a tag")]


class Credentials(Strict):
    """A login for git over https."""

    username: str = Field(
        min_length=1, description="User name; for tokens what the server asks for.", examples=["git"]
    )
    password: SecretRef = Field(description="Password or token.", examples=[{"env": "PASSWORD"}])


class SigningKey(Strict):
    """A private key that signs commits."""

    file: HerePath = Field(
        description="Private key, without a pass phrase.", examples=["/secrets/signing/id_ed25519"]
    )


class Signing(Strict):
    """How our commits are signed."""

    format: Literal["ssh", "gpg"] = Field(
        description="ssh: a key of ssh-keygen. gpg: an OpenPGP key, which needs the program gpg.",
        examples=["ssh"],
    )
    key: SigningKey = Field(description="The key.")


class SshKey(Strict):
    """A login for git over ssh."""

    file: HerePath = Field(
        description="Private key, without a pass phrase.", examples=["/secrets/ssh/id_ed25519"]
    )
    known_hosts: HerePath = Field(
        description="The servers' public keys, one per line.", examples=["/secrets/ssh/known_hosts"]
    )
