"""One reading of a log for everybody who follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from aicore_sync.aicore import LogLine
from aicore_sync.app import followers
from aicore_sync.app.followers import Followers
from aicore_sync.core.errors import Transient


class Log:
    """A log that the test writes; `begun` and `left` count who read it."""

    def __init__(self) -> None:
        self.queue = asyncio.Queue[str | Exception]()
        self.begun = self.left = 0

    async def read(self) -> AsyncIterator[LogLine]:
        self.begun += 1
        try:
            while word := await self.queue.get():
                if isinstance(word, Exception):
                    raise word
                yield LogLine(datetime(2026, 3, 1, tzinfo=UTC), word, "pod", "main")
        finally:
            self.left += 1

    def say(self, *words: str | Exception) -> None:
        for word in words:
            self.queue.put_nowait(word)


async def words(lines: AsyncIterator[LogLine], count: int) -> list[str]:
    return [(await anext(lines)).text for _ in range(count)]


async def test_all_who_follow_see_everything_and_it_is_read_once() -> None:
    log, shared = Log(), Followers()
    one, two = shared.lines("run", log.read), shared.lines("run", log.read)
    log.say("a", "b")
    assert await words(one, 2) == ["a", "b"]
    assert await words(two, 2) == ["a", "b"], "who comes later, too"
    log.say("c", "")
    assert [line.text async for line in one] == ["c"]
    assert [line.text async for line in two] == ["c"]
    assert (log.begun, log.left) == (1, 1)
    other = shared.lines("run", log.read)
    log.say("d", "")
    assert await words(other, 1) == ["d"]
    assert log.begun == 2, "nothing is kept when nobody follows"


async def test_the_last_who_leaves_ends_the_reading() -> None:
    log, shared = Log(), Followers()
    one, two = shared.lines("run", log.read), shared.lines("run", log.read)
    log.say("a")
    assert await words(one, 1) == await words(two, 1) == ["a"]
    await one.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
    await asyncio.sleep(0.01)
    assert log.left == 0
    await two.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)
    assert log.left == 1


async def test_what_breaks_the_reading_reaches_all() -> None:
    log, shared = Log(), Followers()
    both = [shared.lines("run", log.read) for _ in range(2)]
    log.say("a")
    for one in both:
        assert await words(one, 1) == ["a"]
    log.say(Transient("AI Core is away"))
    for one in both:
        with pytest.raises(Transient, match="away"):
            await anext(one)


async def test_a_long_log_is_not_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "KEPT", 4)
    log, shared = Log(), Followers()
    quick, slow = shared.lines("run", log.read), shared.lines("run", log.read)
    log.say("0")
    assert await words(quick, 1) == await words(slow, 1) == ["0"]
    for number in range(1, 8):
        log.say(str(number))
        assert await words(quick, 1) == [str(number)]
    assert [line.text async for line in slow] == [], "it ends rather than to leave lines out"
    anew = Log()
    anew.say("anew")
    assert await words(shared.lines("run", anew.read), 1) == ["anew"], "who comes now reads for himself"
