"""What ends by itself is noted before it is sent, and what AI Core refused is not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aicore_sync.controller.deployments import DeploymentWriter
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.posts import Posts
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.actions import StartDeployment, UpdateDeployment
from aicore_sync.core.deployed import Deployed
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.model import FlowKey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY, NAME, PATH = FlowKey("churn", "dev"), "team.churn.main.0123", "deployed/dev/churn/main.json"
OLD = Deployed("c-old", NOW - timedelta(days=1)).encoded()
START = StartDeployment(KEY, "c", NAME, "2h")
UPDATE = UpdateDeployment(KEY, "d", "c", NAME, began=NOW - timedelta(hours=1))
REFUSED, LOST = Stalled("no", reason="Refused"), Transient("no answer", ambiguous=True)
LOCK_LOST = Transient("the lock is lost", reason="LockLost")


class World:
    """One tenant: its state branch, its lock and its deployments."""

    def __init__(self, answer: SyncError | None, before: bytes | None) -> None:
        self.answer = answer
        self.files: dict[str, bytes] = {PATH: before} if before else {}
        self.commits = 0
        self.told: list[str] = []
        self.lock_lost_after_commits = 9
        self.name = "r"
        self.home = self.branch = self.state = self.lock = self
        self.client = self.deployments = self.configurations = self
        self.owner, self.settle, self.tenants = "team", timedelta(seconds=90), {"t": self}
        self.timings = SimpleNamespace(lock_margin=60)
        self.memory = Memory()
        estate = cast(Any, self)
        self.writer = DeploymentWriter(
            estate, self.memory, Snapshots(NOW.timestamp), Posts(estate, self.memory)
        )

    def clock(self) -> datetime:
        return NOW

    def environment(self, name: str) -> Any:
        return SimpleNamespace(tenant="t", resource_group="dev")

    def tenant_of(self, environment: str) -> World:
        return self

    def group(self, name: str) -> World:
        return self

    def ensure_held(self, margin: float) -> None:
        if self.commits >= self.lock_lost_after_commits:
            raise LOCK_LOST

    async def update(self, *asked: Any) -> Any:
        """Of the state branch, or of a deployment."""
        if not callable(asked[0]):
            return await self.create(*asked)
        changes: Mapping[str, bytes | None] = asked[0](self.files)
        whole = {**self.files, **changes}
        self.files = {path: data for path, data in whole.items() if data is not None}
        self.commits += 1
        return SimpleNamespace(files=self.files)

    async def list(self, configuration: str) -> tuple[()]:
        return ()

    async def get(self, identity: str) -> Any:
        return SimpleNamespace(id=identity, configuration="c", status="RUNNING", name=NAME)

    async def create(self, *asked: Any) -> str:
        self.told.append(str(self.files.get(PATH)))
        if self.answer:
            raise self.answer
        return "d"


@pytest.mark.parametrize("before", [None, OLD])
@pytest.mark.parametrize("action", [START, UPDATE])
@pytest.mark.parametrize("answer", [None, LOST, REFUSED, Transient("busy")])
async def test_a_deployment_is_noted_before_it_is_sent_unless_it_is_refused(
    answer: SyncError | None, action: StartDeployment | UpdateDeployment, before: bytes | None
) -> None:
    w = World(answer, before)
    note = Deployed("c", NOW if action is START else NOW - timedelta(hours=1)).encoded()
    with pytest.raises(type(answer)) if answer else nullcontext():
        await w.writer.perform(action)
    assert w.told == [str(note)]
    kept = answer is None or answer is LOST
    assert w.files.get(PATH) == (note if kept else before)
    if action is START:
        assert (("dev", "c") in w.memory.writes) is kept, "only what may have landed is waited for"


async def test_a_lock_that_is_lost_while_the_note_is_written_sends_nothing() -> None:
    w = World(None, OLD)
    w.lock_lost_after_commits = 1
    with pytest.raises(Transient):
        await w.writer.perform(START)
    assert (w.told, w.files) == ([], {PATH: OLD})
    assert not w.memory.writes


async def test_what_does_not_end_by_itself_is_not_noted() -> None:
    w = World(None, None)
    await w.writer.perform(StartDeployment(KEY, "c", NAME))
    assert (w.told, w.commits) == (["None"], 0)
