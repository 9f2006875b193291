"""What the window needs to know, and from nobody in particular."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from aicore_sync.core.model import Status


class View(Protocol):
    """Answers from memory: every call is quick or awaits, and raises nothing. No value holds a secret."""

    def statuses(self, own: bool = False) -> Sequence[Status]:
        """The newest status of every key, in any order; with `own` without those of other replicas.

        A flow's facts may name its template (`template`: executable id, `tenant`), and `commit` and `version`.
        """

    def ready(self) -> tuple[bool, str]:
        """Whether requests should come here, and the sentence that says why not."""

    def alive(self) -> bool:
        """False when keys are worked on and none gets done any more: only a restart helps."""

    async def metrics(self) -> bytes:
        """The Prometheus text format."""

    def info(self) -> Mapping[str, str]:
        """Short named values for the head of the page, such as owner, version, source."""

    def revision(self) -> int:
        """A number that rises with every change that people would see."""

    async def news(self) -> None:
        """Until the next change of the statuses, whether people would see it or not."""
