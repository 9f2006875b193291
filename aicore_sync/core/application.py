"""Why AI Core cannot sync an application: one sentence with its cure, from the causes that are known.

The causes are those of AI Core's pages on applications and repositories. A repository that is COMPLETED there only has
its credentials stored; whether it can be read is told by the application's status alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aicore_sync.core.world import ApplicationStatus

_ONBOARD = (
    "delete the application and the repository at AI Core; both are registered anew with the login of now"
)
_ALL_UNKNOWN = (
    "AI Core says nothing but Healthy, so it cannot read the repository: mostly a password is registered where the git "
    f"server wants a personal access token. Set repositories[].credentials to a token, then {_ONBOARD}"
)


@dataclass(frozen=True)
class Trouble:
    """`words` are AI Core's with the cure behind. `unreadable`: the repository or its path, not one file in it."""

    words: str
    unreadable: bool = True


# (AI Core's words, the cure, whether the repository or its path is at fault)
_CAUSES: tuple[tuple[str, str, bool], ...] = (
    (
        r"app path does not exist",
        "the branch has no such directory: correct tenants[].application.path, or look whether somebody removed it",
        True,
    ),
    (
        r"unable to resolve .* to a commit",
        "there is no such branch or tag: correct repositories[].branch, or push the branch",
        True,
    ),
    (
        r"is not permitted in project",
        "AI Core does not know the repository under this very URL, and case counts: write repositories[].url as AI "
        f"Core lists it, or {_ONBOARD}",
        True,
    ),
    (
        r"repository not found|authentication (required|failed)|access denied|invalid credentials|not readable",
        "it is gone, or the registered login may not read it: set repositories[].credentials to a personal access "
        "token with read access; AI Core gets it then",
        True,
    ),
    (
        r"spec\.source\.repoURL and spec\.source\.path either",
        "the application has no path: set tenants[].application.path",
        True,
    ),
    (
        r"failed to unmarshal|converting YAML to JSON",
        "correct or remove the file that it names; until then nothing of the application is synced",
        False,
    ),
    (
        r"have the same repository, revision and path",
        "delete one of the two, or give it another path",
        False,
    ),
    (r"unable to|not permitted", "see the application in the Launchpad", False),
)


def trouble(status: ApplicationStatus | None) -> Trouble | None:
    """What keeps the whole application from being synced; None when nothing does, or nothing is known."""
    if status is None or status.sync.lower() == "synced":
        return None
    for pattern, cure, unreadable in _CAUSES:
        if re.search(pattern, status.message, re.IGNORECASE):
            return Trouble(f"{' '.join(status.message.split())}; {cure}", unreadable)
    said = status.sync or status.message or status.revision or status.resources
    return Trouble(_ALL_UNKNOWN) if status.health.lower() == "healthy" and not said else None
