"""Reads the files of one path of one revision from a git remote, with the git binary as a child."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aicore_sync.sandbox.children import die_with_parent
from aicore_sync.sandbox.templates import SUFFIXES

TIMEOUT = 60.0


class GitFailed(Exception):
    """git could not do it; the text is git's, with its last line."""


@dataclass(frozen=True)
class Remote:
    """A registered repository. Credentials reach git through its environment only."""

    url: str
    username: str
    password: str


@dataclass(frozen=True)
class Tree:
    """The files directly in the path (name to content) at the resolved 40-hex commit; `exists`: the path is there."""

    revision: str
    exists: bool
    files: dict[str, bytes]


async def fetch(remote: Remote, revision: str, path: str, home: Path) -> Tree:
    """Fetch `revision` (branch, tag, SHA or HEAD) shallowly and read `path`. Raises GitFailed."""
    repository = home / hashlib.sha256(f"{remote.url}\0{revision}".encode()).hexdigest()[:16]
    if not (repository / "HEAD").exists():
        await _git(remote, home, "init", "-q", "--bare", str(repository))
    await _git(remote, repository, "fetch", "-q", "--no-tags", "--depth=1", "--", remote.url, revision)
    commit = (await _git(remote, repository, "rev-parse", "FETCH_HEAD^{commit}")).decode().strip()
    folder = path.strip("/")
    folder = "" if folder == "." else folder
    listing = await _git(remote, repository, "ls-tree", "-z", commit, *([folder + "/"] if folder else []))
    names = _blobs(listing)
    return Tree(commit, not folder or bool(listing), await _contents(remote, repository, names))


def _blobs(listing: bytes) -> dict[str, str]:
    """File name to object id, for the YAML and JSON files of an `ls-tree -z`."""
    found = {}
    for line in listing.decode(errors="replace").split("\0"):
        about, _, name = line.partition("\t")
        if about.split(" ")[1:2] == ["blob"] and name.endswith(SUFFIXES):
            found[name.rpartition("/")[2]] = about.split(" ")[2]
    return found


async def _contents(remote: Remote, repository: Path, names: dict[str, str]) -> dict[str, bytes]:
    """All blobs with one `cat-file --batch`."""
    if not names:
        return {}
    wanted = "".join(f"{oid}\n" for oid in names.values()).encode()
    output = await _git(remote, repository, "cat-file", "--batch", stdin=wanted)
    files, at = {}, 0
    for name in names:
        end = output.index(b"\n", at)
        size = int(output[at:end].split()[2])
        files[name] = output[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return files


async def _git(remote: Remote, directory: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=directory,
        env=_environment(remote),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(stdin), TIMEOUT)
    except TimeoutError:
        raise GitFailed(f"git {arguments[0]} took longer than {TIMEOUT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise GitFailed(errors.decode(errors="replace").strip() or f"git exited with {process.returncode}")
    return output


def _environment(remote: Remote) -> dict[str, str]:
    """No ambient git configuration, no prompt, the password as a header for this host only."""
    settings = {
        "http.followRedirects": "false",
        "credential.helper": "",
        "safe.directory": "*",
        "gc.auto": "0",
    }
    parts = urlsplit(remote.url)
    if parts.scheme in {"http", "https"}:
        basic = base64.b64encode(f"{remote.username}:{remote.password}".encode()).decode()
        settings[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = f"Authorization: Basic {basic}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    if "GIT_SSH_COMMAND" in os.environ:
        environment["GIT_SSH_COMMAND"] = os.environ["GIT_SSH_COMMAND"]
    environment |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": str(len(settings)),
        "LC_ALL": "C",
    }
    for index, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    return environment
