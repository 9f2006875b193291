"""Contents of files as scans saw them: what cannot be looked at any more is still known, and stops nobody else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from aicore_sync.controller.source.walk import inside, opened


class Contents:
    """Remembers what was read of files that are few and small: manifests, scripts, templates."""

    def __init__(self) -> None:
        self._files: Mapping[str, str] = {}  # path -> digest, of the newest scan
        self._known: dict[str, tuple[str, bytes]] = {}  # path -> digest and content

    def keep(self, files: Mapping[str, str]) -> None:
        """A scan found these: path to SHA-256 in hex. What is older is forgotten."""
        self._files = files
        known = list(self._known.items())  # passes read in threads meanwhile
        self._known = {path: found for path, found in known if found[0] == files.get(path)}

    def read(self, path: str, root: Path, below: str) -> bytes:
        """The file at `below` in `root`; never one outside. Raises OSError when it cannot be read."""
        known = self._known.get(path)
        if known:
            return known[1]
        if not inside(str(root / below), os.path.realpath(root)):
            raise OSError(0, "leaves the source", path)
        with opened(str(root / below)) as file:
            data = file.read()
        digest = hashlib.sha256(data).hexdigest()
        if digest == self._files.get(path):  # else it has changed since, and the next scan says so
            self._known[path] = digest, data
        return data


def as_text(data: bytes) -> str:
    """As editors show it."""
    return data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
