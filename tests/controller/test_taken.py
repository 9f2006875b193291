"""An executable of a wanted id that the application does not name: somebody else's, or what our last file left."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aicore_sync.controller.observe.templates import TemplateReader
from aicore_sync.core.desired import Template, WantTemplate
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.template import read_published
from aicore_sync.core.world import ApplicationStatus, Executable, ResourceStatus

DATA = (Path(__file__).parents[1] / "golden" / "wt-churn-train.yaml").read_bytes()
FACTS = read_published(DATA)
assert FACTS
KEY = TemplateKey("t", FACTS.executable)
WANT = WantTemplate(KEY, Template("wt-churn-train.yaml", DATA, FACTS))
THERE = Executable(FACTS.executable, FACTS.scenario, FACTS.version)
NOTHING = ApplicationStatus(sync="Synced")
OTHERS = ApplicationStatus(sync="Synced", resources=(ResourceStatus("beta", "WorkflowTemplate", "Synced"),))
NAMED = ApplicationStatus(
    sync="Synced", resources=(ResourceStatus(FACTS.executable, "WorkflowTemplate", "Synced"),)
)


@pytest.mark.parametrize(
    ("application", "listed", "last_file", "taken"),
    [
        (NAMED, THERE, None, False),
        (NOTHING, None, None, False),
        (NOTHING, THERE, None, True),
        (OTHERS, THERE, None, True),
        (None, THERE, None, True),
        # it was taken away a moment ago, and AI Core lists it still
        (NOTHING, THERE, DATA, False),
        (OTHERS, THERE, DATA, False),
        (OTHERS, Executable(FACTS.executable, "elsewhere", "7"), DATA, True),
        (OTHERS, THERE, DATA.replace(FACTS.owner.encode(), b"somebody"), True),
    ],
)
async def test_only_what_somebody_else_made_is_in_the_way(
    application: ApplicationStatus | None, listed: Executable | None, last_file: bytes | None, taken: bool
) -> None:
    assert FACTS

    async def answer(value: Any) -> Any:
        return value

    lists: Any = SimpleNamespace(
        executables=SimpleNamespace(anywhere=lambda *_: answer(listed)),
        application=lambda *_: answer(application),
    )
    estate: Any = SimpleNamespace(owner=FACTS.owner, timings=SimpleNamespace(head_age=0))
    clone = SimpleNamespace(previous_blob=lambda *_: answer(last_file))
    tenant: Any = SimpleNamespace(path="templates", format="yaml", branch=SimpleNamespace(clone=clone))
    memory: Any = None
    reader = TemplateReader(estate, memory, lists)
    found = await reader._taken(WANT, tenant, NOTHING if application is NAMED else application)
    assert found == (listed if taken else None)
