"""The same on every repository: a dead one keeps it from none of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aicore_sync.controller.estate import Home
from aicore_sync.core.errors import SyncError, Transient

PARTLY = "PartlyDone"


async def gathered(
    homes: Sequence[Home], work: Callable[[Home], Awaitable[object]]
) -> list[SyncError | None]:
    """Side by side; what failed at each of them, in their order."""

    async def one(home: Home) -> SyncError | None:
        try:
            await work(home)
        except SyncError as error:
            return error
        return None

    return await asyncio.gather(*map(one, homes))


async def everywhere(homes: Sequence[Home], work: Callable[[Home], Awaitable[object]]) -> None:
    """Side by side. Raises what failed, and Transient (PartlyDone) when it was done in other repositories."""
    found = await gathered(homes, work)
    errors = [error for error in found if error]
    if not errors:
        return
    if len(errors) == len(homes):
        raise errors[0]
    done = ", ".join(home.name for home, error in zip(homes, found, strict=True) if not error)
    failed = "; ".join(f"{home.name}: {e.message}" for home, e in zip(homes, found, strict=True) if e)
    words = f"done in {done}, but not in {failed}; say it again until it is done in all of them"
    raise Transient(words, reason=PARTLY)
