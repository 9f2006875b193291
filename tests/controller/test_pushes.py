"""When a commit of a source was pushed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from githosts import commit_as_somebody, git, make_remote

from aicore_sync.controller.source import Fetched, Push
from aicore_sync.controller.source.pushes import Signs, push_of
from aicore_sync.git import Author, Followed, Follower, Remote

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("signs", "pushed"),
    [
        (Signs(committed=at(70), without=at(60)), 70),
        (Signs(committed=at(-9000), without=at(60)), 60),  # a commit that was pushed late
        (Signs(committed=at(9000), without=at(60)), 100),  # a committer's clock that goes before
        (Signs(committed=at(70), woken=at(98), without=at(60)), 98),
        (Signs(committed=at(70), woken=at(20), without=at(60)), 60),
        (Signs(committed=None, without=at(60)), 100),
        (Signs(committed=at(70)), 100),  # the first look of all: nobody knows since when it was there
        (Signs(committed=at(70), woken=at(98)), 100),
    ],
)
def test_a_push_lies_between_the_last_look_without_it_and_the_first_with_it(
    signs: Signs, pushed: float
) -> None:
    assert push_of(signs, at(100)) == Push(at(pushed), at(100))


async def test_a_source_knows_when_its_commits_came(tmp_path: Path) -> None:
    repository = make_remote(tmp_path, "source.git", files={"a.py": "1"})
    now = [datetime.now(UTC)]
    remote = Remote("source", repository.as_uri(), "main", tmp_path / "cache", Author("nobody", ""))
    fetched = Fetched(Follower(remote, Followed()), lambda: now[0])
    first = git(repository, "rev-parse", "main").strip()
    assert fetched.push(first) is None
    await fetched.look()
    assert fetched.push(first) == Push(now[0], now[0])
    looked, now[0] = now[0], now[0] + timedelta(hours=2)
    second = commit_as_somebody(repository, {"a.py": "2"})
    committed = datetime.fromisoformat(git(repository, "show", "-s", "--format=%cI", second).strip())
    await fetched.look()
    assert fetched.push(second) == Push(max(committed, looked), now[0])
    now[0] += timedelta(hours=2)
    fetched.woken = now[0] - timedelta(seconds=3)
    third = commit_as_somebody(repository, {"a.py": "3"})
    await fetched.look()
    assert fetched.push(third) == Push(now[0] - timedelta(seconds=3), now[0])
    assert fetched.woken is None
