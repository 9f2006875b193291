"""What is read from a room that belongs to the child."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aicore_sync.render.child import Answer, Limits, Room

LIMITS = Limits(deadline=60, memory=1 << 30, output=1000)
NAMES = ("stdout", "stderr", "result", "stuck")


def test_the_ends_of_long_files_are_read(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(b"-" * 5000 + b"end")
    (tmp_path / "stuck").write_text(f'  File "{tmp_path}/work/flow.py", line 7 in <module>\n')
    ended = Room(tmp_path).ended(Answer(), LIMITS)
    assert (ended.flooded, ended.stuck) == (True, "flow.py:7")
    assert len(ended.errors) == 4000
    assert ended.errors.endswith("end")
    assert ended.result == b"-" * 5000 + b"end"
    (tmp_path / "result").write_bytes(bytes((16 << 20) + 1))
    assert Room(tmp_path).ended(Answer(), LIMITS).result == b""


@pytest.mark.parametrize(
    "replaced",
    [
        lambda file, secret: file.symlink_to(secret),
        lambda file, secret: file.hardlink_to(secret),
        lambda file, _: os.mkfifo(file),
        lambda file, _: file.mkdir(),
        lambda file, _: None,
    ],
)
def test_nothing_is_read_through_what_a_child_put_there(
    tmp_path: Path, replaced: Callable[[Path, Path], None]
) -> None:
    room = Room(tmp_path / "room")
    room.path.mkdir()
    secret = tmp_path / "secret"
    secret.write_text(f'File "{room.work}/the-secret", line 1\n' * 100)
    for name in NAMES:
        replaced(room.path / name, secret)
    ended = room.ended(Answer(), LIMITS)
    assert (ended.result, ended.errors, ended.stuck, ended.flooded) == (b"", "", "", False)
