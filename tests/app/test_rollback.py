"""Which templates a name means, and which version is the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from aicore_sync.app.history import Version, templates_of
from aicore_sync.app.rollback import _chosen
from aicore_sync.core.answers import VersionAnswer
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import TemplateKey
from aicore_sync.git import Revision

AT = datetime(2026, 3, 4, tzinfo=UTC)
DEV, PROD, OTHER = TemplateKey("t", "a-dev"), TemplateKey("t", "a-prod"), TemplateKey("u", "a")


@dataclass(frozen=True)
class Facts:
    flow: str


def app_of(*, source: dict[TemplateKey, str], published: dict[str, dict[str, Facts]]) -> Any:
    async def known() -> None:
        """It has been read."""

    async def owned(place: Any) -> dict[str, Facts]:
        return published[place.name]

    return SimpleNamespace(
        know_sources=known,
        desire=SimpleNamespace(
            catalog=SimpleNamespace(targets={key: SimpleNamespace(flow=flow) for key, flow in source.items()})
        ),
        estate=SimpleNamespace(tenants={name: SimpleNamespace(name=name) for name in published}),
        reader=SimpleNamespace(lists=SimpleNamespace(owned=owned)),
    )


APP = app_of(
    source={DEV: "a"}, published={"t": {"a-prod": Facts("a"), "b": Facts("")}, "u": {"a": Facts("a")}}
)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("a", (DEV, PROD, OTHER)),
        ("a@t", (DEV, PROD)),
        ("a@u", (OTHER,)),
        ("a-prod", (PROD,)),
        ("a-dev@t", (DEV,)),
        ("b", (TemplateKey("t", "b"),)),
    ],
)
async def test_a_flow_means_all_its_templates_and_an_executable_one(
    name: str, keys: tuple[TemplateKey, ...]
) -> None:
    assert await templates_of(APP, name) == keys


@pytest.mark.parametrize("name", ["c", "a-dev@u", "a@v"])
async def test_a_name_without_a_template_is_refused(name: str) -> None:
    with pytest.raises(Stalled, match=f"there is no flow {name}"):
        await templates_of(APP, name)


def version(commit: str, made: str) -> Version:
    answer = VersionAnswer(
        commit=commit, at=AT, author="", subject="", tenant="t", executable="a", version=made, source="",
        changes=(), live=False,
    )  # fmt: skip
    revision = Revision(commit, "", AT, "", "blob" if made else None)
    return Version(DEV, revision, made.encode() or None, None, answer)


FOUND = (version("c4", "2"), version("c3", "2"), version("c2", ""), version("b1", "1"))


@pytest.mark.parametrize(("to", "commit"), [("", "b1"), ("c3", "c3"), ("b", "b1")])
def test_the_version_before_is_the_last_other_one(to: str, commit: str) -> None:
    assert _chosen(FOUND, DEV, to).revision.commit == commit


@pytest.mark.parametrize(
    ("found", "to", "words"),
    [
        (FOUND, "c", "more than one commit c"),
        (FOUND, "9", "no commit 9 among the last 4"),
        (FOUND[:3], "", "no earlier version"),
        ((), "", "no earlier version"),
    ],
)
def test_a_version_that_there_is_not_is_refused(found: tuple[Version, ...], to: str, words: str) -> None:
    with pytest.raises(Stalled, match=words):
        _chosen(found, DEV, to)
