"""The environment of a git command, computed: nothing ambient gets in, no secret gets out.

Secrets travel in environment variables, which only the same user can read, never in arguments, addresses
or files. Every other variable of ours is removed: GIT_TRACE_REDACT=0 or GIT_TRACE2_ENV_VARS would print
secrets, GIT_DIR would redirect a command, and none of the service's own secrets is git's business.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from aicore_sync.core.errors import Stalled
from aicore_sync.git.options import Credentials, Login, Network, Remote, SshKey

KEPT = frozenset({"PATH", "TMPDIR", "LD_LIBRARY_PATH", "TZ"})
STALL_SECONDS = 30  # a transfer that moves less than a byte per second for so long has hung

BASE_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LANGUAGE": "C",
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}
BASE_CONFIG = (
    ("credential.helper", ""),
    ("http.followRedirects", "false"),  # a redirect to another host would be an answer from a stranger
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", str(STALL_SECONDS)),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.hooksPath", "/dev/null"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("init.defaultBranch", "main"),
    ("protocol.allow", "never"),
)


def offline(config: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """For commands on the clone alone: they cannot reach the network, not even to fill a gap in it."""
    return {**BASE_ENVIRONMENT, "GIT_NO_LAZY_FETCH": "1", **_config([*BASE_CONFIG, *config])}


def online(remote: Remote, login: Login) -> dict[str, str]:
    """For commands that talk to `remote`; raises `Stalled` when login and address do not belong together."""
    config = [*BASE_CONFIG, (f"protocol.{remote.scheme}.allow", "always")]
    environment = {**BASE_ENVIRONMENT, **_network(remote.network)}
    if isinstance(login, SshKey):
        if remote.scheme != "ssh":
            raise _mismatch(remote, "an ssh key", "username and password")
        environment["GIT_SSH_COMMAND"] = ssh_command(login)
    elif isinstance(login, Credentials):
        if remote.scheme not in ("http", "https"):
            raise _mismatch(remote, "username and password", "an ssh key")
        config.append((f"http.{origin(remote.url)}.extraHeader", f"Authorization: Basic {basic(login)}"))
    elif remote.scheme == "ssh":
        environment["GIT_SSH_COMMAND"] = "ssh -F /dev/null -o BatchMode=yes"
    return {**environment, **_config(config)}


def unwanted(ambient: Iterable[str], wanted: Mapping[str, str]) -> list[str]:
    """The names of the variables that git must not inherit."""
    return sorted(name for name in ambient if name not in KEPT and name not in wanted)


def secrets(login: Login, network: Network) -> tuple[str, ...]:
    """What must never be seen in a message, in every form in which it travels."""
    found = [login.password, basic(login)] if isinstance(login, Credentials) else []
    if network.proxy and (password := urlsplit(network.proxy).password):
        found.append(password)
    return tuple(secret for secret in found if secret)


def mask(text: str, hidden: Iterable[str]) -> str:
    """`text` without secrets and without logins in addresses."""
    for secret in hidden:
        text = text.replace(secret, "***")
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


def basic(login: Credentials) -> str:
    """The user-pass of HTTP's Basic scheme (RFC 7617)."""
    return base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def origin(url: str) -> str:
    """`scheme://host[:port]/`: a header with this scope is not sent to any other host."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def ssh_command(key: SshKey) -> str:
    """The ssh that git starts: this key, these hosts, no questions, no configuration of the user."""
    words = ["ssh", "-F", "/dev/null", "-i", str(key.path)]
    for option in (
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        # ssh splits the value at blanks by its own rules, hence the inner quotes
        f'UserKnownHostsFile="{key.known_hosts}"',
        "GlobalKnownHostsFile=/dev/null",
        f"ConnectTimeout={STALL_SECONDS}",
        "ServerAliveInterval=10",
    ):
        words += ["-o", option]
    return shlex.join(words)


def _network(network: Network) -> dict[str, str]:
    environment: dict[str, str] = {}
    if network.proxy:
        environment |= {"http_proxy": network.proxy, "https_proxy": network.proxy}
    if network.no_proxy:
        environment["no_proxy"] = network.no_proxy
    if network.ca_bundle:
        environment["GIT_SSL_CAINFO"] = str(network.ca_bundle)
    return environment


def _config(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    environment: dict[str, str] = {}
    count = 0
    for count, (key, value) in enumerate(pairs, start=1):
        environment[f"GIT_CONFIG_KEY_{count - 1}"] = key
        environment[f"GIT_CONFIG_VALUE_{count - 1}"] = value
    return {"GIT_CONFIG_COUNT": str(count), **environment}


def _mismatch(remote: Remote, found: str, expected: str) -> Stalled:
    return Stalled(
        f"repository {remote.name}: credentials: found {found} for a {remote.scheme} address, expected {expected}; "
        "change the credentials or the url in the configuration",
        reason="BadAddress",
    )
