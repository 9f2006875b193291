"""One sandbox for all tests that can share it; each test gets a tenant of its own.

A plugin that test modules name, not a conftest.py: mypy takes two modules of one name for a mistake.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from callers import Caller, Remote, caller, register, template
from sandboxes import Sandbox, running_sandbox


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a remote with one good template, to be copied."""
    home = tmp_path_factory.mktemp("prepared")
    Remote(home).commit({"templates/wt-alpha.json": json.dumps(template("alpha-train"))})
    return home


@pytest.fixture
def remote(tmp_path: Path, prepared: Path) -> Remote:
    """A repository with one good template."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return Remote(tmp_path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def instant(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """Executions end at once and the clock moves by hand."""
    home = tmp_path_factory.mktemp("instant")
    async with running_sandbox(home, "--executor", "instant", "--clock", "manual") as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="session")
async def call(instant: Sandbox, remote: Remote) -> AsyncIterator[Caller]:
    """A caller of a new tenant of `instant` whose application has synced `remote`."""
    async with httpx.AsyncClient(base_url=instant.url) as http:
        name = uuid.uuid4().hex
        await instant.tenant(name)
        ready = await caller(instant, http, name)
        await register(ready, remote)
        yield ready
        await instant.calm()
        for left in ("/sandbox/executor", f"/sandbox/tenants/{name}"):
            (await instant.admin.delete(left)).raise_for_status()
