"""The same on every repository: what fails in one is done in the others, and told."""

from __future__ import annotations

from typing import Any, cast

import pytest

from aicore_sync.app.everywhere import everywhere
from aicore_sync.controller.estate import Home
from aicore_sync.core.errors import Stalled, SyncError, Transient

DEAD = Stalled("no such repository", reason="RepositoryMissing")
SLOW = Transient("no answer", reason="Unreachable")


@pytest.mark.parametrize(
    ("failing", "reason", "words"),
    [
        ({}, "", ""),
        ({"a": DEAD}, "PartlyDone", "done in b, c, but not in a: no such repository"),
        ({"c": SLOW, "a": DEAD}, "PartlyDone", "done in b, but not in a: no such repository; c: no answer"),
        ({"a": SLOW, "b": DEAD, "c": DEAD}, "Unreachable", "no answer"),
    ],
)
async def test_a_dead_repository_keeps_it_from_no_other(
    failing: dict[str, SyncError], reason: str, words: str
) -> None:
    done: list[str] = []

    async def work(home: Home) -> None:
        if home.name in failing:
            raise failing[home.name]
        done.append(home.name)

    homes = [Home(name, cast(Any, None), cast(Any, None)) for name in "abc"]
    told: list[SyncError] = []
    try:
        await everywhere(homes, work)
    except SyncError as error:
        told.append(error)
    assert done == [name for name in "abc" if name not in failing]
    assert [error.reason for error in told] == [reason] * bool(reason)
    assert not told or words in told[0].message
