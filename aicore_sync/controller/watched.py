"""What Desire stands on: the sources, and what makes templates of what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from aicore_sync.controller.jobs import Place
from aicore_sync.controller.renders import Made
from aicore_sync.controller.source import Scan, Sources
from aicore_sync.core.catalog import Target
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.inventory import Inventory
from aicore_sync.core.lint import LintOptions
from aicore_sync.core.manifest import Defaults


@dataclass(frozen=True)
class Watched:
    """The sources and how they are read; `handed` is what somebody else read of them."""

    sources: Sources
    defaults: Defaults = field(default_factory=Defaults)
    lint: LintOptions = field(default_factory=LintOptions)
    handed: Inventory | None = None


class Maker(Protocol):
    """What makes templates of targets; see `TemplateMaker`."""

    def ingredients(self, target: Target, scan: Scan, place: Place) -> Ingredients: ...
    async def make(self, target: Target, scan: Scan, place: Place) -> Made: ...
    def forget(self, digest: str) -> None: ...
