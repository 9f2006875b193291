"""What a flow's new manifest or template changes in AI Core, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from run_worlds import NOW, SCHEDULE, live
from run_worlds import want as wanted

from aicore_sync.core.desired import ArtifactId, SeenFlow, WantArtifact, WantFlow, WantSchedule
from aicore_sync.core.difference import flow_changes, summary
from aicore_sync.core.model import Hold, Stage
from aicore_sync.core.plan import configuration_hash, configuration_name
from aicore_sync.core.plan.timing import NEVER
from aicore_sync.core.world import Configuration

WAITS = (Hold(Stage.PUBLISH, "PublishPending", "the new version is not published yet"),)
NIGHTLY = WantSchedule("0 2 * * *")


def there(
    parameters: dict[str, str], inputs: dict[str, str] | None = None, run_key: str = ""
) -> Configuration:
    digest = configuration_hash("scene", "churn", parameters, inputs or {}, run_key)
    name = configuration_name("team", "churn", "main", digest)
    return Configuration("c-new", name, "churn", "scene", parameters, inputs or {}, NOW - timedelta(days=1))


def said(want: WantFlow, **seen: Any) -> str:
    facts = replace(live(), parameters={"alpha": "0", "beta": "0"}, inputs=frozenset({"data"}))
    return summary(flow_changes(want, SeenFlow(**({"live": facts} | seen)), NOW))


def manual(**fields: Any) -> WantFlow:
    return wanted(run="manual", **fields)


OLD = there({"alpha": "0.1"})
CASES = [
    (manual(parameters=(("alpha", "0.1"),)), {"configurations": (OLD,)}, ""),
    (manual(parameters=(("alpha", "0.1"),)), {}, "configuration main: new, alpha 0.1"),
    (
        manual(parameters=(("alpha", "0.2"),)),
        {"configurations": (OLD,)},
        "configuration main: alpha 0.1 → 0.2",
    ),
    (
        manual(parameters=(("beta", "1"),)),
        {"configurations": (OLD,)},
        "configuration main: alpha 0.1 → the template's default, beta the template's default → 1",
    ),
    (
        manual(inputs=(("data", ArtifactId("a-2")),)),
        {"configurations": (there({}, {"data": "a-1"}),)},
        "configuration main: input data a-1 → a-2",
    ),
    (
        manual(schedule=NIGHTLY),
        {"configurations": (there({}),)},
        "schedule main: new, 0 2 * * * UTC",
    ),
    (
        manual(schedule=NIGHTLY, parameters=(("alpha", "0.2"),)),
        {"configurations": (OLD,), "schedules": (SCHEDULE,)},
        "configuration main: alpha 0.1 → 0.2; schedule main: re-pointed",
    ),
    (
        manual(schedule=WantSchedule("0 3 * * *", suspend=True)),
        {"configurations": (there({}),), "schedules": (SCHEDULE,)},
        "schedule main: cron 0 2 * * * → 0 3 * * *, suspended",
    ),
    (
        manual(),
        {"configurations": (there({}),), "schedules": (SCHEDULE,)},
        "schedule main: deleted",
    ),
    (
        replace(manual(), artifacts=(WantArtifact("raw", "dataset", "ai://default/raw", "", (), "h"),)),
        {"configurations": (there({}),)},
        "artifact raw: new, dataset ai://default/raw",
    ),
    (
        replace(manual(schedule=NIGHTLY), targeted=False),
        {"configurations": (there({}),), "schedules": (SCHEDULE,)},
        "schedule main: deleted",
    ),
    (  # its manifest cannot be read: what is there stays
        replace(manual(schedule=NIGHTLY), targeted=False, desire_holds=WAITS),
        {"configurations": (there({}),), "schedules": (SCHEDULE,)},
        "",
    ),
]


@pytest.mark.parametrize(("want", "seen", "words"), CASES, ids=[words or "nothing" for _, _, words in CASES])
def test_a_change_is_said_in_words(want: WantFlow, seen: dict[str, Any], words: str) -> None:
    assert said(want, **seen) == words


def test_a_template_that_waits_to_be_published_hides_nothing() -> None:
    want = wanted(run="onChange", schedule=NIGHTLY)
    want = replace(want, template_holds=WAITS, coming_run="newer")
    now = there({}, run_key="new\n")
    assert said(want, configurations=(now,), schedules=(SCHEDULE,)) == (
        "configuration main: runs once with the new content; schedule main: re-pointed"
    )


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("spec", "there_now", "words"),
    [
        ({"start": NOW - DAY}, {"start": NOW - 9 * DAY}, ""),
        ({"start": NOW + DAY}, {}, "start none → 2026-03-02 12:00:00+00:00"),
        ({}, {"start": NOW + DAY}, "start 2026-03-02 12:00:00+00:00 → at once"),
        ({}, {"end": NOW + DAY}, "end 2026-03-02 12:00:00+00:00 → none"),
        ({}, {"end": NEVER}, ""),
        ({"end": NOW - DAY}, {}, "its end has passed"),
        ({"end": NOW - DAY}, {"end": NOW - DAY, "status": "INACTIVE"}, ""),
        (
            {"end": NOW + DAY},
            {"end": NOW - DAY, "status": "INACTIVE"},
            "end 2026-02-28 12:00:00+00:00 → 2026-03-02 12:00:00+00:00, resumed",
        ),
        ({}, {"status": "INACTIVE"}, ""),
        ({"suspend": False}, {"status": "INACTIVE"}, "resumed"),
    ],
)
def test_when_a_schedule_runs(spec: dict[str, Any], there_now: dict[str, Any], words: str) -> None:
    want = manual(schedule=replace(NIGHTLY, **spec))
    said_now = said(want, configurations=(there({}),), schedules=(replace(SCHEDULE, **there_now),))
    assert said_now == (f"schedule main: {words}" if words else "")


def test_a_schedule_whose_manifest_cannot_be_read_stays() -> None:
    want = replace(manual(), keep_schedules=True)
    assert said(want, configurations=(there({}),), schedules=(SCHEDULE,)) == ""
