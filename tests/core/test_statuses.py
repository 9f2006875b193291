"""Statuses on the wire: nothing of them is lost, and the fast way says what the description says."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime

from aicore_sync.core.model import (
    Condition,
    FlowKey,
    Health,
    Mark,
    ObjectRow,
    Stage,
    Status,
    TemplateKey,
    TenantKey,
)
from aicore_sync.core.statuses import StatusAnswer, status_answer, status_json, statuses_in

AT = datetime(2026, 3, 4, 5, 6, 7, 890, UTC)
CONDITION = Condition(Stage.SYNC, Mark.FAIL, "SyncFailed", 'AI Core: "größer"\n', "wide", "0f3c9a11")
OBJECT = ObjectRow("schedule", "o.a.nightly", "s-1", "ACTIVE", "0 3 * * *", AT, AT)
FULL = Status(FlowKey("a", "dev"), Health.ATTENTION, "words", (CONDITION,), {"tenant": "t"}, (OBJECT,), AT)
BARE = Status(FlowKey("scratch", ""), Health.NOT_TARGETED, "")
STATUSES = (
    FULL,
    BARE,
    Status(TemplateKey("t", "a"), Health.HEALTHY, ""),
    Status(TenantKey("t"), Health.HEALTHY, ""),
)
SUMMARY, INFO = dict.fromkeys(Health, 0) | {Health.ATTENTION: 1}, {"owner": 'ü"'}


def test_what_is_sent_is_what_the_answer_is() -> None:
    wire = status_json(STATUSES, SUMMARY, INFO)
    answer = StatusAnswer.model_validate_json(wire, extra="forbid")
    assert json.loads(wire) == json.loads(answer.model_dump_json(by_alias=True))
    assert all(getattr(part, field.name) for part in (FULL, CONDITION, OBJECT) for field in fields(part)), (
        "a field that is empty here would not be missed"
    )


def test_an_answer_gives_back_the_statuses_and_order_does_not_count() -> None:
    answer = status_answer(STATUSES, SUMMARY, INFO)
    assert {status.key: status for status in statuses_in(answer)} == {s.key: s for s in STATUSES}
    assert status_json(reversed(STATUSES), SUMMARY, INFO) == status_json(STATUSES, SUMMARY, INFO)
