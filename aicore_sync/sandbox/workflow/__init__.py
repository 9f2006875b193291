"""Interprets Argo WorkflowTemplates and runs each container's command as a local process.

Knows what SAP's Metaflow plugin and hand-written training templates use: DAGs and steps, nested, with
`dependencies`, `depends` and `when`; fan-out by withParam, withItems, withSequence and the aggregated outputs;
retries; deadlines; parameters and artifacts in and out. What it does not know is an Error that says so.
"""

from __future__ import annotations

from aicore_sync.sandbox.workflow.engine import run_workflow
from aicore_sync.sandbox.workflow.model import (
    Listener,
    NodeState,
    Output,
    RunOptions,
    RunRequest,
    RunResult,
    StoreLocation,
)

__all__ = [
    "Listener",
    "NodeState",
    "Output",
    "RunOptions",
    "RunRequest",
    "RunResult",
    "StoreLocation",
    "run_workflow",
]
