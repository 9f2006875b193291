"""Files and the directories above them."""

from __future__ import annotations

from aicore_sync.core.paths import above, below


def test_a_file_is_below_all_directories_above_it_and_no_other() -> None:
    assert list(above("team/train/data/cases.csv")) == ["team/train/data", "team/train", "team"]
    assert list(above("README.md")) == []
    assert all(below("team/train/flow.py", directory) for directory in ("", "team", "team/train"))
    assert not any(
        below("team/train/flow.py", directory) for directory in ("team/tr", "train", "team/train/flow.py")
    )
