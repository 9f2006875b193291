"""From settings to requests for review."""

from __future__ import annotations

from aicore_sync.aicore import open_http
from aicore_sync.app.wires import Wires, api_network
from aicore_sync.config import KNOWN_HOSTS, ForgeKind, Repository, host_of
from aicore_sync.controller.reviews import Reviews
from aicore_sync.core.template import owned_by
from aicore_sync.forge import Login, Project, connect
from aicore_sync.git import Ours, Proposals, Race, Remote


async def reviews_of(wires: Wires, item: Repository, remote: Remote) -> Reviews | None:
    """Where the repository's templates are proposed, as long as `remote` has time; None when they are pushed."""
    if item.publish.mode == "push":
        return None
    settings, timing = wires.settings, wires.settings.reconcile
    paths = tuple(t.application.path for t in settings.tenants if t.repository == item.name)
    ours = Ours(paths, lambda data: owned_by(data, settings.owner))
    race = Race(wires.rng, timing.push_deadline)
    proposals = Proposals(remote, settings.owner, ours, now=wires.clock.seconds, race=race)
    wires.stack.push_async_callback(proposals.close)
    http = await wires.stack.enter_async_context(
        await open_http(api_network(settings.network), timing.request_timeout)
    )
    kind = item.publish.forge or KNOWN_HOSTS[host_of(item.url)]
    project = Project.of(item.url, item.publish.api_url or "")
    forge = connect(kind, http, project, lambda: _login(item, kind), remote.left)
    return Reviews(proposals, forge, settings.owner)


def _login(item: Repository, kind: ForgeKind) -> Login:
    """A token, which Azure DevOps takes as a password without a user name; or the repository's password."""
    if item.publish.token:
        return Login(item.publish.token.read(), "" if kind == "azureDevOps" else None)
    assert item.credentials is not None
    basic = kind in ("azureDevOps", "bitbucket")
    return Login(item.credentials.password.read(), item.credentials.username if basic else None)
