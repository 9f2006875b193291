"""The name in the owner's lock: kept by the disk, used by one process at a time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from aicore_sync.app.identity import identity
from aicore_sync.app.tasks import background
from aicore_sync.core.errors import Transient

HOLD = """
import sys
from pathlib import Path
from aicore_sync.app.identity import identity
with identity(Path(sys.argv[1]), "team") as name:
    print(name, flush=True)
    sys.stdin.readline()
"""


def test_the_disk_keeps_the_name(tmp_path: Path) -> None:
    with identity(tmp_path / "cache", "team") as first:
        pass
    with identity(tmp_path / "cache", "team") as again:
        assert again == first
    with identity(tmp_path / "other", "team") as other:
        assert other != first


def test_a_second_process_has_a_name_of_its_own_and_a_dead_one_leaves_its_name(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        name = process.stdout.readline().strip()
        with identity(tmp_path, "team") as beside:
            assert beside != name
        process.kill()
        process.wait()
        with identity(tmp_path, "team") as after:
            assert after == name


def test_owners_that_share_a_cache_directory_have_names_of_their_own(tmp_path: Path) -> None:
    with identity(tmp_path, "demo") as demo, identity(tmp_path, "own") as own:
        assert demo != own
    with identity(tmp_path, "own") as again:
        assert again == own, "another owner's service does not cost ours its name"


async def test_one_error_of_background_work_comes_out_as_itself() -> None:
    async def fails() -> None:
        raise Transient("the lock is gone", reason="LockLost")

    with pytest.raises(Transient, match="the lock is gone"):
        async with background(fails()):
            await asyncio.sleep(3600)
