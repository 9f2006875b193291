"""Pull requests of Azure DevOps, learn.microsoft.com/rest/api/azure/devops/git/pull-requests, version 7.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aicore_sync.core.errors import Stalled
from aicore_sync.forge.model import Proposal, Request, State
from aicore_sync.forge.wire import Project, Wire, ignored

STATES: dict[str, State] = {"active": "open", "completed": "merged", "abandoned": "closed"}
VERSION = "api-version=7.1"
LONGEST = 4000  # characters of a description
REFS = "refs/heads/"


class AzureDevOps:
    """See `Forge`. The address is https://dev.azure.com/ORGANISATION/PROJECT/_git/REPOSITORY, or its ssh form."""

    def __init__(self, wire: Wire, project: Project) -> None:
        self._wire = wire
        organisation, name, repository = _parts(project)
        api = project.api or f"https://dev.azure.com/{organisation}"
        self._requests = f"{api}/{name}/_apis/git/repositories/{repository}/pullrequests"
        self._page = f"{api}/{name}/_git/{repository}/pullrequest"

    async def newest(self, source: str, target: str) -> Request | None:
        where = {"sourceRefName": REFS + source, "targetRefName": REFS + target, "status": "all"}
        parameters = {f"searchCriteria.{key}": value for key, value in where.items()}
        return await self._wire.get(
            self._requests, parameters | {"api-version": "7.1", "$top": "100"}, self._newest
        )

    async def open(self, proposal: Proposal) -> Request:
        branches = {"sourceRefName": REFS + proposal.source, "targetRefName": REFS + proposal.target}
        body = branches | _words(proposal)
        return await self._wire.send("POST", f"{self._requests}?{VERSION}", body, self._request)

    async def update(self, number: int, proposal: Proposal) -> None:
        await self._wire.send("PATCH", f"{self._requests}/{number}?{VERSION}", _words(proposal), ignored)

    async def close(self, number: int) -> None:
        await self._wire.send(
            "PATCH", f"{self._requests}/{number}?{VERSION}", {"status": "abandoned"}, ignored
        )

    def _newest(self, body: Mapping[str, Any]) -> Request | None:
        newest = max(body["value"], key=lambda item: item["pullRequestId"], default=None)
        return self._request(newest) if newest else None

    def _request(self, body: Mapping[str, Any]) -> Request:
        number = body["pullRequestId"]
        state = STATES.get(body["status"], "open")
        head = (body.get("lastMergeSourceCommit") or {}).get("commitId") or ""
        text = body.get("description") or ""
        return Request(number, state, f"{self._page}/{number}", head, body["title"], text)


def _words(proposal: Proposal) -> dict[str, str]:
    return {"title": proposal.title, "description": proposal.text[:LONGEST]}


def _parts(project: Project) -> tuple[str, str, str]:
    """Organisation, project, repository."""
    found = [part for part in project.quoted.split("/") if part not in ("_git", "v3")]
    if len(found) != 3:
        raise Stalled(
            f"repository url: found the path {project.path}, expected ORGANISATION/PROJECT/_git/REPOSITORY; "
            "correct the url in the configuration",
            reason="BadAddress",
        )
    return found[0], found[1], found[2]
