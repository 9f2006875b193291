"""Children and their parents: nothing escapes, nothing stays behind, and nobody pays for another's flow."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import render_flows as flows

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.render import Rendered, Renderer, RenderFailed
from aicore_sync.render.parent import WORKER, Parent

pytest_plugins = ("render_rooms",)
pytestmark = pytest.mark.asyncio(loop_scope="session")
root_on_linux = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux for another user"
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bare(python: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Renderer]:
    """Without walls: what remains is what every system gives."""
    cache = tmp_path_factory.mktemp("bare")
    made = Renderer(flows.with_native(cache, python, sandbox="off", concurrency=4))
    yield made
    await made.aclose()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def running(word: str) -> list[int]:
    """Living processes that have `word` as an argument."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


def family(pid: int) -> list[int]:
    """The descendants of `pid`, in no order."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(place.parent.name)] = int(place.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found, more = [], [pid]
    while more:
        more = [child for child, parent in parents.items() if parent in more]
        found += more
    return found


def warm(renderer: Renderer) -> Parent:
    parent = renderer._toolchains._known["native", ""].workers._warm
    assert parent is not None
    return parent


def same(one: Rendered, two: Rendered) -> bool:
    texts = [json.dumps(r.document, sort_keys=True) for r in (one, two)]
    return texts[0] == texts[1] and one.uploads == two.uploads and one.user_files == two.user_files


@pytest.mark.parametrize(
    "text", [flows.LINEAR, flows.PARAMETERS, flows.INCLUDE, flows.FOREACH, flows.wide(12)]
)
async def test_a_warm_parent_gives_what_a_cold_one_gives(
    renderer: Renderer, tmp_path: Path, text: str
) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    job = flows.job(tmp_path, text)
    one = await renderer.render(job)
    toolchain = renderer._toolchains._known["native", ""]
    task = renderer._task(job, toolchain.library)
    assert same(one, await toolchain.workers.alone(task, renderer._limits))
    bare_image = flows.job(tmp_path, text, image="", datastore_root="s3://other/place/")
    two = await renderer.render(bare_image)
    assert "python:3." in json.dumps(two.document)
    assert "bucket/flows" not in json.dumps(two.document)


def leaving(word: str) -> str:
    return f"import subprocess\nsubprocess.Popen(['sleep', '{word}'], start_new_session=True)\n"


async def test_nothing_stays_behind(renderer: Renderer, bare: Renderer, tmp_path: Path) -> None:
    job = flows.job(tmp_path, leaving("1234.5") + flows.LINEAR)
    await asyncio.gather(renderer.render(job), bare.render(job))
    await until(lambda: not running("1234.5"))


async def test_a_cancelled_render_is_killed(renderer: Renderer, tmp_path: Path) -> None:
    text = leaving("1234.6") + "import time\ntime.sleep(60)\n"
    task = asyncio.create_task(renderer.render(flows.job(tmp_path, text)))
    await until(lambda: running("1234.6"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not running("1234.6"))


async def test_a_child_killed_from_outside_is_tried_again_alone(bare: Renderer, tmp_path: Path) -> None:
    text = leaving("1234.7") + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    with pytest.raises(Transient, match="killed"):
        await bare.render(flows.job(tmp_path, text))
    await until(lambda: not running("1234.7"))


GRANDPARENT = """
import os, time
guard = open(f"/proc/{os.getppid()}/stat").read().rsplit(")", 1)[1].split()[1]
time.sleep(0.2)
os.kill(int(guard), 9)
time.sleep(60)
"""


async def test_who_kills_the_parent_stops_nobody_else(bare: Renderer, tmp_path: Path) -> None:
    await bare.start()
    before = warm(bare).pid
    slow = "import time\ntime.sleep(1)\n" + flows.LINEAR
    innocent = [bare.render(flows.job(tmp_path / str(n), slow)) for n in range(2)]
    killer = bare.render(flows.job(tmp_path / "killer", leaving("1234.8") + GRANDPARENT))
    *good, bad = await asyncio.gather(*innocent, killer, return_exceptions=True)
    assert [type(r) for r in good] == [Rendered] * 2, good
    assert isinstance(bad, Transient)
    assert (await bare.render(flows.job(tmp_path / "next", flows.LINEAR))).uploads
    assert warm(bare).pid != before
    await until(lambda: not running("1234.8"))


async def test_a_hung_parent_is_found_and_replaced(
    bare: Renderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aicore_sync.render.parent._PING_AFTER", 0.1)
    monkeypatch.setattr("aicore_sync.render.parent._PATIENCE", 1.0)
    await bare.start()
    os.kill(warm(bare).pid, signal.SIGSTOP)
    assert (await bare.render(flows.job(tmp_path, flows.LINEAR))).uploads


async def test_our_own_code_may_lie_in_a_closed_directory(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the home of another user."""
    closed = tmp_path / "closed"
    shutil.copytree(WORKER, closed / "worker")
    closed.chmod(0o700)
    monkeypatch.setattr("aicore_sync.render.parent.WORKER", closed / "worker")
    renderer = Renderer(flows.with_native(tmp_path / "cache", python))
    try:
        assert (await renderer.render(flows.job(tmp_path / "flow", flows.LINEAR))).uploads
        learn = closed / "worker/native.py"
        text = learn.read_text()
        learn.write_text(
            text.replace("    inspect.getblock", "    raise OSError('no such luck')\n    inspect.getblock")
        )
        broken = Renderer(flows.with_native(tmp_path / "other", python))
        with pytest.raises(Stalled, match="no such luck"):
            await broken.render(flows.job(tmp_path / "next", flows.LINEAR))
        await broken.aclose()
    finally:
        await renderer.aclose()


NOBODY = "99999999"  # no process can have this number
LOOK = """
import os
def can(action):
    try:
        action()
        return True
    except OSError:
        return False
import socket
def reach(address):
    with socket.socket() as s:
        s.settimeout(5)
        s.connect(address)
raise ValueError(dict(
    network=can(lambda: reach(("127.0.0.1", PORT))),
    user=os.getuid(), groups=os.getgroups(), me=os.getpid(), parent=os.getppid(),
    processes=sum(n.isdigit() for n in os.listdir("/proc")),
    kill=can(lambda: os.kill(int(PID), 9)),
    here=can(lambda: open("file", "w")), tmp=can(lambda: open("/tmp/file", "w")),
    elsewhere=can(lambda: open(SOURCE + "/file", "w")), seen=os.path.exists(SOURCE),
    again=can(lambda: os.setuid(0)),
))
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody on this machine's loopback whom a render might reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def facts(source: Path, listener: socket.socket) -> str:
    """What `LOOK` looks for."""
    port = listener.getsockname()[1]
    return f"PID, SOURCE, PORT = {os.getpid()}, {str(source)!r}, {port}\n"


async def test_without_walls_the_network_is_open(
    bare: Renderer, tmp_path: Path, listener: socket.socket
) -> None:
    """What the walls are compared with: the look itself works."""
    with pytest.raises(RenderFailed) as caught:
        await bare.render(
            flows.job(tmp_path, facts(tmp_path, listener).replace(str(os.getpid()), NOBODY) + LOOK)
        )
    assert "'network': True" in caught.value.message


SPY = """
import glob
found = []
for place in glob.glob("/proc/[0-9]*/environ"):
    try:
        found += [w for w in open(place, "rb").read().split(b"\\0") if w.startswith(b"SERVICE_SECRET=")]
    except OSError:
        pass
raise ValueError(found)
"""


@pytest.mark.slow
@root_on_linux
async def test_our_environment_is_closed_even_to_our_own_user(python: Path, tmp_path: Path) -> None:
    """Without any wall a render is the same user as the service."""
    flows.job(tmp_path / "source", SPY)
    wrap = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "env", "SERVICE_SECRET=x")
    places = (str(tmp_path / "cache"), str(python), str(tmp_path / "source"))
    said = await alone(*wrap, sys.executable, "-c", ALONE, "off", *places)
    assert said.endswith("ValueError: []"), said


@root_on_linux
async def test_the_walls_stand(python: Path, tmp_path: Path, listener: socket.socket) -> None:
    made = Renderer(flows.with_native(tmp_path / "cache", python, sandbox="strict"))
    source = tmp_path / "source"
    text = facts(source, listener) + LOOK
    with pytest.raises(RenderFailed) as caught:
        await made.render(flows.job(source, text))
    await made.aclose()
    seen = eval(caught.value.message.partition("ValueError: ")[2])
    assert seen == {
        **{"user": 65534, "groups": [], "me": 1, "parent": 0, "processes": 1, "kill": False},
        **{"here": True, "tmp": True, "elsewhere": False, "seen": False, "again": False, "network": False},
    }
    assert os.listdir(source) == ["flow.py"]


ALONE = """
import asyncio, json, sys
from pathlib import Path
from aicore_sync.render import Environment, Renderer, RenderJob, RenderOptions
async def main():
    sandbox, cache, python, source = sys.argv[1:]
    environments = {"native": Environment(Path(python))}
    renderer = Renderer(RenderOptions(Path(cache), environments=environments, sandbox=sandbox))
    try:
        await renderer.render(RenderJob(Path(source), "flow.py", "s3://b/p", "a-flow"))
    finally:
        await renderer.aclose()
asyncio.run(main())
"""


async def test_children_die_with_us_and_leave_no_rooms(python: Path, tmp_path: Path) -> None:
    cache, source = tmp_path / "cache", tmp_path / "source"
    flows.job(source, leaving("1234.9") + "import time\ntime.sleep(60)\n")
    parent = subprocess.Popen([sys.executable, "-c", ALONE, "auto", str(cache), str(python), str(source)])
    try:
        await until(lambda: running("1234.9"))
        everybody = family(parent.pid)
        assert len(everybody) >= 4
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    await until(lambda: not running("1234.9"))
    await until(lambda: not [p for p in everybody if Path(f"/proc/{p}/cmdline").exists()])
    assert list((cache / "renders").iterdir())
    heir = Renderer(flows.with_native(cache, python, now=lambda: time.time() + 30 * 86400))
    await heir.start()
    await heir.aclose()
    assert not list((cache / "renders").iterdir())


async def alone(*wrapped: str) -> str:
    """The last line of stderr of a render in a process of its own."""
    done = await asyncio.to_thread(subprocess.run, wrapped, capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
@root_on_linux
async def test_a_user_namespace_serves_who_is_not_root(
    python: Path, tmp_path: Path, listener: socket.socket
) -> None:
    source = tmp_path / "source"
    flows.job(source, facts(source, listener) + LOOK)
    wrap = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    places = (str(tmp_path / "cache"), str(python), str(source))
    said = await alone(*wrap, sys.executable, "-c", ALONE, "strict", *places)
    seen = eval(said.rpartition("ValueError: ")[2])
    assert (seen["user"], seen["me"], seen["processes"]) == (1000, 1, 1)
    assert [seen[it] for it in ("kill", "elsewhere", "again", "network")] == [False] * 4
    assert (seen["here"], seen["tmp"]) == (True, True)


@root_on_linux
@pytest.mark.parametrize(
    ("sandbox", "says"),
    [
        ("strict", "render.sandbox: strict, but this system does not give user ("),
        pytest.param("auto", "flow.py: no class derives from FlowSpec", marks=pytest.mark.slow),
    ],
)
async def test_a_root_of_nothing_is_told_what_is_missing(
    python: Path, tmp_path: Path, sandbox: str, says: str
) -> None:
    flows.job(tmp_path / "source", "import os\nassert os.getpid() == 1\n")
    places = (str(tmp_path / "cache"), str(python), str(tmp_path / "source"))
    said = await alone("unshare", "--map-root-user", sys.executable, "-c", ALONE, sandbox, *places)
    assert says in said


FORK_BOMB = """
import os, time
for number in range(3000):
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
"""


@pytest.mark.slow
@root_on_linux
async def test_a_fork_bomb_costs_its_flow_only(renderer: Renderer, tmp_path: Path) -> None:
    """Processes are counted by user, so another flow at the same time may be short of them, and is not after."""
    before = warm(renderer).pid
    with pytest.raises(RenderFailed, match=r"flow.py:\d+: BlockingIOError|not rendered within|together"):
        await renderer.render(flows.job(tmp_path / "bomb", leaving("1235.1") + FORK_BOMB))
    await until(lambda: not running("1235.1"))
    assert (await renderer.render(flows.job(tmp_path / "next", flows.LINEAR))).uploads
    assert warm(renderer).pid == before


MANY_FILES = """
for number in range(100_000):
    open(f"file-{number}", "w").close()
"""
DELETED = """
import os
held = []
for number in range(200):
    held.append(open("file", "wb"))
    held[-1].write(bytes(1 << 20))
    held[-1].flush()
    os.unlink("file")
import time
time.sleep(60)
"""
MUCH = """
import time
for number in range(100):
    with open(f"file-{number}", "wb") as file:
        file.write(bytes(1 << 20))
time.sleep(60)
"""
FIVE_FORKS = """
import os, time
for number in range(5):
    if os.fork() == 0:
        held = bytearray(os.urandom(1)) * (400 << 20)
        time.sleep(60)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MUCH, "wrote more than 12582912 bytes"),
        (DELETED, "wrote more than 12582912 bytes"),
        (FIVE_FORKS, r"took more than 1073741824 bytes of memory together .* raise render\.memory"),
    ],
)
@root_on_linux
async def test_a_render_is_bounded_as_a_whole(strict: Renderer, tmp_path: Path, text: str, says: str) -> None:
    """Not only its single files and processes. It is said at once, and not tried again."""
    with pytest.raises(RenderFailed, match=says):
        await strict.render(flows.job(tmp_path, leaving("1236.1") + text))
    await until(lambda: not running("1236.1"))


async def test_many_files_are_too_much(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(RenderFailed, match="or 5000 files"):
        await renderer.render(flows.job(tmp_path, MANY_FILES))


@root_on_linux
async def test_home_and_temporary_directory_are_small(renderer: Renderer, tmp_path: Path) -> None:
    text = "import os\nfor place in (os.environ['HOME'], os.environ['TMPDIR']):\n"
    text += "    facts = os.statvfs(place)\n    assert facts.f_blocks * facts.f_frsize == 64 << 20\n"
    text += "    assert facts.f_files == 20 << 10\n    open(place + '/file', 'w').close()\n"
    assert (await renderer.render(flows.job(tmp_path, text + flows.LINEAR))).uploads
