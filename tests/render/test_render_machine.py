"""What this machine gives and lacks decides about walls and limits, and is never told as a fault of the flow."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
import render_flows as flows

from aicore_sync.core.errors import Transient
from aicore_sync.render import Renderer, RenderFailed
from aicore_sync.render.child import Ended, Limits
from aicore_sync.render.failure import silent
from aicore_sync.render.worker import child
from aicore_sync.render.worker.walls import Walls

pytest_plugins = ("render_rooms",)


@pytest.mark.parametrize(
    ("landlock", "missing"),
    [
        (0, ("mounts (no)", "pids (no)")),
        (2, ("mounts (no)", "pids (no)")),  # truncate(2) empties files outside
        (3, ("pids (no)",)),
        (6, ()),
    ],
)
def test_landlock_stands_in_only_for_what_its_version_keeps(landlock: int, missing: tuple[str, ...]) -> None:
    refused = (("mounts", "no"), ("pids", "no"))
    assert Walls("/rooms", (), hushed=True, fenced=landlock, refused=refused).missing == missing


# Another user's pod, as the kernel sees it: processes of the same number, which are none of ours.
CROWD = """
import os, threading, time
os.setresuid(65534, 65534, 65534)
threading.stack_size(1 << 16)
for _ in range(600):
    threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
print("there", flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="needs root on Linux to start processes of another user",
)
@pytest.mark.asyncio(loop_scope="session")
async def test_other_processes_of_the_same_user_cost_no_render(renderer: Renderer, tmp_path: Path) -> None:
    command = (sys.executable, "-I", "-c", CROWD)
    crowd = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert crowd.stdout is not None
        assert await crowd.stdout.readline() == b"there\n"
        assert (await renderer.render(flows.job(tmp_path, flows.LINEAR))).uploads
    finally:
        crowd.kill()
        await crowd.wait()


def ended(errors: str) -> Ended:
    return Ended(child.FAULT, timed_out=False, flooded=False, result=b"", errors=errors, stuck="")


def test_what_fails_beside_the_flow_is_tried_again(tmp_path: Path) -> None:
    job, limits = flows.job(tmp_path, flows.LINEAR), Limits(60, 1 << 30, 1 << 20)
    told = silent(ended(f"Traceback …\nOSError: no mounts left\n{child.CONFESSION}\n"), job, limits)
    assert isinstance(told, Transient)
    assert told.reason == "RenderUnavailable"
    assert "failed: OSError: no mounts left; it is tried again" in told.message
    assert isinstance(silent(ended("bye"), job, limits), RenderFailed)  # the flow's own os._exit
