"""How often a refused push is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from aicore_sync.controller.estate import Timings
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.templates import TemplateReader
from aicore_sync.controller.triggers import CommitTrigger
from aicore_sync.core.desired import ScheduleUse, Template, WantTemplate
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import Schedule

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = TemplateKey("t", "train")
LASTING = Stalled("no", reason="BranchProtected")
AWAKE = Schedule("s-1", "team.train.main", "0 2 * * *", "c-1")
ASLEEP = Schedule("s-1", "team.train.main", "0 2 * * *", "c-1", status="INACTIVE")


def want(digest: str) -> WantTemplate:
    facts = PublishedTemplate("train", "scene", template_digest=digest)
    return WantTemplate(KEY, Template("wt-train.yaml", b"", facts))


@pytest.mark.parametrize(
    ("error", "use", "waits"),
    [
        (Transient("no answer"), ScheduleUse("dev", AWAKE, accepted=False), [30, 30, 30, 30]),
        (LASTING, ScheduleUse("dev", AWAKE, accepted=True), [180, 180, 180, 180]),
        # each try pauses it, and each refusal wakes it
        (LASTING, ScheduleUse("dev", AWAKE, accepted=False), [180, 360, 720, 1440, 2880, 3600, 3600]),
        (LASTING, ScheduleUse("dev", ASLEEP, accepted=False), [180, 180, 180, 180]),
    ],
)
def test_a_try_for_which_schedules_pause_comes_ever_more_rarely(
    error: SyncError, use: ScheduleUse, waits: list[float]
) -> None:
    estate: Any = SimpleNamespace(
        clock=lambda: START,
        timings=Timings(),
        tenants={"t": SimpleNamespace(branch=SimpleNamespace(name="b"))},
    )
    memory, lists = Memory(), None
    dropped: Any = SimpleNamespace(drop=lambda _: None)
    commits = CommitTrigger(estate, memory, dropped, lambda *_: None)
    reader = TemplateReader(estate, memory, lists)  # type: ignore[arg-type]

    def left() -> float | None:
        hold = reader._push_error(want(memory.submitted[KEY]), [use])
        return hold.after if hold else None

    for digest in ("one", "other"):  # other content begins anew
        memory.submitted[KEY] = digest
        estate.clock = lambda: START
        for wait in waits:
            assert left() is None
            commits.answered(KEY, error)
            assert left() == wait
            due = estate.clock() + timedelta(seconds=wait)
            estate.clock = lambda due=due: due
