"""Same input, same bytes: whoever renders, from wherever, in both dialects."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import render_flows as flows

from aicore_sync.render import Dialect, Renderer

pytest_plugins = ("render_rooms",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

RENDER = """
import asyncio, hashlib, json, os, sys
from pathlib import Path
from aicore_sync.render import Environment, Renderer, RenderJob, RenderOptions
async def main():
    dialect, cache, python, source, mask = sys.argv[1:]
    os.umask(int(mask, 8))
    renderer = Renderer(RenderOptions(Path(cache), dialect, environments={dialect: Environment(Path(python))}))
    try:
        job = RenderJob(Path(source), "flow.py", "s3://b/p", "a-flow", image="r.io/x:1", dialect=dialect)
        done = await renderer.render(job)
    finally:
        await renderer.aclose()
    text = json.dumps(done.document, sort_keys=True)
    made = [text, [(u.url, u.digest) for u in done.uploads], done.user_files, done.included, done.warnings]
    print("SAME " + json.dumps([os.getuid(), hashlib.sha256(json.dumps(made).encode()).hexdigest()]))
asyncio.run(main())
"""


def written(directory: Path, names: tuple[str, ...], mode: int) -> Path:
    """The flow's files, made in this order with this mode."""
    directory.mkdir(parents=True)
    (directory / "part").mkdir()
    for name in names:
        file = directory / name
        file.write_text(flows.INCLUDE if name == "flow.py" else f"{Path(name).name}\n")
        file.chmod(mode)
        os.utime(file, (mode, mode))
    return directory


NAMES = ("flow.py", "data.csv", "a.py", "b.py", "part/c.py")


def said(
    dialect: Dialect, python: Path, wrap: tuple[str, ...], source: Path, mask: str, **env: str
) -> list[str]:
    command = [
        *wrap,
        sys.executable,
        "-c",
        RENDER,
        dialect,
        str(source.parent / "cache"),
        str(python),
        str(source),
        mask,
    ]
    done = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, check=False, cwd="/"
    )
    assert "SAME " in done.stdout, done.stderr
    return done.stdout.partition("SAME ")[2].strip("[] \n").split(", ")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="another user needs unshare")
@pytest.mark.parametrize("dialect", ["native", "plugin"])
async def test_user_umask_directory_modes_order_and_hash_seed_do_not_count(
    renderer: Renderer, tmp_path: Path, dialect: Dialect
) -> None:
    python = (await renderer._toolchains.get(dialect, "")).workers.ground.python
    here = written(tmp_path / "here" / "flow", NAMES, 0o644)
    there = written(tmp_path / ".hidden" / "there" / "flow", NAMES[::-1], 0o600)
    another = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    other = {
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "USER": "somebody",
        "METAFLOW_USER": "else",
    }
    mine = await asyncio.to_thread(said, dialect, python, (), here, "022", PYTHONHASHSEED="0")
    theirs = await asyncio.to_thread(said, dialect, python, another, there, "077", **other)
    assert mine[0] != theirs[0] == "1000"
    assert mine[1] == theirs[1]
