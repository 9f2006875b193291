"""History on disk, in SQLite, for people only: nothing is decided from it, losing it loses nothing.

A file that cannot be read is moved aside, a directory that cannot be written means memory, and a write that
fails is a warning: no pass ever fails because of its history.
"""

from __future__ import annotations

from aicore_sync.store.chronicle import EventQuery
from aicore_sync.store.statuses import Keep
from aicore_sync.store.store import Store

__all__ = ["EventQuery", "Keep", "Store"]
