from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from aicore_sync.core.model import (
    Condition,
    FlowKey,
    Health,
    Key,
    Mark,
    ObjectRow,
    Stage,
    Status,
    TemplateKey,
    TenantKey,
)
from aicore_sync.store import Keep, Store

FLOW = FlowKey("train", "dev")
TEMPLATE = TemplateKey("train", "dev")  # the same two words as FLOW: kinds must not be mixed up
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def status(reason: str = "Scheduled", *, key: Key = FLOW, minute: int = 0, message: str = "") -> Status:
    return Status(
        key,
        Health.HEALTHY,
        "all is well",
        (Condition(Stage.SCHEDULE, Mark.OK, reason, message),),
        {"commit": "abc"},
        (ObjectRow("schedule", "team.train.nightly", "id-1", "ACTIVE", at=START),),
        START + timedelta(minutes=minute),
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "deep" / "history.db")
    yield store
    await store.close()


async def test_a_status_comes_back_as_it_was_also_in_another_process(store: Store, tmp_path: Path) -> None:
    await store.put(FLOW, status())
    await store.put(TEMPLATE, status(key=TEMPLATE))
    await store.close()
    again = Store(tmp_path / "deep" / "history.db")
    assert await again.get(FLOW) == status()
    assert await again.all() == (status(key=TEMPLATE), status())
    assert await again.get(FlowKey("other", "dev")) is None
    await again.close()


async def test_only_changes_enter_the_history(store: Store) -> None:
    for minute, (reason, message) in enumerate(
        [
            ("Held", "again in 12 s"),
            ("Held", "again in 9 s"),
            ("Held", "since 2026-01-02T03:04:05Z"),
            ("Scheduled", ""),
        ]
    ):
        await store.put(FLOW, status(reason, minute=minute, message=message))
    changes = await store.history(FLOW, 10)
    assert [(c.conditions[0].reason, c.updated) for c in changes] == [
        ("Scheduled", START + timedelta(minutes=3)),
        ("Held", START + timedelta(minutes=2)),
        ("Held", START),
    ]
    assert await store.history(FLOW, 1) == changes[:1]


async def test_history_is_bounded_per_key_and_altogether() -> None:
    store = Store(keep=Keep(per_key=3, total=5))
    for n in range(10):
        await store.put(FLOW, status(f"Reason{n}"))
    assert [c.conditions[0].reason for c in await store.history(FLOW, 99)] == [
        "Reason9",
        "Reason8",
        "Reason7",
    ]
    for n in range(4):
        await store.put(FlowKey(f"flow{n}", "dev"), status())
    assert len(await store.history(FLOW, 99)) == 1
    await store.close()


async def test_a_deleted_key_leaves_its_history_to_read(store: Store) -> None:
    await store.put(FLOW, status())
    await store.delete(FLOW)
    assert await store.get(FLOW) is None
    assert await store.all() == ()
    assert await store.history(FLOW, 10) == (status(),)


async def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    file.write_bytes(b"this is not a database, whatever its name says" * 100)
    store = Store(file)
    with capture_logs() as logs:
        await store.put(FLOW, status())
    assert await store.get(FLOW) == status()
    assert [line["event"] for line in logs] == ["history_moved_aside"]
    assert (tmp_path / "history.db.corrupt-1").read_bytes().startswith(b"this is not")
    await store.close()


async def test_a_damaged_file_costs_its_content_only(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    store = Store(file)
    for n in range(200):
        await store.put(FlowKey(f"flow{n}", "dev"), status())
    await store.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with capture_logs() as logs:
        await store.put(FLOW, status())
        await store.put(FLOW, status())
    assert await store.get(FLOW) == status()
    assert "history_moved_aside" in [line["event"] for line in logs]
    await store.close()


async def test_a_file_that_breaks_while_it_is_open_is_moved_aside_too(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    store = Store(file)
    await store.put(FLOW, status())
    with sqlite3.connect(file) as other:  # a foreign write makes the store read the file again
        other.execute("DELETE FROM history")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.write_bytes(b"\xff" * file.stat().st_size)
    other.close()
    with capture_logs() as logs:
        await store.put(FLOW, status("Lost"))
        await store.put(FLOW, status("Kept"))
    assert [line["event"] for line in logs] == ["history_unavailable", "history_moved_aside"]
    assert await store.get(FLOW) == status("Kept")
    await store.close()


async def test_where_nothing_can_be_written_memory_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "history.db")
    with capture_logs() as logs:
        await store.put(FLOW, status())
    assert await store.get(FLOW) == status()
    assert [line["event"] for line in logs] == ["history_in_memory_only"]
    await store.close()


async def test_a_file_of_another_version_starts_anew(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE status (something TEXT)")
        db.execute("PRAGMA user_version=99")
    db.close()
    store = Store(file)
    await store.put(FLOW, status())
    assert await store.all() == (status(),)
    await store.close()


async def test_many_tasks_at_once_lose_nothing(store: Store) -> None:
    keys = [FlowKey(f"flow{n}", "dev") for n in range(40)]
    await asyncio.gather(*(store.put(key, status(key=key)) for key in keys))
    assert {s.key for s in await store.all()} == set(keys)


async def test_a_tenant_is_a_key_like_others() -> None:
    store = Store()
    status = Status(TenantKey("dev"), Health.HEALTHY, "as the configuration says")
    await store.put(status.key, status)
    assert await store.all() == (status,)
    await store.close()
