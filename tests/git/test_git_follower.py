"""A source in git over HTTP: what is fetched, what counts as news, and whose commits are used."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from git_keys import gpg, gpg_home, ssh_key
from githosts import ENVIRONMENT, commit_as_somebody, git, make_remote, running_git_host

from aicore_sync.core.errors import Stalled
from aicore_sync.git import Author, Credentials, Followed, Follower, Remote, Trust

FLOWS = {"flows/a/flow.py": "a = 1\n", "flows/b/flow.py": "b = 1\n", "big.bin": "x" * 5000}


@asynccontextmanager
async def following(
    tmp_path: Path, followed: Followed, tag: str = ""
) -> AsyncIterator[tuple[Path, Follower]]:
    async with running_git_host(tmp_path / "host") as host:
        repository = make_remote(host.root, files=FLOWS)
        remote = Remote(
            name="team",
            url=host.url_of("flows.git"),
            branch=tag or "main",
            cache_dir=tmp_path / "cache" / "git",
            author=Author("nobody", ""),
            credentials=lambda: Credentials(host.username, host.password),
            tag=bool(tag),
        )
        follower = Follower(remote, followed)
        try:
            yield repository, follower
        finally:
            await follower.close()


def files(directory: Path) -> dict[str, str]:
    return {
        p.relative_to(directory).as_posix(): p.read_text()
        for p in sorted(directory.rglob("*"))
        if p.is_file()
    }


async def test_only_the_path_is_fetched_and_a_new_commit_is_a_new_directory(tmp_path: Path) -> None:
    async with following(tmp_path, Followed("flows")) as (repository, follower):
        first = await follower.look()
        assert files(first.directory) == {"a/flow.py": "a = 1\n", "b/flow.py": "b = 1\n"}
        assert first.revision == git(repository, "rev-parse", "main")
        (clone,) = (tmp_path / "cache/git").glob("team-*-0")
        objects = git(clone, "cat-file", "--batch-check", "--batch-all-objects")
        assert " 5000" not in objects, "no blob outside of the path"
        commit = commit_as_somebody(repository, {"flows/a/flow.py": "a = 2\n"})
        second = await follower.look()
        assert second.revision == commit
        assert files(second.directory) == {"a/flow.py": "a = 2\n", "b/flow.py": "b = 1\n"}
        assert files(first.directory)["a/flow.py"] == "a = 1\n", "who reads the older one is not disturbed"
    assert not list((tmp_path / "cache").rglob("flow.py"))


async def test_what_we_publish_beside_the_flows_is_no_news(tmp_path: Path) -> None:
    async with following(tmp_path, Followed("", ("templates/dev",))) as (repository, follower):
        first = await follower.look()
        commit_as_somebody(repository, {"templates/dev/wt-a.yaml": "kind: WorkflowTemplate\n"})
        assert await follower.look() == first
        commit_as_somebody(repository, {"README": "news\n"})
        assert (await follower.look()).revision != first.revision


async def test_a_tag_is_followed_where_it_is_moved_to(tmp_path: Path) -> None:
    async with following(tmp_path, Followed("flows"), tag="production") as (repository, follower):
        with pytest.raises(Stalled, match="no tag production") as missing:
            await follower.look()
        assert missing.value.reason == "SourcePathMissing"
        git(repository, "tag", "-a", "-m", "first", "production", "main")
        first = await follower.look()
        commit = commit_as_somebody(repository, {"flows/a/flow.py": "a = 2\n"})
        assert await follower.look() == first
        git(repository, "tag", "-f", "-a", "-m", "second", "production", "main")
        assert (await follower.look()).revision == commit


async def test_a_path_that_is_gone_is_an_error_and_never_an_empty_source(tmp_path: Path) -> None:
    async with following(tmp_path, Followed("flows")) as (repository, follower):
        first = await follower.look()
        commit_as_somebody(repository, dict.fromkeys(("flows/a/flow.py", "flows/b/flow.py")))
        with pytest.raises(Stalled, match="no directory flows"):
            await follower.look()
        assert files(first.directory)


async def test_links_and_names_that_git_never_makes_stay_harmless(tmp_path: Path) -> None:
    async with following(tmp_path, Followed()) as (repository, follower):
        outside = git(repository, "hash-object", "-w", "--stdin", stdin=b"../../outside")
        blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"evil")
        inner = git(repository, "mktree", stdin=f"100644 blob {blob}\thook\n".encode())
        trees = "".join(f"040000 tree {inner}\t{name}\n" for name in (".git", ".."))
        lines = f"120000 blob {outside}\tlink\n{trees}100644 blob {blob}\tok\n"
        tree = git(repository, "mktree", stdin=lines.encode())
        commit = git(repository, "commit-tree", tree, "-m", "evil")
        git(repository, "update-ref", "refs/heads/main", commit)
        found = await follower.look()
        assert sorted(p.name for p in found.directory.iterdir()) == ["link", "ok"]
        assert (found.directory / "link").is_symlink()
        assert not (found.directory.parent / "hook").exists()


def commit_signed(repository: Path, text: str, *config: str, home: Path | None = None) -> str:
    """A commit on main that changes one flow, signed as `config` says."""
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=text.encode())
    inner = git(repository, "mktree", stdin=f"100644 blob {blob}\tflow.py\n".encode())
    outer = git(repository, "mktree", stdin=f"040000 tree {inner}\ta\n".encode())
    tree = git(repository, "mktree", stdin=f"040000 tree {outer}\tflows\n".encode())
    options = [word for entry in config for word in ("-c", entry)]
    command = [
        "git",
        "-C",
        str(repository),
        *options,
        "commit-tree",
        "-S",
        tree,
        "-p",
        "main",
        "-m",
        "signed",
    ]
    variables = ENVIRONMENT | ({"GNUPGHOME": str(home)} if home else {})
    done = subprocess.run(command, check=True, capture_output=True, env=variables)
    git(repository, "update-ref", "refs/heads/main", done.stdout.decode().strip())
    return git(repository, "rev-parse", "main")


async def test_only_commits_of_allowed_signers_are_used(tmp_path: Path) -> None:
    ours, other = ssh_key(tmp_path, "ours"), ssh_key(tmp_path, "other")
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"ours@example.com {ours.with_suffix('.pub').read_text()}")
    async with following(tmp_path, Followed("flows", trust=Trust(signers))) as (repository, follower):
        with pytest.raises(Stalled, match="has no signature") as unsigned:
            await follower.look()
        assert unsigned.value.reason == "CommitUnverified"
        good = commit_signed(repository, "a = 2\n", "gpg.format=ssh", f"user.signingKey={ours}")
        first = await follower.look()
        assert first.revision == good
        bad = commit_signed(repository, "a = 3\n", "gpg.format=ssh", f"user.signingKey={other}")
        with pytest.raises(Stalled, match=f"{bad[:12]}.*{good[:12]} stays in use"):
            await follower.look()
        assert files(first.directory) == {"a/flow.py": "a = 2\n"}
        commit_as_somebody(repository, {"flows/a/flow.py": "a = 2\n"})
        assert await follower.look() == first, "the files are those of the signed commit again"
        signers.unlink()
        commit_signed(repository, "a = 4\n", "gpg.format=ssh", f"user.signingKey={ours}")
        with pytest.raises(Stalled) as unusable:
            await follower.look()
        assert unusable.value.reason == "SigningKeyUnusable"


async def test_openpgp_signatures_count_when_their_keys_are_named(tmp_path: Path) -> None:
    with gpg_home(tmp_path) as home:
        keys = tmp_path / "keys.asc"
        keys.write_bytes(gpg(home, "--armor", "--export"))
        trust = Trust(gpg_keys=keys)
        async with following(tmp_path, Followed("flows", trust=trust)) as (repository, follower):
            good = commit_signed(repository, "a = 2\n", "user.signingKey=ours@example.com", home=home)
            assert (await follower.look()).revision == good
            other = ssh_key(tmp_path, "other")
            commit_signed(repository, "a = 3\n", "gpg.format=ssh", f"user.signingKey={other}")
            with pytest.raises(Stalled, match="stays in use"):
                await follower.look()


async def test_a_commit_of_the_remote_has_its_author(tmp_path: Path) -> None:
    async with following(tmp_path, Followed("flows")) as (repository, follower):
        commit = commit_as_somebody(repository, {"flows/a/flow.py": "a = 2\n"})
        commit_as_somebody(repository, {"flows/a/flow.py": "a = 3\n"})
        await follower.look()
        made = await follower.authorship(commit)
        assert made
        author, subject = git(repository, "show", "-s", "--format=%an%n%s", commit).splitlines()
        assert (made.commit, made.author, made.subject) == (commit, author, subject)
        assert made.committed
        assert int(made.committed.timestamp()) == int(git(repository, "show", "-s", "--format=%ct", commit))
        assert await follower.authorship("f" * 40) is None
