"""When a deployment with a `ttl` was started: AI Core deletes it at its end, and then nothing else would tell.

    deployed/<environment>/<flow>/<configuration>.json

Written just before the start, so that what has expired is not started again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aicore_sync.core.model import FlowKey


@dataclass(frozen=True)
class Deployed:
    """The configuration `id` was deployed by a deployment that began `at`."""

    id: str
    at: datetime

    def encoded(self) -> bytes:
        """The file's content."""
        return json.dumps({"configuration": self.id, "at": self.at.isoformat()}).encode() + b"\n"


def deployed_path(key: FlowKey, name: str) -> str:
    """Where the note about the deployment of the configuration with this manifest name lies."""
    return f"deployed/{key.environment}/{key.flow}/{name}.json"


def deployed_of(files: Mapping[str, bytes], key: FlowKey) -> dict[str, Deployed]:
    """Manifest name → what was deployed last; a note that cannot be read is none."""
    prefix, found = deployed_path(key, "").removesuffix(".json"), {}
    for path, data in files.items():
        if path.startswith(prefix) and (note := _read(data)):
            found[path.removeprefix(prefix).removesuffix(".json")] = note
    return found


def _read(data: bytes) -> Deployed | None:
    try:
        held = json.loads(data)
        at = datetime.fromisoformat(held["at"])
        return Deployed(str(held["configuration"]), at) if at.tzinfo else None
    except (ValueError, TypeError, KeyError):
        return None
