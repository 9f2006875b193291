"""The room that owns forges: requests for review at four kinds of server, statuses and comments at two."""

from __future__ import annotations

from collections.abc import Callable

from aicore_sync.forge.azure import AzureDevOps
from aicore_sync.forge.bitbucket import Bitbucket
from aicore_sync.forge.comments import Thread, comment
from aicore_sync.forge.github import GitHub
from aicore_sync.forge.gitlab import GitLab
from aicore_sync.forge.model import Forge, Kind, Proposal, Request, StatusKind
from aicore_sync.forge.statuses import CommitStatus, GitHubStatuses, GitLabStatuses, Statuses
from aicore_sync.forge.wire import Http, Login, Project, Wire, unlimited

__all__ = [
    "CommitStatus",
    "Forge",
    "Http",
    "Kind",
    "Login",
    "Project",
    "Proposal",
    "Request",
    "StatusKind",
    "Statuses",
    "Thread",
    "Wire",
    "comment",
    "connect",
    "connect_statuses",
]

_KINDS: dict[Kind, Callable[[Wire, Project], Forge]] = {
    "github": GitHub,
    "gitlab": GitLab,
    "azureDevOps": AzureDevOps,
    "bitbucket": Bitbucket,
}


def connect(
    kind: Kind,
    http: Http,
    project: Project,
    login: Callable[[], Login],
    left: Callable[[], float] = unlimited,
) -> Forge:
    """The requests of one repository; `login` is called before every call, because tokens rotate.

    `left` gives the seconds in which a change may be under way now.
    """
    return _KINDS[kind](Wire(http, project, login, left), project)


def connect_statuses(kind: StatusKind, http: Http, project: Project, login: Callable[[], Login]) -> Statuses:
    """The statuses of one repository's commits."""
    wire = Wire(http, project, login)
    return GitHubStatuses(wire, project) if kind == "github" else GitLabStatuses(wire, project)
