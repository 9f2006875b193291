"""The committer: one commit per window, one result per change, no change held up by another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from git_desk import Desk, open_desk
from githosts import commit_as_somebody, file_at, git, log_of

from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.git import Change, Clone, Committer, Declined, Published

DEADLINE = 20.0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


class Results:
    """Collects what the committer reports."""

    def __init__(self) -> None:
        self.of: dict[Hashable, Published | SyncError] = {}

    def __call__(self, key: Hashable, result: Published | SyncError) -> None:
        assert key not in self.of, "one result per change"
        self.of[key] = result

    def reason(self, key: Hashable) -> str:
        result = self.of[key]
        return result.reason if isinstance(result, SyncError) else "Published"


def change(name: str, content: bytes | None = b"a: 1\n", *, key: str | None = None) -> Change:
    return Change(
        *(key or name, "models", f"wt-{name}.yaml", content),
        may_replace=lambda there: b"theirs" not in there,
        title=name,
        trailers=(("Aicore-Sync-Flow", name),),
    )


@asynccontextmanager
async def running(committer: Committer) -> AsyncIterator[None]:
    task = asyncio.ensure_future(committer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reported(results: Results, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while len(results.of) < count:
            await asyncio.sleep(0.01)


async def test_ten_flows_within_the_window_become_one_commit(desk: Desk) -> None:
    results = Results()
    committer = Committer(desk.clone(), results, window=0.1)
    async with running(committer):
        for number in range(10):
            committer.submit(change(f"flow-{number}"))
        assert committer.pending("models", "wt-flow-3.yaml") is not None
        await reported(results, 10)
    assert committer.pending("models", "wt-flow-3.yaml") is None
    assert log_of(desk.repository) == [
        "flows: flow-0, flow-1, flow-2, flow-3, flow-4, flow-5, flow-6 and 3 more",
        "By hand",
    ]
    commits = {result.commit for result in results.of.values() if isinstance(result, Published)}
    assert commits == {git(desk.repository, "rev-parse", "main")}


async def test_the_newest_of_a_file_wins_and_two_owners_of_a_file_are_told(desk: Desk) -> None:
    results = Results()
    committer = Committer(desk.clone(), results)
    committer.submit(change("churn", b"old\n"))
    committer.submit(change("churn", b"new\n"))
    committer.submit(change("shared", b"one\n", key="one"))
    committer.submit(change("shared", b"two\n", key="two"))
    await committer.drain()
    assert file_at(desk.repository, "models/wt-churn.yaml") == b"new\n"
    assert file_at(desk.repository, "models/wt-shared.yaml") == b"two\n"
    assert {key: results.reason(key) for key in results.of} == {
        "one": "Contested",
        "churn": "Published",
        "two": "Published",
    }


async def test_a_contested_file_does_not_stop_the_others(desk: Desk) -> None:
    commit_as_somebody(desk.repository, {"models/wt-mine.yaml": "theirs: 1\n"})
    results = Results()
    committer = Committer(desk.clone(), results)

    def confused(there: bytes) -> bool:
        raise ValueError("no yaml")

    committer.submit(change("mine"))
    committer.submit(Change("confused", "models", "other.yaml", b"x", may_replace=confused))
    committer.submit(Change("bad", "models", "../x", b"x"))
    committer.submit(change("good"))
    await committer.drain()
    assert {key: results.reason(key) for key in results.of} == {
        "mine": "Contested",
        "confused": "Contested",
        "bad": "BadName",
        "good": "Published",
    }
    assert file_at(desk.repository, "models/other.yaml") == b"theirs: 1\n"


def refuse(desk: Desk, script: str) -> None:
    hook = desk.repository / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho push >> {desk.repository}/pushes\nread old new ref\n{script}\n")
    hook.chmod(0o755)


def pushes(desk: Desk) -> int:
    return len((desk.repository / "pushes").read_text().splitlines())


async def test_a_file_that_a_hook_refuses_is_found_and_the_others_go_on(desk: Desk) -> None:
    refuse(desk, 'git grep -q poison "$new" -- && { echo "poison is forbidden" >&2; exit 1; }; exit 0')
    results = Results()
    committer = Committer(desk.clone(), results)
    for number in range(7):
        committer.submit(change(f"flow-{number}", b"poison\n" if number == 4 else b"a: 1\n"))
    await committer.drain()
    assert [key for key in results.of if results.reason(key) != "Published"] == ["flow-4"]
    assert results.reason("flow-4") == "PushRejected"
    assert "poison is forbidden" in str(results.of["flow-4"])
    assert file_at(desk.repository, "models/wt-flow-6.yaml") == b"a: 1\n"
    assert file_at(desk.repository, "models/wt-flow-4.yaml") is None
    assert pushes(desk) <= 7


async def test_a_remote_that_refuses_everything_is_not_asked_for_every_file(desk: Desk) -> None:
    refuse(desk, "echo no >&2; exit 1")
    results = Results()
    committer = Committer(desk.clone(), results)
    for number in range(40):
        committer.submit(change(f"flow-{number}"))
    await committer.drain()
    assert {results.reason(f"flow-{number}") for number in range(40)} == {"PushRejected"}
    assert {type(result) for result in results.of.values()} == {Declined, Transient}, (
        "who was not alone tries again"
    )
    assert pushes(desk) <= 20


async def test_a_protected_branch_is_asked_once(desk: Desk) -> None:
    refuse(desk, "echo 'GH006: Protected branch update failed' >&2; exit 1")
    results = Results()
    committer = Committer(desk.clone(), results)
    for number in range(4):
        committer.submit(change(f"flow-{number}"))
    await committer.drain()
    assert pushes(desk) == 1
    assert "allow this user to push" in str(results.of["flow-0"])


async def test_an_error_of_the_whole_batch_reaches_every_key_and_the_next_batch_is_tried(desk: Desk) -> None:
    lost = True

    def guard() -> None:
        if lost:
            raise Transient("lock lost", reason="LockLost")

    results = Results()
    committer = Committer(desk.clone(), results, window=0.05, guard=guard)
    async with running(committer):
        committer.submit(change("a"))
        committer.submit(change("b"))
        await reported(results, 2)
        assert {results.reason("a"), results.reason("b")} == {"LockLost"}
        lost = False
        committer.submit(change("c"))
        await reported(results, 3)
    assert results.reason("c") == "Published"
    assert file_at(desk.repository, "models/wt-a.yaml") is None


async def test_what_is_submitted_during_a_push_goes_with_the_next(desk: Desk) -> None:
    results = Results()
    clone: Clone = desk.clone()
    late = change("late")

    def submit_late() -> None:
        if "late" not in results.of and committer.pending("models", late.name) is None:
            committer.submit(late)

    committer = Committer(clone, results, guard=submit_late)
    committer.submit(change("early"))
    await committer.drain()
    assert log_of(desk.repository)[:2] == ["flows: late", "flows: early"]
    assert set(results.of) == {"early", "late"}
