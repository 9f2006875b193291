"""What the open request proposes for the file of a template, as lists read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from controller_world import template

from aicore_sync.controller.estate import Timings
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.reviews import Reviewed
from aicore_sync.controller.snapshots import Snapshots
from aicore_sync.core.desired import PublishedFile
from aicore_sync.core.template import parse_document, template_digest
from aicore_sync.forge import Request
from aicore_sync.git import Blob, Standing, blob_id

OPEN = Request(7, "open", "https://forge.example.com/7", "c1", "Templates: train", "")


def written(text: str) -> bytes:
    document = yaml.safe_load(template("train", text))
    document["metadata"]["annotations"]["aicore-sync/owner"] = "team"
    return yaml.safe_dump(document).encode()


OLD, NEW = written("print(1)"), written("print(2)")


def blob(data: bytes) -> Blob:
    return Blob(blob_id(data), data)


@pytest.mark.parametrize(
    ("proposed", "replaces", "published", "expected"),
    [
        ({"wt-train.json": NEW}, {}, None, ("wt-train.json", NEW, False)),
        ({"wt-train.json": NEW}, {"wt-train.yaml": OLD}, "wt-train.yaml", ("wt-train.json", NEW, False)),
        ({}, {"wt-train.yaml": OLD}, "wt-train.yaml", ("wt-train.yaml", None, False)),
        ({"wt-train.json": NEW}, {"wt-train.json": NEW}, "wt-train.json", ("wt-train.json", NEW, True)),
        ({"wt-train.json": OLD}, {"wt-train.json": OLD}, "wt-train.json", None),
    ],
    ids=["new", "another name", "removal", "conflict", "nothing"],
)
async def test_a_request_is_read_for_the_file_that_it_would_make_or_take_away(
    proposed: Mapping[str, bytes],
    replaces: Mapping[str, bytes],
    published: str | None,
    expected: tuple[str, bytes | None, bool] | None,
) -> None:
    standing = Standing(
        "c1",
        {"templates": {name: blob(data) for name, data in proposed.items()}},
        {"templates": {name: blob(data).id for name, data in replaces.items()}},
    )

    async def read() -> Reviewed:
        return Reviewed(standing, OPEN)

    branch = SimpleNamespace(name="templates", reviews=SimpleNamespace(read=read))
    tenant: Any = SimpleNamespace(branch=branch, path="templates", format="json")
    estate: Any = SimpleNamespace(
        timings=Timings(), owner="team", clock=lambda: datetime(2026, 3, 1, tzinfo=UTC)
    )
    here = PublishedFile(published, blob(OLD).id, "c0", None, ours=True, data=OLD) if published else None
    found = await Lists(estate, Snapshots(lambda: 0.0)).review(tenant, "train", here)
    shown = (found.file, found.digest, found.outdated) if found else None
    assert shown == ((expected[0], digest(expected[1]), expected[2]) if expected else None)


def digest(data: bytes | None) -> str:
    return template_digest(parse_document(data, "template")) if data else ""
