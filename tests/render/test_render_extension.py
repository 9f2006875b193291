"""Our Metaflow extension is found once: ours, or the same one where the environment has it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from aicore_sync.render.extension import SOURCE, shown
from aicore_sync.render.worker import native


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """An interpreter's path with one directory, in which nothing lies."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return sys.path


def test_a_copy_is_made_once_and_holds_nothing_else(tmp_path: Path) -> None:
    place = shown(tmp_path / "extension")
    assert shown(tmp_path / "extension") == place
    assert [p.name for p in place.iterdir()] == ["metaflow_extensions"]
    assert [p.name for p in (place / "metaflow_extensions").iterdir()] == ["aicore_sync"]
    assert len(list((tmp_path / "extension").iterdir())) == 1


def test_ours_is_added_where_none_is(path: list[str], tmp_path: Path) -> None:
    place = str(shown(tmp_path / "extension"))
    native.prepare(place)
    assert path == [str(tmp_path), place]


def test_the_environments_own_is_taken_when_it_is_the_same(path: list[str], tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "metaflow_extensions" / "aicore_sync")
    place = str(shown(tmp_path / "extension"))
    native.prepare(place)
    assert path == [str(tmp_path)]
    with (tmp_path / "metaflow_extensions/aicore_sync/plugins/mfextinit_aicore.py").open("a") as file:
        file.write("# older\n")
    with pytest.raises(ImportError, match="holds another version of aicore-sync"):
        native.prepare(place)
