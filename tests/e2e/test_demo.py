"""The demo as a person starts it: everything real, from nothing to healthy, ended by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aicore_sync.core.errors import Stalled
from aicore_sync.demo import World, prepare, room_of

READY: dict[str, Any] = {
    "git": {"url": "http://git", "username": "u", "password": "p"},
    "s3": {"bucket": "b", "endpoint": "http://s3", "region": "r", "accessKey": "a", "secretKey": "s"},
    "serviceKeys": {"default": {}},
}
FLOWS = ("churn-train", "hyper-search", "evaluate", "score-customers")


@pytest.mark.slow
def test_the_demo_ends_with_every_flow_healthy(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("aicore-sync")), "demo", "--once", "--timeout", "300"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path)], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if "Healthy" in line]
    assert all(any(flow in row for row in rows) for flow in FLOWS), done.stdout
    assert done.stdout.count("COMPLETED") >= len(FLOWS)
    assert "every demo flow is healthy" in done.stderr


def test_the_demo_leaves_an_installation_alone(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("owner: production\n")
    command = [str(Path(sys.executable).with_name("aicore-sync")), "demo", "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "name a new or empty directory" in done.stderr) == (2, True), done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == "owner: production\n"


def test_a_demo_goes_on_in_its_directory_with_its_own_flows(tmp_path: Path) -> None:
    world = World(room_of(tmp_path / "new"), READY)
    prepare(world)
    manifests = sorted(world.source.rglob("aicore.yaml"))
    assert len(manifests) == len(FLOWS)
    assert not [m for m in manifests if "$schema" in m.read_text()], "it would lead nowhere"
    shutil.rmtree(world.source / "evaluate")
    mine = world.config.read_text().replace("interval: 20s", "interval: 30s")
    world.config.write_text(mine)
    moved = {
        **READY,
        "git": {**READY["git"], "url": "http://s3:1"},
        "s3": {**READY["s3"], "endpoint": "http://x:2"},
    }
    prepare(World(room_of(tmp_path / "new"), moved))
    assert world.config.read_text() == mine.replace("http://s3", "http://x:2").replace(
        "http://git", "http://s3:1"
    )
    assert not (world.source / "evaluate").exists(), "a flow that was taken away stays away"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "flows").mkdir()
    with pytest.raises(Stalled, match="of no demo"):
        room_of(tmp_path / "other")


@pytest.mark.slow
def test_the_demo_ends_with_its_ai_core_and_says_how_to_go_on(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("aicore-sync")
    command = [str(program), "demo", "--directory", str(tmp_path)]
    elsewhere = {**os.environ, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=elsewhere) as demo:
        assert demo.stderr is not None
        said = []
        for line in demo.stderr:
            said.append(line)
            if "Ctrl-C ends" in line:
                children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
                (core,) = [
                    c for c in children if b"aicore_sync.sandbox" in Path(f"/proc/{c}/cmdline").read_bytes()
                ]
                os.kill(int(core), signal.SIGKILL)
    heard = "".join(said)
    assert demo.returncode == 2, heard
    assert "the small AI Core has ended" in heard
    assert f'make demo ARGS="--directory {tmp_path}"' in heard.splitlines()[-1]
