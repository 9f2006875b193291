"""The sources: a complete scan by content, and private snapshots of single flows.

Everything here blocks and is called through `asyncio.to_thread`.
"""

from aicore_sync.controller.source.copy import MOST_BYTES, MOST_FILES, snapshot, too_large
from aicore_sync.controller.source.fetched import Fetched
from aicore_sync.controller.source.origins import Origin, Sources, View
from aicore_sync.controller.source.pushes import Push
from aicore_sync.controller.source.selection import is_source
from aicore_sync.controller.source.walk import (
    Known,
    Scan,
    files_below,
    scan,
    settings_above,
)

__all__ = [
    "MOST_BYTES",
    "MOST_FILES",
    "Fetched",
    "Known",
    "Origin",
    "Push",
    "Scan",
    "Sources",
    "View",
    "files_below",
    "is_source",
    "scan",
    "settings_above",
    "snapshot",
    "too_large",
]
