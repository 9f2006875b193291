from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import (
    DirModifiedEvent,
    FileClosedNoWriteEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    FileSystemEvent,
)
from watchdog.observers.polling import PollingObserver

from aicore_sync.controller import watch
from aicore_sync.controller.mounts import remote_type
from aicore_sync.controller.source import scan
from aicore_sync.controller.watch import Watcher, WatchOptions

FAST: dict[str, Any] = {"quiet": 0.05, "at_most": 1.0, "check": 0.05, "rescan": 3600.0}
DEADLINE = 10.0


class Watching:
    """A running watcher and its wake-ups."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.metrics: list[str] = []
        self._changes: asyncio.Queue[None] = asyncio.Queue()
        self.watcher = Watcher(
            root,
            lambda: self._changes.put_nowait(None),
            WatchOptions(**{**FAST, **options}),
            self.metrics.append,
        )

    async def changed(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._changes.get()

    async def sees(self, expected: set[str]) -> None:
        """Scans on every wake-up until the source holds exactly these files."""

        async with asyncio.timeout(DEADLINE):
            while set(scan(self.root).files) != expected:
                await self._changes.get()

    async def wakes_for(self, action: Callable[[], object]) -> None:
        await asyncio.to_thread(action)
        await self.changed()


@asynccontextmanager
async def watching(root: Path, **options: Any) -> AsyncIterator[Watching]:
    found = Watching(root, **options)
    task = asyncio.create_task(found.watcher.run())
    try:
        await found.changed()  # the watch stands
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def replace(path: Path, text: str, temporary: Path) -> None:
    temporary.write_text(text)
    temporary.rename(path)


ACTIONS: dict[str, Callable[[Path, Path], object]] = {
    "create": lambda root, outside: (root / "new.py").write_text("new"),
    "write": lambda root, outside: (root / "a.py").write_text("newer"),
    "atomic save": lambda root, outside: replace(root / "a.py", "atomic", root / ".a.py.tmp"),
    "atomic save from outside": lambda root, outside: replace(root / "a.py", "atomic", outside / "a.tmp"),
    "rename": lambda root, outside: (root / "a.py").rename(root / "b.py"),
    "delete": lambda root, outside: (root / "a.py").unlink(),
    "write below": lambda root, outside: (root / "x/y/f.py").write_text("deep"),
    "new directories": lambda root, outside: (root / "p/q/r").mkdir(parents=True),
    "directory moved in": lambda root, outside: (outside / "dir").rename(root / "dir"),
    "directory moved out": lambda root, outside: (root / "x").rename(outside / "x"),
    "rights": lambda root, outside: (root / "a.py").chmod(0o600),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
async def test_every_way_to_change_something_wakes(
    tmp_path: Path, action: Callable[[Path, Path], object]
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "x/y").mkdir(parents=True)
    (root / "a.py").write_text("a")
    (outside / "dir/deep").mkdir(parents=True)
    async with watching(root) as found:
        await found.wakes_for(lambda: action(root, outside))
        assert found.watcher.counts["burst"] == 1


async def test_directories_that_came_later_are_watched(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "moved/deep").mkdir(parents=True)
    async with watching(root) as found:
        await found.wakes_for((tmp_path / "moved").rename(root / "moved").exists)
        await found.wakes_for(lambda: (root / "moved/deep/m.py").write_text("m"))
        await found.sees({"moved/deep/m.py"})


async def test_polling_sees_changes_too(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")
    async with watching(tmp_path, mode="poll", poll_interval=0.05) as found:
        await found.wakes_for(lambda: (tmp_path / "a.py").write_text("changed"))
        await found.wakes_for((tmp_path / "a.py").unlink)
        assert isinstance(found.watcher._observer, PollingObserver)


async def test_a_git_checkout_ends_in_a_complete_view(tmp_path: Path) -> None:
    def git(*args: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=empty"]
        subprocess.run(["git", *identity, *args], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("commit", "-q", "--allow-empty", "-m", "nothing")
    git("checkout", "-q", "-b", "full")
    names = {f"d{number % 10}/f{number}.py" for number in range(300)}
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    git("add", ".")
    git("commit", "-qm", "full")
    async with watching(tmp_path) as found:
        await asyncio.to_thread(git, "checkout", "-q", "empty")
        await found.sees(set())
        await asyncio.to_thread(git, "checkout", "-q", "full")
        await found.sees(names)


async def test_a_config_map_swap_wakes(tmp_path: Path) -> None:
    for version in ("..1", "..2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "cfg.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "cfg.yaml").symlink_to("..data/cfg.yaml")

    def swap() -> None:
        (tmp_path / "..data_tmp").symlink_to("..2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        shutil.rmtree(tmp_path / "..1")

    async with watching(tmp_path) as found:
        before = scan(tmp_path).files
        await found.wakes_for(swap)
        assert set(scan(tmp_path).files) == set(before)
        assert scan(tmp_path).files != before


async def test_a_replaced_root_is_watched_again(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()

    def replace_root() -> None:
        root.rename(tmp_path / "old")
        root.mkdir()

    async with watching(root) as found:
        await asyncio.to_thread(replace_root)
        while not found.watcher.counts["root_replaced"]:
            await found.changed()
        await found.wakes_for(lambda: (root / "a.py").write_text("a"))
        await found.sees({"a.py"})
        assert "root_replaced" in found.metrics


async def test_a_root_that_is_a_link_is_followed_when_it_is_swapped(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / f"{version}.py").write_text(version)
    root = tmp_path / "current"
    root.symlink_to("one")

    def swap() -> None:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(root)

    async with watching(root) as found:
        await found.wakes_for(swap)
        await found.sees({"two.py"})
        await found.wakes_for(lambda: (tmp_path / "two/new.py").write_text("n"))


async def test_a_root_that_comes_later_is_watched(tmp_path: Path) -> None:
    root = tmp_path / "later"
    async with watching(root) as found:
        await found.wakes_for(root.mkdir)
        await found.wakes_for(lambda: (root / "a.py").write_text("a"))


async def test_an_overflow_causes_a_scan_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inotify_c = pytest.importorskip("watchdog.observers.inotify_c")
    lost = struct.pack("iIII", -1, inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, 0)
    read = inotify_c.InotifyFD._read_event_buffer

    def overflowing(self: Any, size: int) -> bytes:
        """What the kernel says instead of what happened, once."""
        happened: bytes = read(self, size)
        return said.pop() if said else happened

    said: list[bytes] = []
    monkeypatch.setattr(inotify_c.InotifyFD, "_read_event_buffer", overflowing)
    async with watching(tmp_path) as found:
        said.append(lost)
        await found.wakes_for((tmp_path / ".hidden").touch)
        assert found.watcher.counts["overflow"] == 1
    assert not [
        h for h in logging.getLogger("watchdog.observers.inotify_c").handlers if "Overflow" in repr(h)
    ]


async def test_a_dead_observer_is_replaced(tmp_path: Path) -> None:
    async with watching(tmp_path) as found:
        observer = found.watcher._observer
        assert observer is not None
        await found.wakes_for(observer.stop)
        assert found.watcher.counts["observer_died"] == 1
        await found.wakes_for(lambda: (tmp_path / "a.py").write_text("a"))


async def test_without_events_there_is_a_rescan(tmp_path: Path) -> None:
    async with watching(tmp_path, rescan=0.05) as found:
        await found.changed()
        await found.changed()
        assert found.watcher.counts["rescan"] >= 2
        assert found.watcher.counts["burst"] == 0


async def test_writes_that_never_end_do_not_hold_back_the_wake_up(tmp_path: Path) -> None:
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            (tmp_path / "log.txt").write_text(str(asyncio.get_running_loop().time()))
            await asyncio.sleep(0.01)

    async with watching(tmp_path, quiet=5.0, at_most=0.2) as found:
        writer = asyncio.create_task(write())
        await found.changed()
        await found.changed()
        stop.set()
        await writer


async def test_a_watcher_stops_even_when_an_event_comes_at_the_same_moment(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, lambda: None, WatchOptions(**FAST))
    task = asyncio.create_task(watcher.run())
    while not watcher.counts["started"]:
        await asyncio.sleep(0)
    watcher._wake.set()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=DEADLINE)
    assert done
    assert task.cancelled()


async def test_without_kernel_watches_it_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted(PollingObserver):
        def schedule(self, *args: Any, **kwargs: Any) -> Any:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(watch, "Observer", Exhausted)
    async with watching(tmp_path, poll_interval=0.05) as found:
        assert found.watcher.counts["fell_back"] == 1
        await found.wakes_for(lambda: (tmp_path / "a.py").write_text("a"))


@pytest.mark.parametrize(
    ("event", "wakes"),
    [
        (FileOpenedEvent("/s/a.py"), False),
        (FileClosedNoWriteEvent("/s/a.py"), False),
        (DirModifiedEvent("/s"), False),
        (FileModifiedEvent("/s/.git/index"), False),
        (FileModifiedEvent("/s/__pycache__/a.pyc"), False),
        (FileModifiedEvent("/s/.a.py.swp"), False),
        (FileModifiedEvent("/s/a.py"), True),
        (FileModifiedEvent(b"/s/a.py"), True),
        (FileMovedEvent("/s/.a.tmp", "/s/a.py"), True),
        (FileMovedEvent("/s/..data_tmp", "/s/..data"), True),
        (FileMovedEvent("/s/.git/index.lock", "/s/.git/index"), False),
    ],
)
async def test_which_events_count(event: FileSystemEvent, wakes: bool) -> None:
    wake = asyncio.Event()
    handler = watch._Handler(asyncio.get_running_loop(), wake, "/s")
    await asyncio.to_thread(handler.dispatch, event)
    await asyncio.sleep(0)
    assert wake.is_set() is wakes


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/x /mnt/nfs nfs4 rw 0 0
/dev/vdb /mnt/nfs/local xfs rw 0 0
share /mnt/with\\040blank cifs rw 0 0
s3fs /buckets fuse.s3fs rw 0 0
tmpfs /buckets tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/x", None),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/flows", "nfs4"),
        ("/mnt/nfsx", None),
        ("/mnt/nfs/local/flows", None),
        ("/mnt/with blank/flows", "cifs"),
        ("/buckets/a", None),
    ],
)
def test_network_mounts_are_recognised(path: str, expected: str | None) -> None:
    assert remote_type(Path(path), MOUNTS) == expected


def test_the_machines_own_mounts_can_be_read() -> None:
    assert watch._remote_type(Path(os.devnull).parent) is None
