"""What people see beside a commit: a status per environment, and where wanted a deployment. GitHub and GitLab.

docs.github.com/rest/commits/statuses and /rest/deployments; docs.gitlab.com/api/commits and /api/deployments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import quote

from aicore_sync.forge.wire import Project, Wire, ignored

CommitState = Literal["pending", "success", "failure", "superseded"]
LONGEST = 140  # characters of a description at GitHub; GitLab takes 255


@dataclass(frozen=True)
class CommitStatus:
    """The state of one commit in one environment. `context` tells it from the statuses of others.

    `superseded`: a newer commit came before this one was done. No forge has the word; it gets the nearest.
    """

    commit: str
    environment: str
    context: str
    state: CommitState
    text: str
    url: str = ""

    @property
    def short(self) -> str:
        return self.text if len(self.text) <= LONGEST else self.text[: LONGEST - 1] + "…"


class Statuses(Protocol):
    """Both raise `Transient` for what passes by itself and `Stalled` for what a person must mend."""

    async def show(self, status: CommitStatus) -> None:
        """Set the status; a later one of the same context replaces it."""

    async def deploy(self, status: CommitStatus) -> None:
        """Say the same as a deployment of the commit to the environment, made when there is none."""


class GitHubStatuses:
    """A deployment is found again by commit, environment and task."""

    _STATES: Mapping[CommitState, str] = {
        "pending": "in_progress",
        "success": "success",
        "failure": "failure",
        "superseded": "inactive",
    }

    def __init__(self, wire: Wire, project: Project) -> None:
        self._wire = wire
        usual = "https://api.github.com" if project.host == "github.com" else f"https://{project.host}/api/v3"
        self._repository = f"{project.api or usual}/repos/{project.quoted}"

    async def show(self, status: CommitStatus) -> None:
        state = "error" if status.state == "superseded" else status.state
        body = {"state": state, "context": status.context, "description": status.short} | _link(
            "target_url", status
        )
        await self._wire.send("POST", f"{self._repository}/statuses/{status.commit}", body, ignored)

    async def deploy(self, status: CommitStatus) -> None:
        where = {"sha": status.commit, "environment": status.environment, "task": status.context}
        known = await self._wire.get(f"{self._repository}/deployments", where, _first_id)
        number = known if known is not None else await self._make(status)
        body = {"state": self._STATES[status.state], "description": status.short} | _link("log_url", status)
        await self._wire.send("POST", f"{self._repository}/deployments/{number}/statuses", body, ignored)

    async def _make(self, status: CommitStatus) -> int:
        body = {
            "ref": status.commit,
            "environment": status.environment,
            "task": status.context,
            "auto_merge": False,
            "required_contexts": [],
            "description": "by aicore-sync",
        }
        return await self._wire.send("POST", f"{self._repository}/deployments", body, _id)


class GitLabStatuses:
    """A deployment is found again by environment and commit among the newest."""

    _STATES: Mapping[CommitState, str] = {
        "pending": "running",
        "success": "success",
        "failure": "failed",
        "superseded": "canceled",
    }

    def __init__(self, wire: Wire, project: Project) -> None:
        self._wire = wire
        api = project.api or f"https://{project.host}/api/v4"
        self._project = f"{api}/projects/{quote(project.path, safe='')}"

    async def show(self, status: CommitStatus) -> None:
        state = status.state if status.state == "pending" else self._STATES[status.state]
        body = {"state": state, "name": status.context, "description": status.short} | _link(
            "target_url", status
        )
        await self._wire.send("POST", f"{self._project}/statuses/{status.commit}", body, ignored)

    async def deploy(self, status: CommitStatus) -> None:
        where = {"environment": status.environment, "order_by": "id", "sort": "desc", "per_page": "20"}
        state = self._STATES[status.state]

        def of_commit(answer: list[Mapping[str, Any]]) -> tuple[int, str] | None:
            return next(((d["id"], d["status"]) for d in answer if d["sha"] == status.commit), None)

        known = await self._wire.get(f"{self._project}/deployments", where, of_commit)
        if known is None:
            body = {"environment": status.environment, "sha": status.commit, "status": state}
            about = {"ref": status.commit, "tag": False}
            await self._wire.send("POST", f"{self._project}/deployments", {**body, **about}, ignored)
        elif known[1] != state:
            await self._wire.send(
                "PUT", f"{self._project}/deployments/{known[0]}", {"status": state}, ignored
            )


def _link(key: str, status: CommitStatus) -> dict[str, str]:
    return {key: status.url} if status.url else {}


def _id(answer: Mapping[str, Any]) -> int:
    return int(answer["id"])


def _first_id(answer: list[Mapping[str, Any]]) -> int | None:
    return _id(answer[0]) if answer else None
