"""Publishing to a served repository: races, foreign files, branches that come, go and are rewritten."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from git_desk import Desk, open_desk
from githosts import commit_as_somebody, file_at, git, log_of, make_remote

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.git import Batch, Change, bare, blob_id


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def change(name: str, content: bytes | None = b"a: 1\n", *, directory: str = "models") -> Change:
    return Change(
        key=name,
        directory=directory,
        name=f"wt-{name}.yaml",
        content=content,
        may_replace=lambda there: b"theirs" not in there,
        title=name,
        trailers=(("Aicore-Sync-Flow", name), ("Aicore-Sync-Owner", "team")),
    )


async def test_publishes_one_commit_and_reads_it_back(desk: Desk) -> None:
    clone = desk.clone(now=lambda: 1_800_000_000.0)
    done = await clone.publish(Batch((change("churn"), change("evaluate", b"b: 2\n"))))
    assert done.changed
    assert done.commit == git(desk.repository, "rev-parse", "main")
    assert done.blobs == {
        "models/wt-churn.yaml": blob_id(b"a: 1\n"),
        "models/wt-evaluate.yaml": blob_id(b"b: 2\n"),
    }
    text = git(desk.repository, "log", "-1", "--format=%an <%ae> %ct%n%B", "main")
    assert text.strip() == (
        "aicore-sync <aicore-sync@example.com> 1800000000\nflows: churn, evaluate\n\n"
        "- write models/wt-churn.yaml\n- write models/wt-evaluate.yaml\n\n"
        "Aicore-Sync-Flow: churn\nAicore-Sync-Owner: team\nAicore-Sync-Flow: evaluate"
    )
    files = await desk.clone().files("models")
    assert {name: blob.data for name, blob in files.items()} == {
        "other.yaml": b"theirs: 1\n",
        "wt-churn.yaml": b"a: 1\n",
        "wt-evaluate.yaml": b"b: 2\n",
    }
    assert files["wt-churn.yaml"].id == blob_id(b"a: 1\n")
    assert file_at(desk.repository, "README.md") == b"hello\n"
    git(desk.repository, "fsck", "--strict")


async def test_without_need_no_commit(desk: Desk) -> None:
    clone = desk.clone()
    first = await clone.publish(Batch((change("churn"),)))
    again = await clone.publish(
        Batch((change("churn"), change("gone", None), change("gone", None, directory="nowhere")))
    )
    assert (again.commit, again.changed) == (first.commit, False)
    assert len(log_of(desk.repository)) == 2


async def test_no_need_is_judged_on_the_present_head_not_on_a_remembered_one(desk: Desk) -> None:
    clone = desk.clone()
    await clone.publish(Batch((change("churn"),)))
    commit_as_somebody(desk.repository, {"models/wt-churn.yaml": "edited: by hand\n"})
    again = await clone.publish(Batch((change("churn"),)))
    assert again.changed
    assert file_at(desk.repository, "models/wt-churn.yaml") == b"a: 1\n"


async def test_a_lost_race_is_built_again_on_the_new_head(desk: Desk) -> None:
    clone = desk.clone()
    await clone.fetch()
    theirs = commit_as_somebody(desk.repository, {"models/other.yaml": "theirs: 2\n"})
    done = await clone.publish(Batch((change("churn"),)))
    assert git(desk.repository, "rev-parse", f"{done.commit}^") == theirs
    assert file_at(desk.repository, "models/other.yaml") == b"theirs: 2\n"


async def test_racing_publishers_lose_nothing(desk: Desk) -> None:
    async def publisher(who: int) -> None:
        clone = desk.clone()
        for turn in range(4):
            await clone.publish(Batch((change(f"f{who}-{turn}"),)))

    await asyncio.gather(*(publisher(who) for who in range(3)))
    names = git(desk.repository, "ls-tree", "--name-only", "main:models").splitlines()
    assert {f"wt-f{who}-{turn}.yaml" for who in range(3) for turn in range(4)} <= set(names)
    assert len(log_of(desk.repository)) == 13
    git(desk.repository, "fsck", "--strict")


async def test_a_race_without_end_ends_at_the_deadline(desk: Desk) -> None:
    clone = desk.clone(patience=0.2)
    await clone.fetch()

    def overtake() -> None:
        commit_as_somebody(desk.repository, {"models/other.yaml": git(desk.repository, "rev-parse", "main")})

    with pytest.raises(Transient) as caught:
        await clone.publish(Batch((change("churn"),), guard=overtake))
    assert caught.value.reason == "PushRaceLost"


async def test_foreign_files_bad_names_and_folders_are_left_alone(desk: Desk) -> None:
    commit_as_somebody(desk.repository, {"models/wt-mine.yaml": "theirs: too\n", "file": "theirs\n"})
    clone = desk.clone()
    names = ("../escape", ".hidden", "a/b", "", "x\ny")
    bad = [Change(name, "models", name, b"x", title=name) for name in names]
    below_a_file = change("below", directory="file/deep")
    upwards = change("up", directory="models/../..")
    twice = change("churn", b"other\n")
    done = await clone.publish(Batch((change("mine"), change("churn"), twice, below_a_file, upwards, *bad)))
    reasons = {refusal.change.key: refusal.error.reason for refusal in done.refused}
    assert reasons == {
        **{"mine": "Contested", "churn": "Contested", "below": "Contested", "up": "BadName"},
        **dict.fromkeys(names, "BadName"),
    }
    assert all(isinstance(refusal.error, Stalled) for refusal in done.refused)
    assert set(done.blobs) == {"models/wt-churn.yaml"}
    assert file_at(desk.repository, "models/wt-mine.yaml") == b"theirs: too\n"
    assert file_at(desk.repository, "models/wt-churn.yaml") == b"a: 1\n"
    assert file_at(desk.repository, "file") == b"theirs\n"


async def test_a_foreign_file_that_appears_during_the_race_is_left_alone(desk: Desk) -> None:
    clone = desk.clone()
    await clone.fetch()
    commit_as_somebody(desk.repository, {"models/wt-churn.yaml": "theirs: now\n"})
    done = await clone.publish(Batch((change("churn"), change("evaluate"))))
    assert [refusal.change.key for refusal in done.refused] == ["churn"]
    assert file_at(desk.repository, "models/wt-churn.yaml") == b"theirs: now\n"
    assert file_at(desk.repository, "models/wt-evaluate.yaml") == b"a: 1\n"


async def test_removes_a_file(desk: Desk) -> None:
    clone = desk.clone()
    await clone.publish(Batch((change("churn"),)))
    done = await clone.publish(Batch((change("churn", None),)))
    assert done.blobs == {"models/wt-churn.yaml": None}
    assert file_at(desk.repository, "models/wt-churn.yaml") is None
    assert "wt-churn.yaml" not in await clone.files("models")


async def test_the_first_publish_creates_the_branch_and_only_one_creates_it(desk: Desk) -> None:
    one, two = desk.clone(branch="deploy"), desk.clone(branch="deploy")
    assert await one.fetch() is None
    assert await two.fetch() is None
    assert await one.files("models") == {}
    nothing = await one.publish(Batch((change("churn", None),)))
    assert (nothing.commit, nothing.changed) == (None, False)
    await asyncio.gather(one.publish(Batch((change("a"),))), two.publish(Batch((change("b"),))))
    assert git(desk.repository, "ls-tree", "-r", "--name-only", "deploy").splitlines() == [
        "models/wt-a.yaml",
        "models/wt-b.yaml",
    ]
    assert len(log_of(desk.repository, "deploy")) == 2


async def test_an_empty_repository_and_the_root_directory(desk: Desk) -> None:
    empty = make_remote(desk.host.root, "empty.git")
    clone = desk.clone(url=desk.host.url_of("empty.git"))
    await clone.publish(Batch((change("churn", directory="."),)))
    assert file_at(empty, "wt-churn.yaml") == b"a: 1\n"
    assert set(await clone.files("")) == {"wt-churn.yaml"}


async def test_a_force_pushed_branch(desk: Desk) -> None:
    clone = desk.clone()
    await clone.publish(Batch((change("churn"),)))
    git(desk.repository, "update-ref", "refs/heads/main", git(desk.repository, "rev-parse", "main^"))
    commit_as_somebody(desk.repository, {"models/other.yaml": "theirs: 3\n"})
    await clone.publish(Batch((change("churn"),)))
    assert len(log_of(desk.repository)) == 3
    assert file_at(desk.repository, "models/other.yaml") == b"theirs: 3\n"
    assert file_at(desk.repository, "models/wt-churn.yaml") == b"a: 1\n"


async def test_a_repository_that_was_deleted_and_made_anew(desk: Desk) -> None:
    clone = desk.clone()
    await clone.publish(Batch((change("churn"),)))
    shutil.rmtree(desk.repository)
    make_remote(desk.host.root)
    done = await clone.publish(Batch((change("churn"),)))
    assert done.changed
    assert git(desk.repository, "rev-list", "--count", "main") == "1"


async def test_a_damaged_clone_is_replaced(desk: Desk) -> None:
    clone = desk.clone()
    await clone.files("models")
    (objects,) = desk.remote.cache_dir.glob("*/objects")
    shutil.rmtree(objects)
    done = await clone.publish(Batch((change("churn"),)))
    assert done.changed
    assert file_at(desk.repository, "models/wt-churn.yaml") == b"a: 1\n"


async def test_missing_contents_come_in_one_batch(desk: Desk) -> None:
    commit_as_somebody(desk.repository, {f"models/wt-{n}.yaml": f"n: {n}\n" for n in range(50)})
    calls: list[str] = []
    clone = desk.clone(observe=lambda operation, result, seconds: calls.append(f"{operation} {result}"))
    assert len(await clone.files("models")) == 51
    assert calls == ["fetch ok", "fetch ok"]  # commits and trees, then all contents
    await clone.files("models")
    assert len(calls) == 2
    commit_as_somebody(desk.repository, {"models/wt-1.yaml": "n: new\n"})
    await clone.fetch()
    assert (await clone.files("models"))["wt-1.yaml"].data == b"n: new\n"
    assert calls[2:] == ["ls-remote ok", "fetch ok", "fetch ok"]


async def test_proof_by_blob_at_any_commit(desk: Desk) -> None:
    old = commit_as_somebody(desk.repository, {"models/wt-churn.yaml": "v: 1\n"})
    new = commit_as_somebody(desk.repository, {"models/wt-churn.yaml": "v: 2\n", "models/link/x": "x"})
    clone = desk.clone()
    path = "models/wt-churn.yaml"
    assert await clone.blob_id_at(old, path) == blob_id(b"v: 1\n")
    assert await clone.blob_id_at(new, path) == blob_id(b"v: 2\n")
    assert await clone.blob_id_at(new, "models/absent.yaml") is None
    assert await clone.blob_id_at(new, "models/link") is None
    assert await clone.blob_id_at("0123456789" * 4, path) is None
    assert await clone.blob_id_at("Unknown", path) is None
    assert (await clone.publish(Batch((change("churn", b"v: 3\n"),)))).changed


async def test_the_previous_content_that_was_not_refused(desk: Desk) -> None:
    for version in range(5):
        commit_as_somebody(desk.repository, {"models/wt-churn.yaml": f"v: {version}\n"})
        commit_as_somebody(desk.repository, {"noise": str(version)})
    clone = desk.clone()
    path = "models/wt-churn.yaml"
    assert await clone.previous_blob(path, frozenset()) == b"v: 3\n"
    assert await clone.previous_blob(path, frozenset({blob_id(b"v: 3\n"), blob_id(b"v: 2\n")})) == b"v: 1\n"
    everything = frozenset(blob_id(f"v: {version}\n".encode()) for version in range(5))
    assert await clone.previous_blob(path, everything) is None
    assert await clone.previous_blob("models/absent.yaml", frozenset()) is None
    commit_as_somebody(desk.repository, {path: None})
    assert await clone.previous_blob(path, frozenset()) == b"v: 4\n"
    assert (await clone.publish(Batch((change("churn", b"v: 9\n"),)))).changed


async def test_a_guard_that_raises_stops_the_push(desk: Desk) -> None:
    def guard() -> None:
        raise Transient("the lock is lost", reason="LockLost")

    with pytest.raises(Transient, match="the lock is lost"):
        await desk.clone().publish(Batch((change("churn"),), guard))
    assert len(log_of(desk.repository)) == 1


async def test_a_remote_that_cannot_filter_and_a_file_address(desk: Desk) -> None:
    git(desk.repository, "config", "uploadpack.allowFilter", "false")
    clone = desk.clone(url=f"file://{desk.repository}", credentials=lambda: None)
    assert (await clone.files("models"))["other.yaml"].data == b"theirs: 1\n"
    assert (await clone.publish(Batch((change("churn"),)))).changed
    assert len(log_of(desk.repository)) == 2


async def test_a_push_whose_answer_got_lost_is_found_on_the_branch(desk: Desk, tmp_path: Path) -> None:
    hook = desk.repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.02; done\n")
    hook.chmod(0o755)
    done = await desk.clone(timeout=1.5).publish(Batch((change("churn"),)))
    (tmp_path / "go").touch()
    assert done.commit == git(desk.repository, "rev-parse", "main")
    assert len(log_of(desk.repository)) == 2


async def test_a_clone_is_renewed_before_it_grows_old(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare, "RENEW_AFTER", 2)
    calls: list[str] = []
    clone = desk.clone(observe=lambda operation, result, seconds: calls.append(operation))
    for turn in range(5):
        await clone.publish(Batch((change("churn", b"%d\n" % turn),)))
    # after a renewal the content that is replaced has to be fetched once more
    assert calls == ["fetch", "push", "push", "fetch", "fetch", "push", "push", "fetch", "fetch", "push"]
    assert len(log_of(desk.repository)) == 6


async def test_two_clones_of_one_branch_do_not_share_a_directory_and_leave_none_behind(desk: Desk) -> None:
    one, two = desk.clone(), desk.clone()
    await one.fetch()
    await two.fetch()
    assert len([path for path in desk.remote.cache_dir.iterdir() if path.is_dir()]) == 2
    await one.close()
    await two.close()
    assert [path for path in desk.remote.cache_dir.iterdir() if path.is_dir()] == []


async def test_a_cache_directory_that_cannot_be_used(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Stalled, match="expected a directory"):
        await desk.clone(cache_dir=tmp_path / "file").fetch()
