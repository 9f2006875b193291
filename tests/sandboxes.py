"""Starts the sandbox as the process it is, for every test that needs an AI Core.

async with running_sandbox(tmp_path, "--clock", "manual") as sandbox:
    await sandbox.clock(advance=3600)

`renewed_sandbox` gives the same from a process that earlier tests have used: it begins anew, which costs
milliseconds where a start costs more than a second of a core.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

READY_WITHIN = 120.0
STOPPED_WITHIN = 60.0


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: the fields of its ready line and its admin endpoint."""

    url: str
    service_keys: dict[str, dict[str, Any]]
    s3: dict[str, str] | None
    git: dict[str, str] | None
    pid: int
    admin: httpx.AsyncClient

    async def post(self, path: str, body: Any = None) -> Any:
        """POST /sandbox/<path>; raises for a refusal."""
        answer = await self.admin.post(f"/sandbox/{path}", json=body if body is not None else {})
        assert answer.is_success, answer.text
        return answer.json()

    async def clock(self, *, advance: float | None = None, to: str | None = None) -> str:
        """Move the manual clock by seconds or to an ISO time; returns the new time."""
        move = {"advance": advance} if to is None else {"set": to}
        return str((await self.post("clock", move))["now"])

    async def faults(self, *rules: dict[str, Any], **switches: Any) -> None:
        """Order faults: rules as dicts, switches such as `staleLists=20`."""
        await self.post("faults", {"rules": list(rules), **switches})

    async def calm(self) -> None:
        """Take all faults back."""
        (await self.admin.delete("/sandbox/faults")).raise_for_status()

    async def executor(self, **rule: Any) -> None:
        """Set what executions come to under `--executor instant`."""
        await self.post("executor", rule)

    async def tenant(self, name: str) -> dict[str, Any]:
        """Create a tenant; returns its service key, which is also kept in `service_keys`."""
        self.service_keys[name] = key = dict(await self.post("tenants", {"name": name}))
        return key

    async def sync(self, tenant: str = "") -> None:
        """Sync all applications (of one tenant) and wait for it."""
        await self.post(f"sync?tenant={tenant}")

    async def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """All requests so far, from number `since`."""
        found: list[dict[str, Any]] = (
            await self.admin.get("/sandbox/requests", params={"since": since})
        ).json()
        return found

    async def dump(self) -> dict[str, Any]:
        """The whole state, secrets masked."""
        state: dict[str, Any] = (await self.admin.get("/sandbox/dump")).json()
        return state


@asynccontextmanager
async def running_sandbox(tmp_path: Path, *args: str) -> AsyncIterator[Sandbox]:
    """Start a sandbox with its work directory below `tmp_path`; it is stopped at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *_command(tmp_path / "sandbox", *args), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_WITHIN)
        assert line, f"the sandbox ended before it was ready, exit code {await process.wait()}"
        async with _client(json.loads(line), process.pid) as sandbox:
            yield sandbox
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), STOPPED_WITHIN)


@asynccontextmanager
async def renewed_sandbox(tmp_path: Path, *args: str) -> AsyncIterator[Sandbox]:
    """A sandbox with nothing in it that serves the repositories below `tmp_path / "git"`, which is made here."""
    home, ready, pid = _kept(args)
    shutil.rmtree(home / "git")
    (home / "git").mkdir()
    for name in ("git", "sandbox"):
        (tmp_path / name).symlink_to(home / name)
    async with _client(ready, pid) as sandbox:
        keys = (await sandbox.post("reset"))["serviceKeys"]
        sandbox.service_keys.clear()
        sandbox.service_keys.update(keys)
        yield sandbox


@lru_cache
def _kept(args: tuple[str, ...]) -> tuple[Path, dict[str, Any], int]:
    """Start a sandbox that ends with this process: its directory, its ready line, its process."""
    home = Path(tempfile.mkdtemp(prefix="aicore-sandbox-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "git").mkdir()
    command = _command(home / "sandbox", "--git", str(home / "git"), *args)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    atexit.register(_end, process)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the sandbox ended before it was ready, exit code {process.wait()}"
    return home, json.loads(line), process.pid


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(STOPPED_WITHIN)


def _command(work: Path, *args: str) -> list[str]:
    start = [sys.executable, "-m", "aicore_sync.sandbox", "--die-with-parent", "--work", str(work)]
    return [*start, *args]


@asynccontextmanager
async def _client(ready: dict[str, Any], pid: int) -> AsyncIterator[Sandbox]:
    async with httpx.AsyncClient(base_url=ready["url"], timeout=30) as admin:
        keys = dict(ready["serviceKeys"])
        yield Sandbox(ready["url"], keys, ready["s3"], ready["git"], pid, admin)
