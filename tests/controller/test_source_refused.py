"""A path that may not be looked into hides nothing: what was there stays, what may be there is not gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aicore_sync.controller.source import Origin, Sources, View, scan


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def link_out(path: Path) -> None:
    path.symlink_to("/usr/lib")


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(".")


def link_into_version_control(path: Path) -> None:
    (path.parent / ".git").mkdir()
    path.symlink_to(".git")


REFUSED = [link_out, link_to_nothing, link_to_itself, link_into_version_control, os.mkfifo]


@pytest.mark.parametrize("refuse", REFUSED)
def test_what_was_known_where_a_path_is_refused_now_stays(
    tmp_path: Path, refuse: Callable[[Path], None]
) -> None:
    for name in ("train/flow.py", "train/lib/x.py", "other.py"):
        put(tmp_path, name, name)
    before = scan(tmp_path)
    shutil.rmtree(tmp_path / "train")
    refuse(tmp_path / "train")
    for _ in range(3):
        after = scan(tmp_path, previous=before)
        assert after.files == before.files
        assert not after.complete
        assert [p.file for p in after.hiding] == ["train"]
        before = after
    (tmp_path / "train").unlink()
    gone = scan(tmp_path, previous=after)
    assert gone.complete
    assert list(gone.files) == ["other.py"]


@pytest.mark.parametrize(
    ("name", "refuse", "complete"),
    [
        ("train", link_out, False),
        ("train", link_to_nothing, False),
        ("flow.py", os.mkfifo, False),
        ("aicore.yaml", os.mkfifo, False),
        ("one.aicore.yaml", link_to_nothing, False),
        ("data.csv", os.mkfifo, True),
        ("data.csv", lambda path: path.symlink_to("/etc/passwd"), True),
        ("bad\udcff", lambda path: path.mkdir(), False),
        ("bad\udcff.py", lambda path: path.touch(), False),
        ("bad\udcff.csv", lambda path: path.touch(), True),
    ],
)
def test_a_first_scan_is_complete_unless_a_flow_may_be_where_a_path_is_refused(
    tmp_path: Path, name: str, refuse: Callable[[Path], None], complete: bool
) -> None:
    refuse(tmp_path / name)
    found = scan(tmp_path)
    assert found.complete is complete
    assert len(found.problems) == 1
    assert scan(tmp_path, exclude=["*"]).complete or not name.isprintable()


def test_too_deep_a_directory_may_hold_a_flow(tmp_path: Path) -> None:
    put(tmp_path, "d/" * 70 + "flow.py", "f")
    found = scan(tmp_path)
    assert not found.complete
    assert [p.found for p in found.problems] == ["more than 64 directories deep"]


def source(root: Path) -> Sources:
    return Sources([Origin(lambda: View(root))])


def test_a_refused_path_is_read_as_it_was_and_nothing_outside_is_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(root, "train/flow.py", "f\r\n")
    put(outside, "flow.py", "secret")
    found = source(root)
    found.scan()
    assert found.text("train/flow.py") == "f\n"
    shutil.rmtree(root / "train")
    (root / "train").symlink_to(outside)
    assert "train/flow.py" in found.scan().files
    assert found.text("train/flow.py") == "f\n"
    with pytest.raises(OSError, match="leaves the source"):
        source(root).text("train/flow.py")
    (root / "train").unlink()
    os.mkfifo(root / "pipe.py")
    with pytest.raises(OSError, match="not a regular file"):
        found.text("pipe.py")
