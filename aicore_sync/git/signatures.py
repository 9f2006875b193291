"""Signatures of commits: whose count, and with which key ours are made. git does both, with ssh-keygen or gpg."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.git.environment import BASE_ENVIRONMENT, KEPT
from aicore_sync.git.options import Signing, Trust

FINGERPRINT = re.compile(r"^fpr:{9}([0-9A-F]{40,64}):", re.MULTILINE)
GPG_TIMEOUT = 60.0  # seconds; the first start of its agent can be slow


@dataclass(frozen=True)
class Setup:
    """What git needs in addition: configuration and environment variables."""

    config: tuple[tuple[str, str], ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def verifying(trust: Trust) -> AsyncIterator[Setup]:
    """For `git verify-commit`. Raises `Stalled` (SigningKeyUnusable) when a file cannot be used."""
    config = [("gpg.x509.program", "/bin/false")]
    if trust.allowed_signers:
        _require(trust.allowed_signers)
        config.append(("gpg.ssh.allowedSignersFile", str(trust.allowed_signers)))
    if trust.gpg_keys is None:
        yield Setup((*config, ("gpg.openpgp.program", "/bin/false")))
        return
    async with _keyring(trust.gpg_keys) as (variables, _):
        yield Setup(tuple(config), variables)


@asynccontextmanager
async def signing(key: Signing) -> AsyncIterator[Setup]:
    """For `git commit-tree -S`. Raises `Stalled` (SigningKeyUnusable) when the key cannot be used."""
    if key.format == "ssh":
        _require(key.key)
        yield Setup((("gpg.format", "ssh"), ("user.signingKey", str(key.key))))
        return
    async with _keyring(key.key) as (variables, fingerprint):
        yield Setup((("gpg.format", "openpgp"), ("user.signingKey", fingerprint)), variables)


@asynccontextmanager
async def _keyring(keys: Path) -> AsyncIterator[tuple[dict[str, str], str]]:
    """A private key ring that holds just these keys; gone afterwards, with the agent that gpg starts for it."""
    _require(keys)
    home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="gpg-"))  # mode 0700
    variables = {"GNUPGHOME": str(home)}
    try:
        await asyncio.to_thread(_gpg, variables, keys, "--import")
        listed = await asyncio.to_thread(_gpg, variables, keys, "--list-keys", "--with-colons")
        found = FINGERPRINT.search(listed)
        if found is None:
            raise _unusable(keys, "no OpenPGP key")
        yield variables, found[1]
    finally:
        await asyncio.to_thread(_cleared, home, variables)


def _gpg(variables: dict[str, str], keys: Path, *arguments: str) -> str:
    command = ["gpg", "--batch", "--no-tty", "--quiet", *arguments]
    if "--import" in arguments:
        command.append(str(keys))
    done = _run_gpg(command, variables, keys)
    if b"No agent running" in done.stderr:  # gpg gives its agent five seconds, too few on a busy machine
        done = _run_gpg(command, variables, keys)
    if b"No agent running" in done.stderr:
        raise Transient("gpg could not start its agent; it is tried again", reason="GitFailed")
    if done.returncode:
        raise _unusable(keys, f"a file that gpg refuses ({_last_line(done.stderr)})")
    return done.stdout.decode(errors="replace")


def _run_gpg(command: list[str], variables: dict[str, str], keys: Path) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=_environment(variables),
            timeout=GPG_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise Stalled(
            "the program gpg was not found; install GnuPG, or use SSH keys for signatures",
            reason="SigningKeyUnusable",
        ) from None
    except subprocess.TimeoutExpired:
        raise _unusable(keys, "a key that gpg does not import in time") from None


def _cleared(home: Path, variables: dict[str, str]) -> None:
    if shutil.which("gpgconf"):
        command = ["gpgconf", "--kill", "gpg-agent"]
        subprocess.run(command, capture_output=True, env=_environment(variables), timeout=30, check=False)
    shutil.rmtree(home, ignore_errors=True)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return {**kept, **{key: BASE_ENVIRONMENT[key] for key in ("HOME", "LC_ALL")}, **variables}


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no explanation given")


def _require(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None


def _unusable(path: Path, found: str) -> Stalled:
    return Stalled(
        f"{path}: found {found}, expected keys for signatures that this user may read; correct the path or the file",
        reason="SigningKeyUnusable",
    )
