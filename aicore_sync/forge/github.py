"""Pull requests of GitHub, docs.github.com/rest/pulls; on a server of one's own the API is below /api/v3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aicore_sync.forge.model import Proposal, Request, State
from aicore_sync.forge.wire import Project, Wire, ignored


class GitHub:
    """See `Forge`."""

    def __init__(self, wire: Wire, project: Project) -> None:
        self._wire = wire
        usual = "https://api.github.com" if project.host == "github.com" else f"https://{project.host}/api/v3"
        self._pulls = f"{project.api or usual}/repos/{project.quoted}/pulls"
        self._owner = project.path.partition("/")[0]

    async def newest(self, source: str, target: str) -> Request | None:
        where = {"head": f"{self._owner}:{source}", "base": target, "state": "all"}
        order = {"sort": "created", "direction": "desc", "per_page": "1"}
        return await self._wire.get(self._pulls, where | order, _first)

    async def open(self, proposal: Proposal) -> Request:
        branches = {"head": proposal.source, "base": proposal.target}
        return await self._wire.send("POST", self._pulls, branches | _words(proposal), _request)

    async def update(self, number: int, proposal: Proposal) -> None:
        await self._wire.send("PATCH", f"{self._pulls}/{number}", _words(proposal), ignored)

    async def close(self, number: int) -> None:
        await self._wire.send("PATCH", f"{self._pulls}/{number}", {"state": "closed"}, ignored)


def _words(proposal: Proposal) -> dict[str, str]:
    return {"title": proposal.title, "body": proposal.text}


def _first(body: list[Mapping[str, Any]]) -> Request | None:
    return _request(body[0]) if body else None


def _request(body: Mapping[str, Any]) -> Request:
    state: State = "open" if body["state"] == "open" else "merged" if body.get("merged_at") else "closed"
    return Request(
        body["number"], state, body["html_url"], body["head"]["sha"], body["title"], body.get("body") or ""
    )
