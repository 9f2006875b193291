"""Events and publications: what is kept, found again, and dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aicore_sync.core.chronicle import Event, Publication, events_of
from aicore_sync.core.model import (
    Condition,
    FlowKey,
    Health,
    Key,
    Mark,
    Stage,
    Status,
    TemplateKey,
    TenantKey,
)
from aicore_sync.store import EventQuery, Store

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FLOW, TEMPLATE = FlowKey("train", "dev"), TemplateKey("main", "train")


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def status(key: Key, minute: int, *conditions: Condition, **facts: str) -> Status:
    return Status(key, Health.PROGRESSING, "", conditions, facts, (), at(minute))


def condition(stage: Stage, mark: Mark, reason: str, message: str = "") -> Condition:
    return Condition(stage, mark, reason, message)


PUBLISHED, SYNCED = condition(Stage.PUBLISH, Mark.OK, "Published"), condition(Stage.SYNC, Mark.OK, "Synced")
PENDING = condition(Stage.SYNC, Mark.WAIT, "SyncPending", "asked 3 s ago")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "history.db")
    yield store
    await store.close()


def test_a_first_status_tells_only_what_is_wrong_and_then_only_what_is_new() -> None:
    broken = condition(Stage.SCHEDULE, Mark.FAIL, "Contested", "two hands")
    first = status(FLOW, 0, PENDING, broken)
    assert [e.reason for e in events_of(None, first)] == ["Contested"]
    later = status(FLOW, 1, condition(Stage.SYNC, Mark.WAIT, "SyncPending", "asked 9 s ago"), SYNCED)
    [event] = events_of(first, later)
    assert (event.reason, event.flow, event.environment, event.at) == ("Synced", "train", "dev", at(1))


@pytest.mark.parametrize(
    ("key", "place"),
    [(FLOW, ("train", "dev", "")), (TEMPLATE, ("train", "", "main")), (TenantKey("main"), ("", "", "main"))],
)
def test_an_event_says_where_it_happened(key: Key, place: tuple[str, str, str]) -> None:
    [event] = events_of(None, status(key, 0, condition(Stage.SYNC, Mark.FAIL, "Broken")))
    assert (event.flow, event.environment, event.tenant) == place


async def test_changes_of_a_status_become_events_once(store: Store) -> None:
    for minute, last in enumerate((PENDING, PENDING, SYNCED, PENDING)):
        await store.put(TEMPLATE, status(TEMPLATE, minute, PUBLISHED, last))
    found = await store.events(EventQuery(after=0))
    assert [(e.reason, e.tenant, e.flow) for e in found] == [
        ("Synced", "main", "train"),
        ("SyncPending", "main", "train"),
    ]


async def test_the_last_word_of_a_removal_is_an_event_once(store: Store) -> None:
    keys: tuple[Key, ...] = (FLOW, TEMPLATE, TenantKey("main"), FlowKey("train", ""))
    for key in keys:
        await store.put(key, status(key, 0, PUBLISHED))
    for _ in range(2):
        for key in keys:
            await store.delete(key, at(1))
    found = await store.events(EventQuery(after=0))
    assert [(e.reason, e.at, e.environment, e.tenant) for e in found] == [
        ("Removed", at(1), "dev", ""),
        ("Removed", at(1), "", "main"),
    ]
    await store.put(FLOW, status(FLOW, 2, PUBLISHED))
    await store.delete(FLOW)  # to another process
    assert len(await store.events(EventQuery())) == 2


async def test_events_are_found_by_place_words_and_position(store: Store) -> None:
    for number in range(5):
        await store.record(
            Event(at(number), "action", "SyncAsked", f"number {number} 100%", flow=f"f{number % 2}")
        )
    newest = await store.events(EventQuery(limit=2))
    assert [e.message for e in newest] == ["number 4 100%", "number 3 100%"]
    assert [e.id for e in await store.events(EventQuery(before=newest[-1].id))] == [3, 2, 1]
    assert [e.id for e in await store.events(EventQuery(after=2, limit=2))] == [3, 4]
    assert [e.id for e in await store.events(EventQuery(flow="f1"))] == [4, 2]
    assert [e.id for e in await store.events(EventQuery(text="NUMBER 3 100%"))] == [4]
    assert await store.events(EventQuery(text="' OR 1=1 --")) == ()


def published(minute: int, version: str, document: str = "") -> Publication:
    return Publication("main", "train", at(minute), version, "c" * 40, "s", document=document.encode())


async def test_a_publication_is_live_when_its_version_is_proven(store: Store) -> None:
    await store.put(TEMPLATE, status(TEMPLATE, 0, PUBLISHED, SYNCED, version="1"))
    await store.put(
        TEMPLATE, status(TEMPLATE, 2, condition(Stage.PUBLISH, Mark.WAIT, "PublishPending"), SYNCED)
    )
    await store.record(published(3, "2"))
    [waiting] = await store.publications()
    assert (waiting.noticed, waiting.live, waiting.until_live) == (at(2), None, None)
    await store.put(TEMPLATE, status(TEMPLATE, 4, PUBLISHED, PENDING, version="2"))
    assert (await store.publications())[0].live is None
    await store.put(TEMPLATE, status(TEMPLATE, 5, PUBLISHED, SYNCED, version="2"))
    await store.put(TEMPLATE, status(TEMPLATE, 6, PUBLISHED, SYNCED, version="2"))
    assert (await store.publications())[0].until_live == timedelta(minutes=3)


async def test_a_publication_is_seen_after_a_rollback_the_publication_before_and_a_removal(
    store: Store,
) -> None:
    async def seen(minute: int, publish: Condition, sync: Condition, version: str) -> None:
        await store.put(TEMPLATE, status(TEMPLATE, minute, publish, sync, version=version))

    back = condition(Stage.PUBLISH, Mark.OFF, "RolledBack")
    changed = condition(Stage.PUBLISH, Mark.WAIT, "PublishPending")
    await seen(1, changed, SYNCED, "2")
    await store.record(published(2, "1"))  # a rollback
    await seen(3, back, PENDING, "1")
    await seen(4, back, SYNCED, "1")
    assert (await store.publications())[0].live == at(4)
    await seen(60, changed, SYNCED, "1")
    await store.record(published(61, "3"))
    assert (await store.publications())[0].noticed == at(60)
    await store.record(published(70, "4"))
    assert (await store.publications())[0].noticed == at(70)
    await seen(80, changed, PENDING, "4")
    await store.record(published(81, ""))  # a removal
    await seen(82, changed, SYNCED, "4")
    await store.delete(TEMPLATE)
    await store.delete(TEMPLATE)
    await seen(90, changed, PENDING, "")
    await store.record(published(91, "1"))  # it comes back
    assert (await store.publications())[0].noticed == at(90)
    await seen(95, PUBLISHED, SYNCED, "1")
    assert [p.live for p in await store.publications(limit=9)] == [at(95), None, None, None, at(4)]


async def test_a_publication_counts_from_its_push(store: Store) -> None:
    await store.put(TEMPLATE, status(TEMPLATE, 2, PENDING))
    await store.record(replace(published(3, "2"), pushed=at(1)))
    await store.put(TEMPLATE, status(TEMPLATE, 5, PUBLISHED, SYNCED, version="2"))
    [found] = await store.publications()
    assert (found.pushed, found.noticed, found.until_live) == (at(1), at(2), timedelta(minutes=4))


async def test_a_proof_that_came_before_the_entry_counts(store: Store) -> None:
    await store.put(TEMPLATE, status(TEMPLATE, 5, PUBLISHED, SYNCED, version="2"))
    await store.record(published(4, "2"))
    assert (await store.publications("main", "train"))[0].live == at(5)


async def test_a_publication_comes_with_its_document_and_the_one_before(store: Store) -> None:
    for number in range(60):
        await store.record(published(number, str(number), f"kind: {number}"))
    listed = await store.publications("main", "train", 100)
    assert [p.version for p in listed] == [str(n) for n in range(59, 9, -1)]
    assert listed[0].document == b""
    found = await store.publication(listed[0].id)
    assert found
    assert (found[0].document, found[1] and found[1].document) == (b"kind: 59", b"kind: 58")
    oldest = await store.publication(listed[-1].id)
    assert oldest
    assert oldest[1] is None
    assert await store.publication(10_000) is None
    assert await store.publications("other", "train") == ()
