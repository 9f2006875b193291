"""Walls for who is neither root nor may have namespaces: most pods. Real renders in a process without either."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import render_flows as flows

from aicore_sync.render import Renderer, RenderFailed

pytest_plugins = ("render_rooms",)
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux to become a user of nothing"
    ),
]

# Becomes a user without rights, namespaces forbidden, and renders: one whole flow after the one that looks around.
POOR = """
import asyncio, os, sys
from pathlib import Path
from aicore_sync.render import Environment, RenderFailed, Renderer, RenderJob, RenderOptions
from aicore_sync.render.worker import posix
if "poor" not in os.environ:
    posix.unshare(posix.NEW_USER)
    for name, text in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
        Path("/proc/self", name).write_text(text)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.environ["poor"] = "yes"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
async def main():
    sandbox, cache, python, *sources = sys.argv[1:]
    environments = {"native": Environment(Path(python))}
    renderer = Renderer(RenderOptions(Path(cache), environments=environments, sandbox=sandbox))
    try:
        for source in sources:
            try:
                done = await renderer.render(RenderJob(Path(source), "flow.py", "s3://b/p", "a-flow", image="r.io/i:1"))
                print("said made", done.document["metadata"]["name"])
            except RenderFailed as error:
                print("said", error.message.partition("ValueError: ")[2] or error.message)
    finally:
        await renderer.aclose()
asyncio.run(main())
"""

LOOK = """
import os, socket, subprocess
def can(action):
    try:
        action()
        return True
    except OSError as error:
        return error.errno
raise ValueError(dict(
    outside=can(lambda: open(SECRET).read()),
    write=can(lambda: open(os.path.dirname(SECRET) + "/new", "w")),
    etc=can(lambda: open("/etc/hostname")),
    guard=can(lambda: open(f"/proc/{os.getppid()}/environ").read()),
    kill=can(lambda: os.kill(os.getppid(), 0)),
    net=can(lambda: socket.socket()), v6=can(lambda: socket.socket(socket.AF_INET6)),
    daemon=can(lambda: socket.socket(socket.AF_UNIX)), pair=can(socket.socketpair),
    room=can(lambda: open("new", "w")), null=can(lambda: open(os.devnull, "w")),
    program=can(lambda: subprocess.run(["ls", "/usr"], check=True, stdout=subprocess.DEVNULL)),
))
"""


async def poor(*arguments: str) -> list[str]:
    """What POOR said, line by line."""
    command = [sys.executable, "-c", POOR, *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line[5:] for line in done.stdout.splitlines() if line.startswith("said ")]


async def test_strict_walls_stand_without_root_and_namespaces(python: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    flows.job(tmp_path / "looks", f"SECRET = {str(secret)!r}\n{LOOK}")
    flows.job(tmp_path / "whole", flows.LINEAR)
    places = [str(tmp_path / name) for name in ("cache", "looks", "whole")]
    said, made = await poor("strict", places[0], str(python), *places[1:])
    refused, denied, unreachable = 13, 1, 101
    assert eval(said) == {
        **{"outside": refused, "write": refused, "etc": refused, "guard": refused, "kill": denied},
        **{"net": unreachable, "v6": unreachable, "daemon": unreachable, "pair": True},
        **{"room": True, "null": True, "program": True},
    }
    assert made == "made a-flow"


async def test_no_socket_in_a_render(renderer: Renderer, tmp_path: Path) -> None:
    """Not even to a daemon of this machine: the loopback and files below /run are no part of the network's wall."""
    text = "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/docker.sock')\n"
    with pytest.raises(RenderFailed, match=r"OSError: \[Errno 101\] Network is unreachable"):
        await renderer.render(flows.job(tmp_path, text))
