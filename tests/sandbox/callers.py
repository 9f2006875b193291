"""A caller that speaks the AI-API by hand and holds every answer against its description."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contract
import httpx
from sandboxes import Sandbox

DEADLINE = 10.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: httpx.Headers


class Caller:
    """One tenant's view of a sandbox, in resource group `default` unless told otherwise."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient, tenant: str, token: str) -> None:
        self.sandbox = sandbox
        self.http = http
        self.tenant = tenant
        self.token = token
        self.seen: set[tuple[str, str]] = set()

    async def __call__(
        self, method: str, path: str, body: Any = None, *, group: str | None = "default", **options: Any
    ) -> Answer:
        """`options`: `params`, `merge` (content type of a merge patch), `headers`."""
        headers = {"Authorization": f"Bearer {self.token}", **options.get("headers", {})}
        if group is not None:
            headers["AI-Resource-Group"] = group
        if body is not None:
            headers["Content-Type"] = (
                "application/merge-patch+json" if options.get("merge") else "application/json"
            )
        answer = await self.http.request(
            method, "/v2" + path, headers=headers, params=options.get("params"), json=body
        )
        kind = answer.headers.get("content-type", "")
        parsed = answer.json() if kind.startswith("application/json") else answer.text
        if contract.contract_path() is not None:
            contract.assert_response(method, path, answer.status_code, parsed)
            self.seen.add((method, contract.template_of(path)))
        return Answer(answer.status_code, parsed, answer.headers)

    async def sync(self) -> None:
        """Sync this tenant's applications and wait for it."""
        await self.sandbox.sync(self.tenant)

    async def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """GET `path` until its body satisfies `holds`."""
        return await eventually(lambda: self._body(path), holds)

    async def _body(self, path: str) -> Any:
        return (await self("GET", path)).body


async def eventually(read: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """Read again and again until `holds`; fails with the last value after ten seconds."""
    limit = time.monotonic() + DEADLINE
    while not holds(value := await read()):
        assert time.monotonic() < limit, f"still {value!r}"
        await asyncio.sleep(0.02)
    return value


async def token(http: httpx.AsyncClient, key: dict[str, Any]) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": key["clientid"],
        "client_secret": key["clientsecret"],
    }
    return await http.post(key["url"] + "/oauth/token", data=form)


async def caller(sandbox: Sandbox, http: httpx.AsyncClient, tenant: str = "default") -> Caller:
    """A caller with a fresh token."""
    answer = await token(http, sandbox.service_keys[tenant])
    return Caller(sandbox, http, tenant, answer.json()["access_token"])


def template(name: str, version: str = "1.0", **spec: Any) -> dict[str, Any]:
    """A small WorkflowTemplate that AI Core accepts, in scenario `lab-scenario`."""
    container = {
        "image": "docker.io/library/python:3.11-slim",
        "command": ["sh", "-c"],
        "args": ["echo hello"],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {
            "name": name,
            "labels": {"scenarios.ai.sap.com/id": "lab-scenario", "ai.sap.com/version": version},
            "annotations": {"scenarios.ai.sap.com/name": "Lab", "executables.ai.sap.com/name": name},
        },
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "container": container}]} | spec,
    }


def serving(name: str) -> dict[str, Any]:
    """A small ServingTemplate with one mandatory parameter `size`."""
    made = template(name)
    pod = {"apiVersion": "serving.kserve.io/v1beta1", "spec": "predictor: {}\n"}
    spec = {"inputs": {"parameters": [{"name": "size", "type": "string"}]}, "template": pod}
    return made | {"apiVersion": "ai.sap.com/v1alpha1", "kind": "ServingTemplate", "spec": spec}


class Remote:
    """A bare repository on disk and a way to commit to its branch `main`."""

    def __init__(self, home: Path) -> None:
        """Create it below `home`, or take over a copy of one that was created elsewhere."""
        self.bare = home / "remote.git"
        self._work = home / "remote-work"
        self.url = f"file://{self.bare}"
        if not self.bare.exists():
            for directory, kind in ((self.bare, "--bare"), (self._work, "--quiet")):
                _git(home, "init", "-q", "--template=", "-b", "main", kind, str(directory))

    def commit(self, files: dict[str, str | None]) -> str:
        """Write or (None) remove files, commit and push. Returns the commit."""
        for name, content in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        _git(self._work, "add", "-A")
        _git(self._work, *identity, "commit", "-q", "--allow-empty", "-m", "change")
        _git(self._work, "push", "-q", str(self.bare), "HEAD:main")
        return _git(self._work, "rev-parse", "HEAD").strip()


def _git(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=directory, check=True, capture_output=True, text=True
    ).stdout


async def register(
    call: Caller, remote: Remote, application: str = "app-one", path: str = "templates"
) -> None:
    """Register the remote (once) and one application, and wait for the first sync."""
    held = (await call("GET", "/admin/repositories")).body["resources"]
    if not held:
        body = {"name": "repo", "url": remote.url, "username": "u", "password": "p"}
        assert (await call("POST", "/admin/repositories", body)).status == 200
    source = {"repositoryUrl": remote.url, "revision": "main", "path": path}
    assert (
        await call("POST", "/admin/applications", source | {"applicationName": application})
    ).status == 200
    await call.sync()
