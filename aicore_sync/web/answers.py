"""What commands show, asked of nobody in particular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aicore_sync.core.answers import Answer, Where


class Answers(Protocol):
    """Every kind of `aicore_sync.core.kinds` that is read from AI Core and git."""

    async def ask(self, kind: str, where: Where) -> Sequence[Answer]:
        """What there is of a kind; one for what is no list.

        Raises SyncError: Stalled (NotFound) for what there is not, Transient while AI Core cannot be asked.
        """
