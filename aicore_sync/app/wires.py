"""What every live object shares, and how the outside is reached."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

from aicore_sync.aicore import Network as ApiNetwork
from aicore_sync.app.board import now
from aicore_sync.app.keys import Keys
from aicore_sync.app.share import Share
from aicore_sync.config import GitSource, Repository, Settings
from aicore_sync.config import Network as NetworkSettings
from aicore_sync.core.errors import SyncError
from aicore_sync.git import Credentials, Login, Network, Published, SshKey
from aicore_sync.telemetry import Metrics


@dataclass(frozen=True)
class Clock:
    """What tells the time: aware datetimes in UTC, and seconds that only rise."""

    now: Callable[[], datetime] = now
    monotonic: Callable[[], float] = time.monotonic

    def seconds(self) -> float:
        """Now, as seconds since 1970."""
        return self.now().timestamp()


@dataclass
class Wires:
    """What every live object shares. `answered` gets the committers' results once somebody listens."""

    settings: Settings
    metrics: Metrics
    holder: Callable[[], str]
    stack: AsyncExitStack
    share: Share
    clock: Clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    keys: Keys = field(default_factory=Keys)
    answered: Callable[[Hashable, Published | SyncError], None] = lambda key, result: None


def login_of(item: Repository | GitSource) -> Login:
    """The login of a remote, with its secret as it is now."""
    if item.ssh_key:
        return SshKey(item.ssh_key.file, item.ssh_key.known_hosts)
    if item.credentials:
        return Credentials(item.credentials.username, item.credentials.password.read())
    return None


def git_network(network: NetworkSettings) -> Network:
    """How git reaches the outside."""
    return Network(network.proxy_url(), ",".join(network.no_proxy), network.ca_bundle)


def api_network(network: NetworkSettings) -> ApiNetwork:
    """How APIs over https are reached."""
    return ApiNetwork(network.proxy_url() or "", network.no_proxy, str(network.ca_bundle or ""))
