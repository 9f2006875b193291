"""What a forge is told of commits, and what becomes of one that a newer one overtook."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from aicore_sync.app.commits import CommitReports, Naming, Reported
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import FlowKey, Health, Status
from aicore_sync.forge import CommitStatus

KEY, NOW = FlowKey("train", "dev"), datetime(2026, 3, 1, tzinfo=UTC)
OLD, NEW = "a" * 40, "b" * 40


@dataclass
class Forge:
    """Keeps what it is told; refuses the first `refuse` calls."""

    refuse: int = 0
    told: list[tuple[str, str, str]] = field(default_factory=list)

    async def show(self, status: CommitStatus) -> None:
        if self.refuse:
            self.refuse -= 1
            raise Transient("the forge is away")
        self.told.append((status.commit, status.state, status.text))

    async def deploy(self, status: CommitStatus) -> None: ...


@dataclass
class Shown:
    """One flow's status, which the test changes."""

    health: Health = Health.PROGRESSING
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def rows(self) -> tuple[Status, ...]:
        return (Status(KEY, self.health, "", updated=NOW),)

    async def news(self) -> None:
        await self.changed.wait()
        self.changed.clear()


async def settled(rounds: int = 20) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("refuse", [0, 1])
async def test_a_commit_that_was_overtaken_does_not_stay_pending(
    refuse: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aicore_sync.app.commits.QUIET", 0)
    monkeypatch.setattr("aicore_sync.app.commits.AGAIN", (0.0,))
    forge, shown, commit = Forge(), Shown(), [OLD]
    source = Reported("flows", forge, lambda: commit[0])
    naming = Naming(lambda environment: f"sync/{environment}", lambda environment: "")
    reports = CommitReports([source], lambda name: [KEY], naming, lambda: NOW, lambda key: None)
    running = asyncio.create_task(reports.run(shown))
    await settled()
    commit[0], forge.refuse = NEW, refuse
    shown.changed.set()
    await settled()
    shown.health = Health.HEALTHY
    shown.changed.set()
    await settled()
    running.cancel()
    assert forge.told == [
        (OLD, "pending", "0 of 1 flows are live"),
        (OLD, "superseded", f"superseded by {NEW[:12]} before it was done"),
        (NEW, "pending", "0 of 1 flows are live"),
        (NEW, "success", "1 flow is live"),
    ]
