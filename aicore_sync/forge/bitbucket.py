"""Pull requests of Bitbucket Cloud, developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aicore_sync.forge.model import Proposal, Request, State
from aicore_sync.forge.wire import Project, Wire, ignored

STATES: dict[str, State] = {"OPEN": "open", "MERGED": "merged", "DECLINED": "closed", "SUPERSEDED": "closed"}


class Bitbucket:
    """See `Forge`."""

    def __init__(self, wire: Wire, project: Project) -> None:
        self._wire = wire
        api = project.api or "https://api.bitbucket.org/2.0"
        self._requests = f"{api}/repositories/{project.quoted}/pullrequests"

    async def newest(self, source: str, target: str) -> Request | None:
        where = f'source.branch.name="{source}" AND destination.branch.name="{target}"'
        parameters = [("q", where), ("sort", "-created_on"), ("pagelen", "1")]
        parameters += [("state", state) for state in STATES]  # only open ones without it
        return await self._wire.get(self._requests, parameters, _first)

    async def open(self, proposal: Proposal) -> Request:
        branches = {
            "source": {"branch": {"name": proposal.source}},
            "destination": {"branch": {"name": proposal.target}},
        }
        body = {**branches, **_words(proposal), "close_source_branch": True}
        return await self._wire.send("POST", self._requests, body, _request)

    async def update(self, number: int, proposal: Proposal) -> None:
        await self._wire.send("PUT", f"{self._requests}/{number}", _words(proposal), ignored)

    async def close(self, number: int) -> None:
        await self._wire.send("POST", f"{self._requests}/{number}/decline", None, ignored)


def _words(proposal: Proposal) -> dict[str, str]:
    return {"title": proposal.title, "description": proposal.text}


def _first(body: Mapping[str, Any]) -> Request | None:
    return _request(body["values"][0]) if body["values"] else None


def _request(body: Mapping[str, Any]) -> Request:
    head = ((body.get("source") or {}).get("commit") or {}).get("hash") or ""  # shortened
    url = body["links"]["html"]["href"]
    return Request(body["id"], STATES[body["state"]], url, head, body["title"], body.get("description") or "")
