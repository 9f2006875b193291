"""What a remote is: its address, its branch, who commits, how to log in. Values, no effects."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from aicore_sync.core.errors import Stalled

SCP_ADDRESS = re.compile(r"(?P<login>[A-Za-z0-9._-]+)@(?P<host>[A-Za-z0-9.-]+):(?!/)(?P<path>.+)")
BRANCH = re.compile(r"(?!.*(\.\.|//|\.lock(/|$)))[A-Za-z0-9_][A-Za-z0-9._/+-]*(?<![./])")
SCHEMES = ("https", "http", "ssh", "file")


@dataclass(frozen=True)
class Credentials:
    """A login for http and https: a user name and a password or token."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class SshKey:
    """A login for ssh: the file of a private key and the file of the hosts' public keys."""

    path: Path
    known_hosts: Path


Login = Credentials | SshKey | None


@dataclass(frozen=True)
class Author:
    """Who stands in the commits, as author and as committer."""

    name: str
    email: str

    def __str__(self) -> str:
        """`Name <email>` with everything removed that would end a field early."""
        return f"{_plain(self.name)} <{_plain(self.email)}>"

    def variables(self, when: int) -> dict[str, str]:
        """The same for git commands that read it from the environment; `when` is in seconds since 1970."""
        found = {"NAME": _plain(self.name), "EMAIL": _plain(self.email), "DATE": f"@{when} +0000"}
        return {
            f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in found.items()
        }


@dataclass(frozen=True)
class Network:
    """How the outside is reached; ssh connects directly, its proxy is not ours to set.

    `proxy` is a URL and may hold a login; `no_proxy` a list of hosts with commas; `ca_bundle` a PEM file.
    """

    proxy: str | None = field(default=None, repr=False)
    no_proxy: str = ""
    ca_bundle: Path | None = None


@dataclass(frozen=True)
class Trust:
    """Whose signatures count: a file of allowed signers (ssh-keygen(1)), a file of OpenPGP keys, or both."""

    allowed_signers: Path | None = None
    gpg_keys: Path | None = None


@dataclass(frozen=True)
class Signing:
    """The file of the private key, without a pass phrase, that signs our commits."""

    format: Literal["ssh", "gpg"]
    key: Path


def nobody() -> Login:
    """The login of a remote that asks for none."""
    return None


def unlimited() -> float:
    """The time that a writer has whom no Lease limits."""
    return math.inf


def unobserved(operation: str, result: str, seconds: float) -> None:
    """The observer of a remote that nobody measures."""


@dataclass(frozen=True)
class Remote:
    """One branch of one repository; with `tag` the one tag called `branch`, which is only read.

    Commits are signed with `signing`.
    `credentials` is called before every git command, because secrets rotate; it may read files and raise a `SyncError`.
    `timeout` is in seconds and holds for one git command. `observe(operation, result, seconds)` is told of every
    command that went over the network; `result` is "ok" or an error's reason.
    `left` gives the seconds in which a push may be under way now.
    Raises `Stalled` (reason BadAddress) for an address or branch that cannot be used.
    """

    name: str
    url: str
    branch: str
    cache_dir: Path
    author: Author
    credentials: Callable[[], Login] = field(default=nobody, compare=False)
    network: Network = Network()
    timeout: float = 60.0
    tag: bool = False
    signing: Signing | None = None
    observe: Callable[[str, str, float], None] = field(default=unobserved, compare=False)
    left: Callable[[], float] = field(default=unlimited, compare=False)

    def __post_init__(self) -> None:
        scheme_of(self.url)
        if not BRANCH.fullmatch(self.branch):
            raise Stalled(
                f"repository {self.name}: branch: found {self.branch!r}, expected a branch name of letters, "
                "digits and . _ / + -; change the branch in the configuration",
                reason="BadAddress",
            )

    @property
    def ref(self) -> str:
        """The full name of the branch or tag."""
        return f"refs/{'tags' if self.tag else 'heads'}/{self.branch}"

    @property
    def scheme(self) -> str:
        """One of https, http, ssh, file."""
        return scheme_of(self.url)


def scheme_of(url: str) -> str:
    """The transport that git takes for `url`; raises `Stalled` (BadAddress) for any that we do not use."""
    parts = urlsplit(url)
    if SCP_ADDRESS.fullmatch(url):
        return "ssh"
    if parts.scheme not in SCHEMES:
        raise _bad_address(url, "https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH")
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        raise _bad_address(url, "an address without a login; put it under the repository's credentials")
    return parts.scheme


def _bad_address(url: str, expected: str) -> Stalled:
    shown = re.sub(r"//[^/@]*@", "//***@", url)
    return Stalled(
        f"repository url: found {shown}, expected {expected}; change the url in the configuration",
        reason="BadAddress",
    )


def _plain(text: str) -> str:
    return re.sub(r"[<>\x00-\x1f]+", " ", text).strip()
