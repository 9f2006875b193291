"""Requests at four kinds of server: proposed, kept up to date, merged for real, closed by people."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from forges import TOKEN, TestForge, forge_on
from githosts import GitHost, commit_as_somebody, file_at, git, log_of, make_remote, running_git_host

from aicore_sync.controller.reviews import Reviews
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.forge import Kind, Login, Project, Wire, connect
from aicore_sync.forge.wire import ignored
from aicore_sync.git import Author, Batch, Change, Credentials, Ours, Proposals, Race, Remote, blob_id

KINDS = ["github", *(pytest.param(k, marks=pytest.mark.slow) for k in ("gitlab", "azureDevOps", "bitbucket"))]
BRANCH = "aicore-sync-publish/team/main"


@dataclass
class Bench:
    """One repository with its forge, and processes that propose."""

    host: GitHost
    repository: Path
    forge: TestForge
    room: Path
    opened: list[Proposals]
    http: httpx.AsyncClient

    def reviews(self, token: str = TOKEN) -> Reviews:
        """As a process that has just started."""
        remote = Remote(
            name="templates",
            url=self.host.url_of("templates.git"),
            branch="main",
            cache_dir=self.room / "cache",
            author=Author("aicore-sync", "aicore-sync@example.com"),
            credentials=lambda: Credentials(self.host.username, self.host.password),
        )
        race = Race(random.Random(1))
        proposals = Proposals(remote, "team", Ours(("models",), ours), now=lambda: 1_800_000_000.0, race=race)
        self.opened.append(proposals)
        kind: Kind = self.forge.kind  # type: ignore[assignment]
        login = Login(token, "" if kind == "azureDevOps" else None)
        project = Project("forge.example.com", self.forge.path, self.forge.url)
        return Reviews(proposals, connect(kind, self.http, project, lambda: login), "team")


@asynccontextmanager
async def bench_of(tmp_path: Path, kind: str) -> AsyncIterator[Bench]:
    async with running_git_host(tmp_path / "host") as host, httpx.AsyncClient() as http:
        repository = make_remote(host.root, "templates.git", files={"README": "hello\n"})
        with forge_on(repository, kind) as forge:
            bench = Bench(host, repository, forge, tmp_path, [], http)
            try:
                yield bench
            finally:
                for proposals in bench.opened:
                    await proposals.close()


def ours(data: bytes) -> bool:
    return data.startswith(b"ours")


def batch(*names: str, text: str = "1", guard: Callable[[], None] = lambda: None) -> Batch:
    return Batch(tuple(change(name, f"ours {name} {text}\n".encode()) for name in names), guard)


def change(name: str, content: bytes | None) -> Change:
    return Change(name, "models", f"wt-{name}.yaml", content, ours, name)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_request_is_opened_updated_and_merged(tmp_path: Path, kind: str) -> None:
    async with bench_of(tmp_path, kind) as bench:
        reviews, forge = bench.reviews(), bench.forge
        assert (await reviews.read()).standing.head is None
        done = await reviews.publish(batch("churn"))
        assert done.blobs == {"models/wt-churn.yaml": blob_id(b"ours churn 1\n")}
        assert log_of(bench.repository) == ["By hand"], "the published branch is left alone"
        (ticket,) = forge.tickets
        assert (ticket.source, ticket.target, ticket.title) == (BRANCH, "main", "Templates: churn")
        assert "- write `models/wt-churn.yaml`" in ticket.text

        await bench.reviews().publish(batch("evaluate"))  # another process: what is proposed stays
        assert [t.title for t in forge.tickets] == ["Templates: churn, evaluate"]
        assert len(log_of(bench.repository, BRANCH)) == 2, "one commit on top of the branch"
        seen = await reviews.read()
        assert (seen.open, seen.declined) == (True, False)
        assert set(seen.standing.files["models"]) == {"wt-churn.yaml", "wt-evaluate.yaml"}

        head = forge.merge(delete=True)
        assert file_at(bench.repository, "models/wt-evaluate.yaml") == b"ours evaluate 1\n"
        assert git(bench.repository, "rev-parse", "main") == head
        assert (await reviews.read()).request is None

        await reviews.publish(Batch((change("churn", None),)))
        assert [t.state for t in forge.tickets] == ["merged", "open"]
        assert "- remove `models/wt-churn.yaml`" in forge.tickets[1].text
        forge.merge()
        assert file_at(bench.repository, "models/wt-churn.yaml") is None
        assert not (await reviews.read()).open


@pytest.mark.parametrize("kind", KINDS)
async def test_a_closed_request_is_an_answer_and_new_content_a_new_question(
    tmp_path: Path, kind: str
) -> None:
    async with bench_of(tmp_path, kind) as bench:
        reviews, forge = bench.reviews(), bench.forge
        await reviews.publish(batch("churn", "evaluate"))
        forge.close()
        seen = await reviews.read()
        assert (seen.open, seen.declined) == (False, True)

        await reviews.publish(batch("churn", text="2"))
        assert [t.state for t in forge.tickets] == ["closed", "open"]
        assert forge.tickets[1].title == "Templates: churn", "what people said no to is left out"
        assert not (await reviews.read()).declined


@pytest.mark.slow
async def test_what_is_wanted_no_more_is_withdrawn(tmp_path: Path) -> None:
    async with bench_of(tmp_path, "github") as bench:
        reviews, forge = bench.reviews(), bench.forge
        await reviews.publish(batch("churn", "evaluate"))
        await reviews.publish(Batch((change("churn", None),)))
        assert forge.tickets[0].title == "Templates: evaluate"
        await reviews.publish(Batch((change("evaluate", None),)))
        assert forge.tickets[0].state == "closed"
        assert not forge.head(BRANCH)
        seen = await reviews.read()
        assert (seen.open, seen.declined) == (False, False), "we closed it ourselves: that is nobody's no"


async def test_a_change_on_the_branch_that_would_conflict_is_built_upon(tmp_path: Path) -> None:
    async with bench_of(tmp_path, "gitlab") as bench:
        reviews, forge = bench.reviews(), bench.forge
        commit_as_somebody(bench.repository, {"models/wt-churn.yaml": "ours churn 0\n"})
        await reviews.publish(batch("churn"))
        first = forge.head(BRANCH)
        commit_as_somebody(bench.repository, {"README": "changed\n"})
        await reviews.publish(batch("churn"))
        assert forge.head(BRANCH) == first, "reviewers are not disturbed by what has nothing to do with it"
        commit_as_somebody(bench.repository, {"models/wt-churn.yaml": "ours, by hand\n"})
        await reviews.publish(batch("churn"))
        assert forge.head(BRANCH) != first
        forge.merge()
        assert file_at(bench.repository, "models/wt-churn.yaml") == b"ours churn 1\n"


async def test_files_of_others_are_not_proposed_over(tmp_path: Path) -> None:
    async with bench_of(tmp_path, "gitlab") as bench:
        commit_as_somebody(bench.repository, {"models/wt-churn.yaml": "theirs\n"})
        done = await bench.reviews().publish(batch("churn"))
        assert [refusal.error.reason for refusal in done.refused] == ["Contested"]
        assert not bench.forge.tickets


async def test_without_the_lock_nothing_is_pushed(tmp_path: Path) -> None:
    def lost() -> None:
        raise Transient("the lock is lost", reason="LockLost")

    async with bench_of(tmp_path, "gitlab") as bench:
        with pytest.raises(Transient):
            await bench.reviews().publish(batch("churn", guard=lost))
        assert not bench.forge.head(BRANCH)


async def test_a_branch_that_does_not_exist_cannot_be_asked_for(tmp_path: Path) -> None:
    async with bench_of(tmp_path, "gitlab") as bench:
        git(bench.repository, "update-ref", "-d", "refs/heads/main")
        with pytest.raises(Stalled) as refused:
            await bench.reviews().publish(batch("churn"))
        assert refused.value.reason == "BranchMissing"


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "AuthenticationFailed", Stalled),
        (203, "AuthenticationFailed", Stalled),
        (403, "PermissionDenied", Stalled),
        (404, "RepositoryNotFound", Stalled),
        (422, "RequestRefused", Stalled),
        (429, "RateLimited", Transient),
        (503, "Unreachable", Transient),
    ],
)
async def test_refusals_of_the_api_say_what_to_do(
    tmp_path: Path, status: int, reason: str, kind: type[SyncError]
) -> None:
    with forge_on(tmp_path, "github") as server:
        server.refuse = status
        async with httpx.AsyncClient() as http:
            forge = connect("github", http, Project("h", "ml/templates", server.url), lambda: Login(TOKEN))
            with pytest.raises(kind) as refused:
                await forge.newest("a", "b")
    assert refused.value.reason == reason
    assert TOKEN not in refused.value.message


async def test_nothing_is_changed_longer_than_the_lease_allows() -> None:
    asked: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, httpx.AsyncClient(timeout=60) as http:
        for left, reason, ambiguous, count in ((0.0, "LockLost", False, 0), (0.5, "Unreachable", True, 1)):
            wire = Wire(http, Project("h", "p"), lambda: Login(TOKEN), lambda left=left: left)  # type: ignore[misc]
            with pytest.raises(Transient) as refused:
                await wire.send("POST", url, {}, ignored)
            assert (refused.value.reason, refused.value.ambiguous) == (reason, ambiguous)
            assert len(asked) == count


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://github.com/ml/templates.git", "github.com", "ml/templates"),
        ("git@gitlab.com:ml/deep/templates.git", "gitlab.com", "ml/deep/templates"),
        ("ssh://git@host.example.com:7999/ml/templates", "host.example.com", "ml/templates"),
        ("https://dev.azure.com/o/my%20project/_git/t", "dev.azure.com", "o/my project/_git/t"),
    ],
)
def test_the_project_is_read_from_the_address(url: str, host: str, path: str) -> None:
    assert (Project.of(url).host, Project.of(url).path) == (host, path)
