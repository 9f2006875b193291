"""The extension as a guest: it runs where nothing else of ours is installed."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[2] / "metaflow_extensions"
FILES = sorted(ROOM.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_only_metaflow_and_the_standard_library_are_imported(file: Path) -> None:
    """It runs in users' environments, where nothing else of ours is installed."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level}
    foreign = {n.partition(".")[0] for n in names} - set(sys.stdlib_module_names) - {"metaflow"}
    assert not foreign
