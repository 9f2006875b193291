"""What the process says about itself: log lines, masked of secrets, and metrics."""

from __future__ import annotations

from aicore_sync.telemetry.logs import configure_logging
from aicore_sync.telemetry.masking import MASK, SHORTEST, Masker, secret_leaves
from aicore_sync.telemetry.metrics import Metrics, Tally
from aicore_sync.telemetry.traces import NoTraces, TraceOptions, Traces, open_traces

__all__ = [
    "MASK",
    "SHORTEST",
    "Masker",
    "Metrics",
    "NoTraces",
    "Tally",
    "TraceOptions",
    "Traces",
    "configure_logging",
    "open_traces",
    "secret_leaves",
]
