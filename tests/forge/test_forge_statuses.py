"""Statuses, deployments and comments, at both kinds of forge."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from small_forge import SmallForge

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.forge import CommitStatus, Login, Project, Statuses, Thread, Wire, comment, connect_statuses
from aicore_sync.forge.model import StatusKind

COMMIT = "c0ffee" * 6 + "c0ff"
STATUS = CommitStatus(
    COMMIT, "dev", "aicore-sync/team/dev", "pending", "0 of 2 flows are live", "https://sync.test"
)
APIS = {"github": "http://forge.test", "gitlab": "http://forge.test/api/v4"}


@pytest.fixture
def forge() -> SmallForge:
    return SmallForge()


def project(kind: StatusKind) -> Project:
    return Project("forge.test", "team/flows", APIS[kind])


def statuses(forge: SmallForge, kind: StatusKind) -> Statuses:
    return connect_statuses(kind, forge.client(), project(kind), lambda: Login("word"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("github", "pending success failure error"), ("gitlab", "pending success failed canceled")],
)
async def test_states_arrive_in_the_words_of_the_forge(
    forge: SmallForge, kind: StatusKind, words: str
) -> None:
    shown = statuses(forge, kind)
    await shown.show(STATUS)
    await shown.show(replace(STATUS, state="success"))
    await shown.show(replace(STATUS, state="failure", text="x" * 300))
    await shown.show(replace(STATUS, state="superseded"))
    assert [s["state"] for s in forge.statuses] == words.split()
    assert {s["sha"] for s in forge.statuses} == {COMMIT}
    assert {s.get("context") or s["name"] for s in forge.statuses} == {"aicore-sync/team/dev"}
    assert forge.statuses[0]["target_url"] == "https://sync.test"
    assert forge.tokens == {"Bearer word"}


@pytest.mark.parametrize(
    ("kind", "words"), [("github", "in_progress success"), ("gitlab", "running success")]
)
async def test_a_deployment_is_made_once_and_found_again(
    forge: SmallForge, kind: StatusKind, words: str
) -> None:
    await statuses(forge, kind).deploy(STATUS)
    await statuses(forge, kind).deploy(replace(STATUS, state="success"))  # another process
    await statuses(forge, kind).deploy(replace(STATUS, environment="prod"))
    assert [d["environment"] for d in forge.deployments] == ["dev", "prod"]
    assert forge.deployments[0]["states"] == words.split()


async def test_a_deployment_of_gitlab_is_not_told_what_it_is(forge: SmallForge) -> None:
    shown = statuses(forge, "gitlab")
    await shown.deploy(STATUS)
    await shown.deploy(STATUS)
    assert forge.deployments[0]["states"] == ["running"]


def thread(kind: StatusKind) -> Thread:
    if kind == "github":
        return Thread.github(APIS[kind], "team/flows", 7)
    return Thread.gitlab(APIS[kind], "42", 7)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_one_comment_is_kept_up_to_date_among_many(forge: SmallForge, kind: StatusKind) -> None:
    wire = Wire(forge.client(), project(kind), lambda: Login("word"))
    forge.comments = [{"id": 1000 + n, "body": f"> <!-- aicore-sync: plan -->\n{n}"} for n in range(150)]
    assert await comment(wire, thread(kind), "plan", "one")
    assert await comment(wire, thread(kind), "other plan", "of somebody else")
    assert not await comment(wire, thread(kind), "plan", "one")
    assert await comment(wire, thread(kind), "plan", "two")
    assert [c["body"].partition("\n")[2] for c in forge.comments[150:]] == ["two", "of somebody else"]
    assert forge.writes == 3


async def test_a_long_comment_is_cut_where_the_forge_would_refuse_it(forge: SmallForge) -> None:
    wire = Wire(forge.client(), project("github"), lambda: Login("word"))
    await comment(wire, thread("github"), "plan", "y" * 100_000)
    assert len(forge.comments[0]["body"]) <= 60_000
    assert forge.comments[0]["body"].endswith("too long")


async def test_refusals_say_what_to_do(forge: SmallForge) -> None:
    shown = statuses(forge, "github")
    forge.refuse = [httpx.Response(503, text="down")]
    with pytest.raises(Transient):
        await shown.show(STATUS)
    forge.refuse = [httpx.Response(401, text="bad")]
    with pytest.raises(Stalled, match="token"):
        await shown.show(STATUS)
    forge.refuse = [httpx.Response(403, text="slow down", headers={"Retry-After": "60"})]
    with pytest.raises(Transient) as caught:
        await shown.show(STATUS)
    assert caught.value.retry_after == 60
