"""The wait for lists that lag counts from the answer of a POST: what comes before it may take long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from aicore_sync.controller.memory import Memory
from aicore_sync.controller.posts import Posts
from aicore_sync.core.errors import Stalled, SyncError, Transient

SETTLE = 90
UNKNOWN = Transient("no answer", reason="Timeout", ambiguous=True)
REFUSED = Stalled("no such executable", reason="BadRequest")


class Clocked:
    """Posts with a clock that a test moves by seconds."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        lock = SimpleNamespace(ensure_held=lambda margin: None)
        estate: Any = SimpleNamespace(
            clock=lambda: self.now,
            settle=timedelta(seconds=SETTLE),
            timings=SimpleNamespace(lock_margin=0.0),
            tenant_of=lambda environment: SimpleNamespace(branch=SimpleNamespace(lock=lock)),
        )
        self.posts = Posts(estate, Memory())

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def answered(self, error: SyncError | None) -> str:
        self.pass_time(10)
        if error:
            raise error
        return "e-1"


@pytest.mark.parametrize("error", [None, UNKNOWN])
async def test_nothing_is_sent_again_until_lists_must_show_it(error: SyncError | None) -> None:
    clocked = Clocked()
    posts = clocked.posts
    posts.once_per_settle("dev", "c-1")
    clocked.pass_time(60)  # it is announced
    try:
        assert await posts.certain(clocked.answered(error), "dev", "c-1") == "e-1"
    except Transient:
        assert error is UNKNOWN
    clocked.pass_time(SETTLE - 5)
    with pytest.raises(Transient, match="just created") as told:
        posts.once_per_settle("dev", "c-1")
    assert told.value.retry_after == 5
    posts.once_per_settle("dev", "c-2")
    clocked.pass_time(5)
    posts.once_per_settle("dev", "c-1")


async def test_a_refusal_leaves_nothing_to_wait_for() -> None:
    clocked = Clocked()
    clocked.posts.once_per_settle("dev", "c-1")
    with pytest.raises(Stalled):
        await clocked.posts.certain(clocked.answered(REFUSED), "dev", "c-1")
    clocked.posts.once_per_settle("dev", "c-1")
