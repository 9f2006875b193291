"""Fills a virtual environment from pinned, hashed requirements: uv when it is at hand, else venv and pip."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from aicore_sync.core.errors import Stalled, SyncError, Transient

# What installers may see of our environment: where to find indexes and how to reach them, and nothing else.
_PREFIXES = ("PIP_", "UV_", "XDG_")
_NAMES = {
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "NETRC", "LD_LIBRARY_PATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ),
}
_NETWORK = re.compile(
    r"timed? ?out|connection|unreachable|temporary failure|name resolution|dns error|"
    r"\b(429|50[0234])\b|error sending request|network|max retries|from versions: none",
    re.IGNORECASE,
)
_QUIET = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")

log = structlog.get_logger()


@dataclass(frozen=True)
class Install:
    """Make `home` a virtual environment with `requirements`, within `deadline` seconds for each step.

    `more` are further installations: arguments of `pip install` that uv knows as well. `base` is the interpreter
    to build from, ours when None; `index` the address of the package index, which may hold a password.
    """

    home: Path
    requirements: Path
    deadline: float
    progress: Callable[[str], None]
    more: tuple[tuple[str, ...], ...] = ()
    base: Path | None = None
    index: str = field(default="", repr=False)

    @property
    def interpreter(self) -> str:
        return str(self.base or sys.executable)


async def install(order: Install) -> None:
    """Raises Transient when an index cannot be reached, Stalled when what is asked for cannot be installed."""
    uv = _uv(os.environ)
    if uv is not None:
        try:
            return await _with_uv(order, uv)
        except SyncError as error:  # it knows neither pip.conf nor every private index: pip may
            log.warning("render_environment_uv_failed", error=error.message)
    return await _with_pip(order)


def _uv(env: Mapping[str, str]) -> str | None:
    """uv on PATH or beside our interpreter, unless only pip was told where the packages are."""
    indexes = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX")
    for_uv = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX")
    if any(env.get(n) for n in indexes) and not any(env.get(n) for n in for_uv):
        return None
    path = os.pathsep.join((env.get("PATH", ""), str(Path(sys.executable).parent)))
    return shutil.which("uv", path=path)


async def _with_uv(order: Install, uv: str) -> None:
    home, wanted = str(order.home), str(order.requirements)
    await _run(order, uv, "venv", "--quiet", "--no-project", "--python", order.interpreter, home)
    python = str(order.home / "bin" / "python")
    options = ("--compile-bytecode", "--python", python)
    for arguments in (("--require-hashes", "-r", wanted), *order.more):
        await _run(order, uv, "pip", "install", *options, *arguments)


async def _with_pip(order: Install) -> None:
    await _run(order, order.interpreter, "-m", "venv", "--clear", str(order.home))
    python = str(order.home / "bin" / "python")
    for arguments in (("--require-hashes", "-r", str(order.requirements)), *order.more):
        await _run(order, python, "-m", "pip", "install", *_QUIET, *arguments)


async def install_beside(order: Install, constraints: Path) -> None:
    """Put wheels of `requirements` into the directory `home`, for the interpreter `base`.

    Raises Transient when the index cannot be reached, Stalled when they cannot be installed.
    """
    files = ("-r", str(order.requirements), "-c", str(constraints))
    wanted = ("--only-binary", ":all:", "--target", str(order.home), *files)
    uv = _uv(os.environ)
    try:
        if uv is not None:
            return await _run(order, uv, "pip", "install", "--python", order.interpreter, *wanted)
        with tempfile.TemporaryDirectory(prefix="aicore-sync-") as scratch:  # environments may have no pip
            await _run(order, order.interpreter, "-m", "venv", scratch)
            python = str(Path(scratch, "bin", "python"))
            await _run(order, python, "-m", "pip", "install", *_QUIET, *wanted)
    except Stalled as error:
        words = error.message.partition("last words:\n")[2]
        raise Stalled(
            f"the packages of its requirements file cannot be installed as wheels beside Metaflow's:\n{words}",
            reason="EnvironmentFailed",
        ) from error


async def _run(order: Install, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=_environment(os.environ, order.index),
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=15)
    try:
        async with asyncio.timeout(order.deadline):
            await _follow(process, order, tail)
            code = await process.wait()
    except TimeoutError:
        raise Transient(_sentence(order, tail, "took too long"), reason="EnvironmentFailed") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code:
        raise _failure(order, tail)


async def _follow(process: asyncio.subprocess.Process, order: Install, tail: deque[str]) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(1 << 16):
        for raw in chunk.decode(errors="replace").splitlines():
            line = _CREDENTIALS.sub("***@", raw.strip())
            if line:
                tail.append(line)
                order.progress(line)


def _environment(env: Mapping[str, str], index: str = "") -> dict[str, str]:
    """What an installer sees; an index of our own wins. Never in its arguments: every user could read them."""
    found = {k: v for k, v in env.items() if k in _NAMES or k.startswith(_PREFIXES)}
    return found | ({"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index} if index else {})


def _failure(order: Install, tail: deque[str]) -> SyncError:
    text = "\n".join(tail)
    if _NETWORK.search(text):
        return Transient(
            _sentence(order, tail, "found no package index that answers"), reason="EnvironmentFailed"
        )
    return Stalled(_sentence(order, tail, "failed"), reason="EnvironmentFailed")


def _sentence(order: Install, tail: deque[str], what: str) -> str:
    cure = "check the environment's requirements" if order.more else "set PIP_INDEX_URL or render.indexFile"
    return (
        f"installing the packages of a rendering environment {what}; {cure}, or set python to an interpreter that "
        "has SAP's plugin. The installer's last words:\n" + "\n".join(tail)
    )
