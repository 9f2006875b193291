"""Our Metaflow extension, where an interpreter of users' environments finds it and nothing else of ours."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "metaflow_extensions" / "aicore_sync"


def shown(place: Path) -> Path:
    """A directory below `place` to put on the path of an interpreter; a copy, made once for each content.

    Not where we are installed: there the interpreter would find our other packages too, in front of its own.
    """
    files = sorted(p for p in SOURCE.rglob("*.py"))
    content = hashlib.sha256()
    for file in files:
        content.update(f"{file.relative_to(SOURCE)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    home = place / content.hexdigest()[:16]
    if not home.exists():
        draft = place / uuid.uuid4().hex
        for file in files:
            copy = draft / "metaflow_extensions" / "aicore_sync" / file.relative_to(SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        _keep(draft, home)
    return home


def _keep(draft: Path, home: Path) -> None:
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # whatever our umask: children are other users
    try:
        draft.rename(home)
    except OSError:  # somebody else was faster
        shutil.rmtree(draft)
