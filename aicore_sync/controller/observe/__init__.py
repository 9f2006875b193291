"""Reads the world for a key: the branch head, the application, and one resource group's lists, shared per round."""

from __future__ import annotations

from aicore_sync.controller.estate import Estate
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.causes import Causes
from aicore_sync.controller.observe.flows import FlowReader, Looks
from aicore_sync.controller.observe.foreign import Foreign
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.observe.owners import Owners
from aicore_sync.controller.observe.resources import ResourceReader
from aicore_sync.controller.observe.templates import TemplateReader
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.desired import SeenFlow, SeenTemplate, WantFlow, WantTemplate

__all__ = ["Reader"]


class Reader:
    """What passes see. Lists may be a few seconds old; writers look again before they write."""

    def __init__(self, estate: Estate, memory: Memory, snapshots: Snapshots) -> None:
        self._estate = estate
        self._memory = memory
        self.snapshots = snapshots
        self.lists = Lists(estate, snapshots)
        self._looks = Looks(
            Owners(estate, memory, snapshots), Causes(estate, memory, snapshots), Foreign(estate)
        )
        self.resources = ResourceReader(estate, memory, self.lists, snapshots).read

    async def template(self, want: WantTemplate) -> SeenTemplate:
        """Everything that deciding about a template needs."""
        return await TemplateReader(self._estate, self._memory, self._lists(want)).read(want)

    async def flow(self, want: WantFlow, flows: int) -> SeenFlow:
        """Everything that deciding about a flow in an environment needs; `flows` is how many there are in all."""
        return await FlowReader(self._estate, self._memory, self._lists(want), self._looks).read(want, flows)

    def _lists(self, want: WantTemplate | WantFlow) -> Lists:
        """What was settled the last time and wants nothing else shares the lists of its round."""
        settled = self._memory.settled.get(want.key) == want
        timings = self._estate.timings
        return self.lists.within(timings.round_age if settled else timings.list_age)
