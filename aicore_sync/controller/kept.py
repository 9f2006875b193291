"""Renders on disk, by the digest of their inputs, and which files they opened; nothing is lost with them but time."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aicore_sync.core.world import Upload
from aicore_sync.render import Rendered

_MOST = 20_000  # sources of which it is remembered


class Kept:
    """The directory `rendered` of a cache. Methods block."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._opened: dict[str, tuple[str, ...] | None] = {}

    def get(self, digest: str) -> Rendered | None:
        return read_rendered(self._file(digest))

    def put(self, digest: str, rendered: Rendered) -> None:
        write_rendered(self._file(digest), rendered)

    def forget(self, digest: str) -> None:
        self._file(digest).unlink(missing_ok=True)

    def remembers(self, always: str) -> bool:
        """Whether `opened` needs no disk."""
        return always in self._opened

    def opened(self, always: str) -> tuple[str, ...] | None:
        """The files that the last render of what `Ingredients.always` names opened, None where that is not known."""
        if always in self._opened:
            return self._opened[always]
        if len(self._opened) > _MOST:
            self._opened.clear()
        found = self._opened[always] = self._read_opened(always)
        return found

    def note_opened(self, always: str, names: tuple[str, ...] | None) -> None:
        """A render has opened these."""
        if self.opened(always) != names:
            self._opened[always] = names
            _write(self._opened_file(always), names)

    def _read_opened(self, always: str) -> tuple[str, ...] | None:
        path = self._opened_file(always)
        try:
            os.utime(path)
            names = json.loads(path.read_bytes())
            return None if names is None else tuple(map(str, names))
        except (OSError, ValueError, TypeError):
            return None

    def _file(self, digest: str) -> Path:
        return self._place / f"{digest}.json"

    def _opened_file(self, always: str) -> Path:
        return self._place / f"{always}.opened"


def read_rendered(path: Path) -> Rendered | None:
    """A cached render, None when there is none that is whole. Its age begins anew."""
    try:
        os.utime(path)
        data = json.loads(path.read_bytes())
        uploads = tuple(Upload(**upload) for upload in data["uploads"])
        if not all(Path(upload.file).is_file() for upload in uploads):
            return None
        return Rendered(
            document=data["document"],
            uploads=uploads,
            cron=data["cron"],
            user_files=tuple((name, digest) for name, digest in data["user_files"]),
            included=tuple((name, digest) for name, digest in data["included"]),
            warnings=tuple(data["warnings"]),
            notes=tuple((step, why) for step, why in data["notes"]),
            unheard=tuple((step, need) for step, need in data["unheard"]),
            opened=None if data["opened"] is None else tuple(map(str, data["opened"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_rendered(path: Path, rendered: Rendered) -> None:
    """Keep a render; a reader never sees half of it."""
    _write(path, asdict(rendered))


def _write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{uuid.uuid4().hex}.tmp")
    draft.write_text(json.dumps(data), encoding="utf-8")
    draft.replace(path)
