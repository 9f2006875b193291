"""Packages of one flow, from its own requirements file: beside an environment, never in it.

    <cache>/own/<digest>/        what was installed; `.ready` is written last and touched at every use
    <cache>/own/<digest>.lock    held by the process that installs; the others wait

Only wheels, so that nothing of theirs runs when they are installed; only on the path of the flow's own child, behind
its walls, and after everything that the environment has.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from aicore_sync.core.errors import Stalled
from aicore_sync.render.background import Slow
from aicore_sync.render.environments import index_of, locked, spec_of
from aicore_sync.render.installer import Install, install_beside
from aicore_sync.render.model import Dialect, RenderFailed, RenderOptions

log = structlog.get_logger()


def place_of(options: RenderOptions) -> Path:
    """The directory of all flows' packages; made here, since walls leave it open to children."""
    place = options.cache_dir.absolute() / "own"
    place.mkdir(parents=True, exist_ok=True)
    return place


@dataclass(frozen=True)
class Own:
    """The packages of one flow: lines of a requirements file, for a dialect and a named environment ("": none)."""

    dialect: Dialect
    lines: tuple[str, ...]
    rendering: str = ""


async def own_packages(
    options: RenderOptions, python: Path, own: Own, slow: Slow = lambda what: None
) -> Path:
    """A directory with a flow's packages for the environment of `python`, installed if absent.

    `slow` is called before they are installed. Raises RenderFailed when they cannot be, Transient when the package
    index is out of reach.
    """
    pins = await asyncio.to_thread(spec_of(options, own.dialect, own.rendering).pins)
    home = await asyncio.to_thread(_home, options, python, (*pins, "", *own.lines))
    mark = home / ".ready"
    if not mark.exists():
        slow("what the flow's requirements file names")
        async with locked(home.with_suffix(".lock")):
            if not mark.exists():
                index = await asyncio.to_thread(index_of, options, own.dialect, own.rendering)
                order = Install(
                    home, home, options.install_deadline, options.progress, base=python, index=index
                )
                await _install(order, pins, own.lines)
    os.utime(mark)
    return home


def _home(options: RenderOptions, python: Path, wanted: tuple[str, ...]) -> Path:
    content = "\0".join((str(python.resolve()), str(python.stat().st_mtime_ns), *wanted))
    return place_of(options) / hashlib.sha256(content.encode()).hexdigest()[:16]


async def _install(order: Install, *wanted: tuple[str, ...]) -> None:
    home = order.home
    log.info("flow_packages_installing", path=str(home))
    await asyncio.to_thread(shutil.rmtree, home, True)
    with tempfile.TemporaryDirectory(prefix="aicore-sync-") as scratch:
        constraints, requirements = Path(scratch, "constraints.txt"), Path(scratch, "requirements.txt")
        for file, lines in zip((constraints, requirements), wanted, strict=True):
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        try:
            await install_beside(replace(order, requirements=requirements), constraints)
        except Stalled as error:  # what the flow asks for, not the environment, is at fault
            raise RenderFailed(error.message) from error
    await asyncio.to_thread(_open, home)
    (home / ".ready").touch()


def _open(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)  # whatever our umask: children are other users
