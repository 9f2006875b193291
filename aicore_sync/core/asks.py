"""What people ask of a running service: a run to start or to stop, one file each on the state branch.

    asks/<environment>/<flow>/<id>.json

The service does it and removes the file. Only the holder of the lock writes to AI Core, so commands leave their wish
here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aicore_sync.core.model import FlowKey

ASKS = "asks/"


@dataclass(frozen=True)
class Ask:
    """`do` start: a run of configuration `target` beside the runs in `known`. `do` stop: execution `target`."""

    do: Literal["start", "stop"]
    target: str
    by: str
    at: datetime
    known: tuple[str, ...] = ()
    path: str = ""

    def encoded(self) -> bytes:
        """The file's content."""
        content = {"do": self.do, "target": self.target, "by": self.by, "at": self.at.isoformat()}
        return (json.dumps(content | {"known": list(self.known)}, indent=2) + "\n").encode()


def ask_path(key: FlowKey, identity: str) -> str:
    """Where an ask lies; `identity` tells it from others of the flow."""
    return f"{ASKS}{key.environment}/{key.flow}/{identity}.json"


def asks_of(files: Mapping[str, bytes], key: FlowKey) -> tuple[Ask, ...]:
    """The asks about a flow in an environment, oldest first. What cannot be read asks for nothing."""
    prefix = ask_path(key, "").removesuffix(".json")
    found = (_ask(path, data) for path, data in files.items() if path.startswith(prefix))
    return tuple(sorted((a for a in found if a), key=lambda a: (a.at, a.path)))


def _ask(path: str, data: bytes) -> Ask | None:
    try:
        held = json.loads(data)
        at = datetime.fromisoformat(held["at"])
        known = tuple(str(item) for item in held.get("known", []))
        if held["do"] not in ("start", "stop") or at.tzinfo is None:
            return None
        return Ask(held["do"], str(held["target"]), str(held.get("by", "")), at, known, path)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
