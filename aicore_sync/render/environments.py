"""The Python environments that flows are rendered in, one per dialect and those that are named.

Each is built once per machine and found again by its content:

    <cache>/envs/<digest>/        the environment; `.ready` is written last, so a half-built one is never used
    <cache>/envs/<digest>.lock    held by the process that builds; the others wait
    <cache>/envs/<digest>.use     held, shared, by the processes that use it

The digest covers the pinned requirements and the interpreter, so an upgrade builds beside the old one.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from aicore_sync.core.errors import Stalled
from aicore_sync.render.background import Slow
from aicore_sync.render.installer import Install, install
from aicore_sync.render.model import Dialect, Environment, RenderOptions

_LOCK_POLL = 0.1  # seconds
_METAFLOW = re.compile(r"^metaflow==.*\n(?:[ \t].*\n)*", re.MULTILINE)

log = structlog.get_logger()


@dataclass(frozen=True)
class Spec:
    """An environment by its content: a requirements file with hashes, for the interpreter that runs us or `base`.

    `more` are lines of a requirements file without hashes, installed beside it; `metaflow` is a version, without
    hashes too, in place of the one in the file.
    """

    requirements: Path
    base: Path | None = None
    more: tuple[str, ...] = ()
    metaflow: str = ""

    def digest(self) -> str:
        """16 hex digits; a moved base interpreter counts, because an environment links to it."""
        parts = [platform.python_version(), platform.machine(), sys.base_prefix]
        if self.base is not None:
            parts += [str(self.base.resolve()), str(self.base.stat().st_mtime_ns)]
        parts += [*self.more, *([f"metaflow=={self.metaflow}"] if self.metaflow else [])]
        content = self.requirements.read_bytes() + "\0".join(parts).encode()
        return hashlib.sha256(content).hexdigest()[:16]

    def hashed(self) -> str:
        """The lines with hashes."""
        text = self.requirements.read_text(encoding="utf-8")
        return _METAFLOW.sub("", text) if self.metaflow else text

    def loose(self) -> tuple[str, ...]:
        """The lines without."""
        return ((f"metaflow=={self.metaflow}",) if self.metaflow else ()) + self.more

    def pins(self) -> tuple[str, ...]:
        """Names and versions of what every environment of the dialect holds, as they are in this one."""
        chosen = (f"metaflow=={self.metaflow}",) if self.metaflow else ()
        return (*chosen, *_pins(self.hashed()))


def requirements(dialect: Dialect) -> Path:
    """What every environment of this dialect holds, pinned, with hashes."""
    return Path(__file__).with_name(f"{dialect}.requirements.txt")


def pinned(dialect: Dialect) -> tuple[str, ...]:
    """The names and versions of `requirements`, as "name==version"."""
    return Spec(requirements(dialect)).pins()


def _pins(text: str) -> tuple[str, ...]:
    return tuple(line.split()[0] for line in text.splitlines() if "==" in line and not line.startswith("#"))


async def environment_python(
    options: RenderOptions, dialect: Dialect, name: str = "", slow: Slow = lambda what: None
) -> Path:
    """The interpreter of a named environment, built if absent; "" is the one of the dialect.

    `slow` is called before it is built. Raises Stalled for a name that the configuration does not have, and when it
    cannot be built or does not exist; Transient when the package index is out of reach.
    """
    environment = _named(options, dialect, name)
    if environment.python is not None:
        _executable(environment.python, f"render.environments.{name or dialect}.python")
        if environment.ready_made:
            return environment.python
    spec = spec_of(options, dialect, name)

    async def build(home: Path) -> None:
        slow(f"the rendering environment {name or dialect}")
        async with locked(home.with_suffix(".lock")):
            if not _ready(home):
                await _build(home, spec, options, await asyncio.to_thread(index_of, options, dialect, name))

    home = options.cache_dir.absolute() / "envs" / await asyncio.to_thread(spec.digest)
    if not _ready(home):
        await build(home)
    return home / "bin" / "python"


def _named(options: RenderOptions, dialect: Dialect, name: str) -> Environment:
    environment = options.environments.get(name or dialect, None if name else Environment())
    if environment is None:
        known = ", ".join(sorted(options.environments)) or "none"
        raise Stalled(
            f"renderEnvironment: found {name}, expected one of render.environments ({known})",
            reason="EnvironmentFailed",
        )
    return environment


def spec_of(options: RenderOptions, dialect: Dialect, name: str) -> Spec:
    """What a named environment is built of. Raises Stalled where the dialect does not work with its Metaflow."""
    environment = _named(options, dialect, name)
    spec = Spec(requirements(dialect), environment.python, environment.requirements, environment.metaflow)
    only = next((pin for pin in pinned(dialect) if pin.startswith("metaflow==")), "")
    if dialect == "plugin" and spec.metaflow and only and only != f"metaflow=={spec.metaflow}":
        raise Stalled(
            f"render.environments.{name or dialect}.metaflow: found {spec.metaflow}, expected {only[10:]}, which "
            "SAP's plugin works with; remove the key, or use dialect native",
            reason="EnvironmentFailed",
        )
    return spec


def _executable(python: Path, key: str) -> None:
    if not os.access(python, os.X_OK):
        raise Stalled(
            f"{key}: found {python}, expected an executable interpreter; "
            "correct the path, or remove the key to let aicore-sync build the environment",
            reason="EnvironmentFailed",
        )


@contextmanager
def held(python: Path, options: RenderOptions) -> Iterator[None]:
    """Keeps an environment that we built from being swept while this process, or another, uses it."""
    home = python.parent.parent
    if home.parent != options.cache_dir.absolute() / "envs":
        yield
        return
    with home.with_suffix(".use").open("a") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH)
        os.utime(home / ".ready")
        yield


def sweep_environments(parent: Path, before: float) -> int:
    """Remove environments last taken into use before `before` that nobody holds; how many went."""
    gone = 0
    for mark in parent.glob("*/.ready"):
        home = mark.parent
        if mark.stat().st_mtime >= before:
            continue
        with home.with_suffix(".use").open("a") as file:
            if _try_lock(file.fileno()):
                shutil.rmtree(home, ignore_errors=True)
                gone += 1
    return gone


def _ready(home: Path) -> bool:
    return (home / ".ready").exists() and (home / "bin" / "python").exists()


async def _build(home: Path, spec: Spec, options: RenderOptions, index: str) -> None:
    log.info("render_environment_building", path=str(home))
    await asyncio.to_thread(shutil.rmtree, home, True)
    with tempfile.TemporaryDirectory(prefix="aicore-sync-") as place:
        hashed, more = await asyncio.to_thread(_written, spec, Path(place))
        order = Install(home, hashed, options.install_deadline, options.progress, more, spec.base, index)
        await install(order)
    (home / ".ready").write_text(spec.hashed() + _lines(spec.loose()), encoding="utf-8")
    log.info("render_environment_ready", path=str(home))


def _written(spec: Spec, place: Path) -> tuple[Path, tuple[tuple[str, ...], ...]]:
    """The file with hashes, and what to install beside: the environment's own, which the pinned ones constrain."""
    texts = {
        "hashed": spec.hashed(),
        "constraints": _lines(spec.pins()),
        "requirements": _lines(spec.loose()),
    }
    files = {name: place / f"{name}.txt" for name in texts}
    for name, text in texts.items():
        files[name].write_text(text, encoding="utf-8")
    more = ("-r", str(files["requirements"]), "-c", str(files["constraints"]))
    return files["hashed"], ((more,) if spec.loose() else ())


def _lines(words: tuple[str, ...]) -> str:
    return "".join(f"{word}\n" for word in words)


def index_of(options: RenderOptions, dialect: Dialect, name: str = "") -> str:
    """The address of the package index of an environment, "" where the installer knows it by itself."""
    own = _named(options, dialect, name).index_file
    file = own or options.index_file
    try:
        return file.read_text(encoding="utf-8").strip() if file else ""
    except OSError as error:
        key = f"render.environments.{name or dialect}.indexFile" if own else "render.indexFile"
        raise Stalled(
            f"{key}: cannot read {file}: {error.strerror}; it holds the address of the package index in one line",
            reason="EnvironmentFailed",
        ) from error


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Alone among all processes. It is tried, not waited for: a thread that blocks in flock could not be cancelled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not _try_lock(file.fileno()):  # noqa: ASYNC110  another process holds it: no event of ours
            await asyncio.sleep(_LOCK_POLL)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep_old(directory: Path, before: float) -> int:
    """Remove files in `directory` last written or touched before `before` (seconds since the epoch); how many went."""
    gone = 0
    for path in directory.glob("*"):
        with suppress(FileNotFoundError):  # others sweep and rename, too
            if path.stat().st_mtime < before:
                path.unlink()
                gone += 1
    return gone


@contextmanager
def claimed(directory: Path) -> Iterator[Path]:
    """A directory of this process, told apart from leftovers by a lock that dies with us."""
    directory.mkdir(parents=True)
    with (directory / "lock").open("w") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def sweep_unclaimed(parent: Path) -> int:
    """Remove what killed processes left behind; how many directories went."""
    gone = 0
    for directory in parent.glob("*") if parent.is_dir() else ():
        try:
            with (directory / "lock").open("w") as file:
                dead = _try_lock(file.fileno())
        except OSError:  # not yet locked by its owner, or already gone
            continue
        if dead:
            shutil.rmtree(directory, ignore_errors=True)
            gone += 1
    return gone
