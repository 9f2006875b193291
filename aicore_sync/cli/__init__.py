"""The command line: one short function per command. Tables go to stdout, logs to stderr."""

from __future__ import annotations

from aicore_sync.cli.main import main

__all__ = ["main"]
