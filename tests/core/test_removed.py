"""Notes about what flows lost: an hour long they count, then they go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aicore_sync.core.model import FlowKey
from aicore_sync.core.parts import Part
from aicore_sync.core.removed import noted_removal, removed_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = FlowKey("train", "prod")
PATH = "removed/prod/train.json"


def note(minutes: int) -> bytes:
    data = noted_removal({}, KEY, ["schedule main"], NOW - timedelta(minutes=minutes))[PATH]
    assert data
    return data


def test_what_was_noted_is_read_back_for_an_hour() -> None:
    (part,) = removed_of({PATH: note(59), "suspended/all.json": note(1)}, NOW).items()
    assert part == (Part("train", "prod", "schedule main"), NOW - timedelta(minutes=59))
    assert removed_of({PATH: note(60)}, NOW) == {}


def test_the_next_note_clears_old_ones_away() -> None:
    files = {
        "removed/dev/old.json": note(61),
        "removed/dev/young.json": note(5),
        "refused/t/x.json": note(61),
    }
    changes = noted_removal(files, KEY, ["schedule main"], NOW)
    assert changes == {"removed/dev/old.json": None, PATH: note(0)}


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b'{"at": "2026-03-01T12:00:00", "names": []}'])
def test_junk_counts_nothing(data: bytes) -> None:
    assert removed_of({PATH: data}, NOW) == {}
