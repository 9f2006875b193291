"""A small GitHub and a small GitLab: statuses, deployments and comments, kept as the real ones keep them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request

Json = dict[str, Any]


class SmallForge:
    """Both APIs on one application; what was written is in the attributes, newest last."""

    def __init__(self) -> None:
        self.statuses: list[Json] = []
        self.deployments: list[Json] = []
        self.comments: list[Json] = []
        self.tokens: set[str] = set()
        self.writes = 0
        self.refuse: list[httpx.Response] = []
        self._ids = count(1)
        self.app = FastAPI()
        self._github()
        self._gitlab()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app))

    async def _body(self, request: Request) -> Json:
        self.tokens.add(request.headers["authorization"])
        self.writes += 1
        if self.refuse:
            answer = self.refuse.pop()
            raise HTTPException(answer.status_code, answer.text, dict(answer.headers))
        body: Json = await request.json()
        return body

    def _github(self) -> None:
        base = "/repos/team/flows"

        @self.app.post(base + "/statuses/{sha}", status_code=201)
        async def status(sha: str, request: Request) -> Json:
            body = await self._body(request)
            assert len(body["description"]) <= 140
            self.statuses.append(body | {"sha": sha})
            return self.statuses[-1]

        @self.app.get(base + "/deployments")
        async def deployments(sha: str, environment: str, task: str) -> list[Json]:
            wanted = (sha, environment, task)
            return [
                d for d in reversed(self.deployments) if (d["ref"], d["environment"], d["task"]) == wanted
            ]

        @self.app.post(base + "/deployments", status_code=201)
        async def deploy(request: Request) -> Json:
            body = await self._body(request)
            self.deployments.append(body | {"id": next(self._ids), "states": []})
            return self.deployments[-1]

        @self.app.post(base + "/deployments/{number}/statuses", status_code=201)
        async def deployed(number: int, request: Request) -> Json:
            body = await self._body(request)
            next(d for d in self.deployments if d["id"] == number)["states"].append(body["state"])
            return body

        @self.app.get(base + "/issues/{number}/comments")
        async def comments(number: int, per_page: int, page: int) -> list[Json]:
            return self.comments[(page - 1) * per_page : page * per_page]

        @self.app.post(base + "/issues/{number}/comments", status_code=201)
        async def say(number: int, request: Request) -> Json:
            return self._said(await self._body(request))

        @self.app.patch(base + "/issues/comments/{identity}")
        async def edit(identity: int, request: Request) -> Json:
            return self._edited(identity, await self._body(request))

    def _gitlab(self) -> None:
        base = "/api/v4/projects/{project:path}"

        @self.app.post(base + "/statuses/{sha}", status_code=201)
        async def status(project: str, sha: str, request: Request) -> Json:
            body = await self._body(request)
            assert body["state"] in ("pending", "running", "success", "failed", "canceled")
            self.statuses.append(body | {"sha": sha, "project": project})
            return self.statuses[-1]

        @self.app.get(base + "/deployments")
        async def deployments(project: str, environment: str) -> list[Json]:
            return [d for d in reversed(self.deployments) if d["environment"] == environment]

        @self.app.post(base + "/deployments", status_code=201)
        async def deploy(project: str, request: Request) -> Json:
            body = await self._body(request)
            self.deployments.append(body | {"id": next(self._ids), "states": [body["status"]]})
            return self.deployments[-1]

        @self.app.put(base + "/deployments/{number}")
        async def deployed(project: str, number: int, request: Request) -> Json:
            body = await self._body(request)
            found = next(d for d in self.deployments if d["id"] == number)
            if body["status"] == found["status"]:
                raise HTTPException(400, "status does not change")
            found["status"] = body["status"]
            found["states"].append(body["status"])
            return found

        @self.app.get(base + "/merge_requests/{number}/notes")
        async def notes(project: str, number: int, per_page: int, page: int) -> list[Json]:
            return self.comments[(page - 1) * per_page : page * per_page]

        @self.app.post(base + "/merge_requests/{number}/notes", status_code=201)
        async def say(project: str, number: int, request: Request) -> Json:
            return self._said(await self._body(request))

        @self.app.put(base + "/merge_requests/{number}/notes/{identity}")
        async def edit(project: str, number: int, identity: int, request: Request) -> Json:
            return self._edited(identity, await self._body(request))

    def _said(self, body: Json) -> Json:
        self.comments.append({"id": next(self._ids), "body": body["body"]})
        return self.comments[-1]

    def _edited(self, identity: int, body: Json) -> Json:
        found = next(c for c in self.comments if c["id"] == identity)
        found["body"] = body["body"]
        return found

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """On a free port of loopback; its address."""
        server = uvicorn.Server(uvicorn.Config(self.app, port=0, log_config=None, lifespan="off"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await task
