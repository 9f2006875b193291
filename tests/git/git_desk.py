"""A served repository, and clones of it that are closed at the end."""

from __future__ import annotations

import atexit
import functools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from githosts import PASSWORD, USERNAME, GitHost, make_remote

from aicore_sync.git import Author, Clone, Credentials, Remote, StateBranch


@dataclass
class Desk:
    """One served repository, and what a test opens on it."""

    host: GitHost
    repository: Path
    remote: Remote
    opened: list[Clone | StateBranch] = field(default_factory=list)

    def clone(self, *, now: Callable[[], float] = time.time, patience: float = 60.0, **changes: Any) -> Clone:
        made = Clone(
            replace(self.remote, **changes), now=now, rng=random.Random(len(self.opened)), patience=patience
        )
        self.opened.append(made)
        return made

    def state(
        self, owner: str = "team", *, now: Callable[[], float] = time.time, **changes: Any
    ) -> StateBranch:
        made = StateBranch(
            replace(self.remote, **changes), owner, now=now, rng=random.Random(len(self.opened))
        )
        self.opened.append(made)
        return made


@functools.cache
def shared_server() -> tuple[str, Path]:
    """Address and root of one server for all tests of this process; it ends with the process."""
    root = Path(tempfile.mkdtemp(prefix="aicore-sync-git-"))
    command = [sys.executable, "-m", "aicore_sync.sandbox.githost", "--root", str(root), "--user", USERNAME]
    environment = {**os.environ, "AICORE_SYNC_GITHOST_PASSWORD": PASSWORD}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)

    def stop() -> None:
        server.terminate()
        server.communicate()
        shutil.rmtree(root, ignore_errors=True)

    atexit.register(stop)
    assert server.stdout is not None
    return json.loads(server.stdout.readline())["url"], root


@asynccontextmanager
async def open_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A fresh repository behind the server, in a directory of its own."""
    url, root = shared_server()
    place = Path(tempfile.mkdtemp(dir=root))
    host = GitHost(f"{url}/{place.name}", place)
    repository = make_remote(host.root, files={"README.md": "hello\n", "models/other.yaml": "theirs: 1\n"})
    remote = Remote(
        name="flows",
        url=host.url_of("flows.git"),
        branch="main",
        cache_dir=tmp_path / "cache",
        author=Author("aicore-sync", "aicore-sync@example.com"),
        credentials=lambda: Credentials(host.username, host.password),
    )
    desk = Desk(host, repository, remote)
    try:
        yield desk
    finally:
        for opened in desk.opened:
            await opened.close()
