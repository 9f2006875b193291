from __future__ import annotations

import random
from dataclasses import replace

import pytest
from web_world import FACTS, PUBLISHED, RUNS, SEEN, STATUSES, MadeUpView, flow, ok, template

from aicore_sync.core.model import (
    STAGES,
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
from aicore_sync.web.index import Index
from aicore_sync.web.rows import Row, rows, summary


def row(*statuses: Status) -> Row:
    [only] = rows(statuses)
    return only


def test_what_needs_attention_stands_first_whatever_the_order_of_arrival() -> None:
    expected = [
        ("fraud-score", "dev"),
        ("hyper-search", "dev"),
        ("evaluate", "dev"),
        ("churn-train", "prod"),
        ("churn-train", "dev"),
        ("orphan-template", ""),
        ("scratch", ""),
    ]
    shuffled = list(STATUSES)
    random.Random(7).shuffle(shuffled)
    assert [(r.name.flow, r.name.environment) for r in rows(shuffled)] == expected
    assert rows(shuffled) == rows(STATUSES)


NAMES, TENANTS, PLACES = ("a", "b", "c", "d"), ("one", "two"), ("dev", "prod", "")


def some(chance: random.Random) -> Status:
    """A status of any kind that has something to do with others."""
    name, tenant, health = chance.choice(NAMES), chance.choice(TENANTS), chance.choice(list(Health))
    facts = chance.choice(
        [
            {},
            {"tenant": tenant},
            {"template": chance.choice(NAMES), "tenant": tenant},
            {"template": f"a@{tenant}"},
        ]
    )
    keys = [FlowKey(name, chance.choice(PLACES))] * 3 + [TemplateKey(tenant, name)] * 3 + [TenantKey(tenant)]
    return Status(chance.choice(keys), health, f"number {chance.random()}", (), facts)


@pytest.mark.parametrize("seed", range(20))
def test_a_table_that_changes_is_the_table_made_anew(seed: int) -> None:
    chance, view = random.Random(seed), MadeUpView(())
    index = Index(view)
    now: dict[Key, Status] = {
        s.key: s for s in (replace(flow(f"f{n:03}", "dev", Health.HEALTHY), facts={}) for n in range(100))
    }
    for _ in range(150):
        for status in (some(chance) for _ in range(chance.choice((1, 1, 3)))):
            now[status.key] = status
        if chance.random() < 0.4:
            now.pop(chance.choice(list(now)))
        view.now_statuses = tuple(now.values())
        assert index.rows == rows(now.values())
        found = index.flow("a", "dev")
        assert found == next((r for r in index.rows if r.name[:2] == ("a", "dev")), None)


def test_the_banner_counts_rows() -> None:
    assert {h.value: n for h, n in summary(rows(STATUSES)).items()} == {
        "NeedsAttention": 2,
        "Progressing": 1,
        "Suspended": 1,
        "Healthy": 2,
        "NotTargeted": 1,
    }


def test_a_flow_shows_the_stages_of_its_template() -> None:
    made = row(flow("train", "dev", Health.HEALTHY, *RUNS), template("train", Health.HEALTHY, *PUBLISHED))
    assert [c.condition.reason if c.condition else "" for c in made.cells] == [
        "Published",
        "Synced",
        "Configured",
        "Scheduled",
        "Healthy",
    ]
    assert made.name == ("train", "dev", "team-a")


FAILED = Condition(Stage.SYNC, Mark.FAIL, "SyncFailed", "refused")
WAITING = Condition(Stage.CONFIGURE, Mark.WAIT, "ExecutableMissing", "waits")
OFF = Condition(Stage.SCHEDULE, Mark.OFF, "FlowSuspended", "by mira")


@pytest.mark.parametrize(
    ("of_flow", "of_template", "health", "message"),
    [
        (RUNS[0], FAILED, Health.ATTENTION, "SyncFailed: refused"),
        (WAITING, FAILED, Health.ATTENTION, "SyncFailed: refused"),
        (WAITING, PUBLISHED[0], Health.PROGRESSING, "ExecutableMissing: waits"),
        (OFF, PUBLISHED[0], Health.SUSPENDED, "FlowSuspended: by mira"),
    ],
)
def test_a_row_is_as_well_as_its_worse_half_which_also_speaks(
    of_flow: Condition, of_template: Condition, health: Health, message: str
) -> None:
    made = row(flow("train", "dev", Health.HEALTHY, of_flow), template("train", Health.HEALTHY, of_template))
    assert (made.health, made.message) == (health, message)


def test_a_flow_finds_its_template_by_the_facts_also_under_another_name() -> None:
    isolated = replace(flow("train", "dev", Health.HEALTHY), facts={"template": "train-dev@team-b"})
    theirs = Status(TemplateKey("team-b", "train-dev"), Health.HEALTHY, "", PUBLISHED)
    others = Status(TemplateKey("team-a", "train"), Health.ATTENTION, "not mine")
    assert [(r.name, r.health) for r in rows([isolated, theirs, others])] == [
        (("train", "", "team-a"), Health.ATTENTION),
        (("train", "dev", "team-b"), Health.HEALTHY),
    ]


def test_without_facts_a_template_is_taken_only_when_no_other_could_be_meant() -> None:
    bare = Status(FlowKey("train", "dev"), Health.HEALTHY, "")
    one, two = (Status(TemplateKey(tenant, "train"), Health.HEALTHY, "", PUBLISHED) for tenant in ("a", "b"))
    assert row(bare, one).cells[0].condition == PUBLISHED[0]
    assert len(rows([bare, one, two])) == 3


def test_the_worst_condition_of_a_stage_is_shown_and_the_others_counted() -> None:
    bad = Condition(Stage.SCHEDULE, Mark.FAIL, "Contested", "two hands", "nightly")
    made = row(flow("train", "dev", Health.ATTENTION, ok(Stage.SCHEDULE, "Scheduled", "weekly"), bad))
    cell = made.cells[STAGES.index(Stage.SCHEDULE)]
    assert (cell.condition, cell.more) == (bad, 1)
    assert made.conditions == (bad, ok(Stage.SCHEDULE, "Scheduled", "weekly"))


def test_a_flow_without_an_environment_has_its_own_page() -> None:
    made = row(Status(FlowKey("scratch", ""), Health.NOT_TARGETED, "", (), FACTS, (), SEEN))
    assert made.name.path == "/flows/scratch/-"
    assert row(template("alone", Health.HEALTHY)).name.path == "/templates/team-a/alone"


def test_a_tenant_has_a_row_and_a_page_of_its_own() -> None:
    only = row(Status(TenantKey("dev"), Health.HEALTHY, "as the configuration says"))
    assert (only.name.flow, only.name.tenant, only.name.path) == ("", "dev", "/tenants/dev")
