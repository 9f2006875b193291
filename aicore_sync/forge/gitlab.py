"""Merge requests of GitLab, docs.gitlab.com/api/merge_requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aicore_sync.forge.model import Proposal, Request, State
from aicore_sync.forge.wire import Project, Wire, ignored

STATES: dict[str, State] = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}


class GitLab:
    """See `Forge`."""

    def __init__(self, wire: Wire, project: Project) -> None:
        self._wire = wire
        api = project.api or f"https://{project.host}/api/v4"
        self._requests = f"{api}/projects/{quote(project.path, safe='')}/merge_requests"

    async def newest(self, source: str, target: str) -> Request | None:
        where = {"source_branch": source, "target_branch": target, "state": "all"}
        order = {"order_by": "created_at", "sort": "desc", "per_page": "1"}
        return await self._wire.get(self._requests, where | order, _first)

    async def open(self, proposal: Proposal) -> Request:
        branches = {"source_branch": proposal.source, "target_branch": proposal.target}
        body = {**branches, **_words(proposal), "remove_source_branch": True}
        return await self._wire.send("POST", self._requests, body, _request)

    async def update(self, number: int, proposal: Proposal) -> None:
        await self._wire.send("PUT", f"{self._requests}/{number}", _words(proposal), ignored)

    async def close(self, number: int) -> None:
        await self._wire.send("PUT", f"{self._requests}/{number}", {"state_event": "close"}, ignored)


def _words(proposal: Proposal) -> dict[str, str]:
    return {"title": proposal.title, "description": proposal.text}


def _first(body: list[Mapping[str, Any]]) -> Request | None:
    return _request(body[0]) if body else None


def _request(body: Mapping[str, Any]) -> Request:
    state = STATES.get(body["state"], "closed")
    text = body.get("description") or ""
    return Request(body["iid"], state, body["web_url"], body.get("sha") or "", body["title"], text)
