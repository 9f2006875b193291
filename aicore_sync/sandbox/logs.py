"""Log lines of executions, one JSON-lines file per execution, and the window that the API cuts out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aicore_sync.sandbox.clock import Clock

WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class Window:
    """`start` and `end` are inclusive; without them the last hour up to now."""

    start: datetime | None = None
    end: datetime | None = None
    top: int = 1000
    descending: bool = False


class Logs:
    """Appends and reads; files live below `home`."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.home = home
        self.clock = clock

    def add(self, execution: str, pod: str, container: str, stream: str, line: str) -> None:
        """Append one line with the time of now. `container` is `main`, `wait` or `init`."""
        entry = {
            "timestamp": self.clock.exact().isoformat(),
            "msg": line,
            "container": container,
            "pod": pod,
            "stream": stream,
        }
        with self._file(execution).open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def read(self, execution: str, window: Window) -> list[dict[str, Any]]:
        """The lines inside the window, at most `top`, oldest first unless descending."""
        file = self._file(execution)
        if not file.exists():
            return []
        end = window.end or self.clock.exact()
        start = window.start or end - WINDOW
        entries = [json.loads(line) for line in file.read_text().splitlines()]
        inside = [e for e in entries if start <= datetime.fromisoformat(e["timestamp"]) <= end]
        return (inside[::-1] if window.descending else inside)[: window.top]

    def tail(self, execution: str, pod: str, count: int = 5) -> str:
        """The last lines of one pod, for `statusDetails`."""
        file = self._file(execution)
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return "\n".join([entry["msg"] for entry in lines if entry["pod"] == pod][-count:])

    def _file(self, execution: str) -> Path:
        return self.home / f"{execution}.jsonl"
