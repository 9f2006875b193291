"""Owns users' code: runs a flow in a contained child and returns the template that our compiler, or SAP's plugin,
makes of it.

    job → child (worker/, in its own Python environment) → verified document + captured uploads

Nothing that the child says is trusted: its result is validated JSON, and each blob is read, checked and hashed here.
"""

from __future__ import annotations

from aicore_sync.render.environments import claimed, pinned
from aicore_sync.render.model import (
    Dialect,
    Environment,
    EnvironmentBuilding,
    InstanceType,
    Rendered,
    RenderFailed,
    RenderJob,
    RenderOptions,
)
from aicore_sync.render.pool import Renderer

__all__ = [
    "Dialect",
    "Environment",
    "EnvironmentBuilding",
    "InstanceType",
    "RenderFailed",
    "RenderJob",
    "RenderOptions",
    "Rendered",
    "Renderer",
    "claimed",
    "pinned",
]
