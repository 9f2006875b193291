"""One render as seen from here: its room, its limits, the world it sees, and how it ended."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aicore_sync.render.plain import open_plain

_RESULT_LIMIT = 16 << 20
_TAIL = 4000


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes; see `RenderOptions`."""

    deadline: float
    memory: int
    output: int


@dataclass(frozen=True)
class Answer:
    """What a parent says about a child: `code` is negative for a signal, `excess` names what it was killed for having
    too much of, `error` means that there was no child."""

    code: int = 0
    timed_out: bool = False
    excess: str = ""
    error: str = ""


@dataclass(frozen=True)
class Ended:
    """How a child ended: `code` is negative for a signal, `excess` as in `Answer`; `result` is raw and not to be
    trusted."""

    code: int
    timed_out: bool
    flooded: bool
    result: bytes
    errors: str
    stuck: str
    excess: str = ""


@dataclass(frozen=True)
class Room:
    """A private directory tree for one child; the caller removes it.

    Its name cannot be guessed, and it can be passed but not listed by the `owner` of what lies in it.
    """

    path: Path

    def prepare(self, owner: int | None, source: Path | None = None) -> None:
        """Make it, with a copy of `source` to work in: whatever the flow writes, it writes there."""
        self.path.mkdir(parents=True)
        for name in ("home", "tmp", "out", "work"):
            (self.path / name).mkdir()
            _give(self.path / name, owner, 0o700)
        self.path.chmod(0o711)
        if source is not None:
            self._furnish(source, owner)

    def _furnish(self, source: Path, owner: int | None) -> None:
        for parent, directories, files in os.walk(source):
            target = self.work / Path(parent).relative_to(source)
            links = [d for d in directories if Path(parent, d).is_symlink()]
            for name in (d for d in directories if d not in links):
                (target / name).mkdir()
                _give(target / name, owner, 0o700)
            for name in (*files, *links):
                shutil.copy2(Path(parent, name), target / name, follow_symlinks=False)
                _give(target / name, owner, 0o600)

    @property
    def output(self) -> Path:
        """Where the child leaves captured blobs."""
        return self.path / "out"

    @property
    def work(self) -> Path:
        """The child's copy of the flow's directory."""
        return self.path / "work"

    def settings(self) -> dict[str, str]:
        """Where the child puts its things."""
        temporary = str(self.path / "tmp")
        return {
            "HOME": str(self.path / "home"),
            "TMPDIR": temporary,
            "METAFLOW_TEMPDIR": temporary,
            "METAFLOW_ARTIFACT_LOCALROOT": temporary,
        }

    def ended(self, answer: Answer, limits: Limits) -> Ended:
        """Read what the child left. Blocks."""
        printed = max(self._size("stdout"), self._size("stderr"))
        return Ended(
            code=answer.code,
            timed_out=answer.timed_out,
            flooded=printed >= limits.output,
            result=self._result(),
            errors=self._tail("stderr"),
            stuck=_place(self._tail("stuck"), str(self.work)),
            excess=answer.excess,
        )

    def _size(self, name: str) -> int:
        try:
            with open_plain(self.path / name) as file:
                return file.seek(0, os.SEEK_END)
        except OSError:
            return 0

    def _result(self) -> bytes:
        data = self._last("result", _RESULT_LIMIT + 1)
        return data if len(data) <= _RESULT_LIMIT else b""

    def _tail(self, name: str) -> str:
        return self._last(name, _TAIL).decode(errors="replace")

    def _last(self, name: str, most: int) -> bytes:
        """The last `most` bytes; b"" where the child, whose room it may be, put something else in their place."""
        try:
            with open_plain(self.path / name) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - most))
                return file.read(most)
        except OSError:
            return b""


def _give(path: Path, owner: int | None, mode: int) -> None:
    if not path.is_symlink():
        path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner, follow_symlinks=False)


def environment(python: Path) -> dict[str, str]:
    """All that a parent sees of the world: an allow-list, with no value of ours that could be a secret."""
    return {
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "METAFLOW_HOME": "/nonexistent",
        "METAFLOW_USER": "aicore-sync",
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DEFAULT_ENVIRONMENT": "local",
        "METAFLOW_S3_RETRY_COUNT": "0",
        **({"LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"]} if "LD_LIBRARY_PATH" in os.environ else {}),
    }


@dataclass(frozen=True)
class Order:
    """What a child does: `operation` of the worker's protocol, its job (JSON-able), and the job's settings."""

    operation: str
    job: Mapping[str, Any]
    settings: Mapping[str, str]

    def message(self, room: Room, limits: Limits) -> dict[str, Any]:
        job = {**self.job, "output": str(room.output), "settings": dict(self.settings)}
        return {"op": self.operation, "room": str(room.path), "limits": asdict(limits), "job": job}


def _place(note: str, directory: str) -> str:
    """`file:line` of the user's code in the note that the child's watchdog thread left, or ""."""
    found = re.search(rf'File "{re.escape(directory)}/([^"\n]+)", line (\d+)', note)
    return f"{found[1]}:{found[2]}" if found else ""
