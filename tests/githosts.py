"""Git remotes for tests: real bare repositories, served over HTTP with a password by a child process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

USERNAME = "robot"
PASSWORD = "s3cret-Token-for-tests"

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.com",
    "GIT_COMMITTER_NAME": "Somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.com",
}


@dataclass(frozen=True)
class GitHost:
    """A running server: `url_of("flows.git")` is the address of the bare repository `root / "flows.git"`."""

    url: str
    root: Path
    username: str = USERNAME
    password: str = PASSWORD

    def url_of(self, name: str) -> str:
        return f"{self.url}/{name}"


@asynccontextmanager
async def running_git_host(root: Path) -> AsyncIterator[GitHost]:
    """Serve every bare repository below `root` until the block ends; `root` is created when absent."""
    root.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "aicore_sync.sandbox.githost", "--root", str(root), "--user", USERNAME],
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "AICORE_SYNC_GITHOST_PASSWORD": PASSWORD},
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield GitHost(json.loads(line)["url"], root)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)


def git(directory: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git in a bare repository, as another person would; returns its output without the last newline."""
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        input=stdin,
        capture_output=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr.decode()}"
    return done.stdout.decode().removesuffix("\n")


def make_remote(
    root: Path, name: str = "flows.git", branch: str = "main", files: Mapping[str, bytes | str] | None = None
) -> Path:
    """A bare repository below `root` with one commit on `branch` that holds `files`; none without files."""
    path = root / name
    path.mkdir(parents=True)
    git(path, "init", "-q", "--bare", "-b", branch)
    for key in ("http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        git(path, "config", key, "true")
    if files:
        commit_as_somebody(path, files, branch=branch)
    return path


def commit_as_somebody(
    repository: Path,
    files: Mapping[str, bytes | str | None],
    *,
    branch: str = "main",
    message: str = "By hand",
) -> str:
    """Commit on top of `branch` inside the bare repository (None deletes); returns the commit."""
    ref = f"refs/heads/{branch}"
    parent = git(repository, "for-each-ref", "--format=%(objectname)", ref)
    stream = [b"feature done\ncommit refs/heads/" + branch.encode()]
    stream.append(
        b"\ncommitter Somebody <somebody@example.com> now\ndata %d\n%s\n" % (len(message), message.encode())
    )
    stream.append(f"from {parent}\n".encode() if parent else b"")
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        stream.append(
            f"D {path}\n".encode()
            if data is None
            else f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
        )
    git(
        repository,
        "fast-import",
        "--quiet",
        "--done",
        "--date-format=now",
        stdin=b"".join([*stream, b"done\n"]),
    )
    return git(repository, "rev-parse", ref)


def file_at(repository: Path, path: str, *, revision: str = "main") -> bytes | None:
    """The bytes of `path` at `revision`, None when it is not there."""
    done = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "blob", f"{revision}:{path}"],
        capture_output=True,
        env=ENVIRONMENT,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def log_of(repository: Path, branch: str = "main") -> list[str]:
    """Subjects of the branch's commits, newest first."""
    return git(repository, "log", "--format=%s", branch).splitlines()
