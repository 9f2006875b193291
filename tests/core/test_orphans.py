"""Environments that left the configuration: template files go on naming them until they were emptied."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulation import OWNER, START, keys
from template_documents import workflow

from aicore_sync.core.actions import Publish
from aicore_sync.core.desired import PublishedFile, ScheduleUse, SeenTemplate, Template, WantTemplate
from aicore_sync.core.model import Mark
from aicore_sync.core.orphans import kept_in_mind, orphans
from aicore_sync.core.plan import plan_template
from aicore_sync.core.template import TemplateOptions, decorate, parse_document, read_published, to_bytes
from aicore_sync.core.world import Schedule

KEY = keys("train")[0]


def made(*environments: str, version: str = "1", digest: str = "") -> Template:
    options = TemplateOptions("train", "churn", version=version, owner=OWNER, environments=environments)
    data = to_bytes(decorate(workflow(), options))
    facts = read_published(data)
    assert facts
    facts = replace(facts, template_digest=digest or facts.template_digest)
    return Template("wt-train.yaml", data, facts)


def file(template: Template) -> PublishedFile:
    return PublishedFile(template.file, "b10b", "c0ffee", template.facts, ours=True, data=template.data)


@pytest.mark.parametrize("name", ["wt-train.yaml", "wt-train.json"])
def test_an_edit_carries_over_what_nobody_can_look_into(name: str) -> None:
    old, new = made("dev", "prod", digest="old"), replace(made("dev"), file=name)
    found = kept_in_mind(WantTemplate(KEY, new), file(old), {"dev"}).template
    assert found
    assert found.facts.environments == ("dev", "prod")
    read = read_published(found.data)
    assert read == replace(new.facts, environments=("dev", "prod"))
    again = kept_in_mind(WantTemplate(KEY, made("dev", digest="newer")), file(found), {"dev"}).template
    assert again
    assert again.facts.environments == ("dev", "prod")
    plain, twice = parse_document(new.data, name), parse_document(found.data, name)
    assert plain["spec"] == twice["spec"]


@pytest.mark.parametrize(
    ("published", "known"),
    [
        (made("dev", "prod", digest="old"), {"dev", "prod"}),  # it can be looked into
        (made("dev", digest="old"), {"dev"}),
        (made("dev", "prod"), {"dev"}),  # nothing else has changed: no commit for this alone
    ],
)
def test_nothing_is_carried_over_without_need(published: Template, known: set[str]) -> None:
    want = WantTemplate(KEY, made("dev"))
    assert kept_in_mind(want, file(published), known) is want


def test_a_retired_environment_is_taken_out_of_the_file_when_it_is_empty() -> None:
    want = WantTemplate(KEY, made("dev"), retired=frozenset({"prod"}))
    there = file(made("dev", "prod"))
    use = ScheduleUse("prod", Schedule("s-1", "team.train.main", "0 2 * * *", "c-1"), accepted=True)
    busy = plan_template(want, SeenTemplate(there, schedules=(use,)), START)
    assert not [a for a in busy.actions if isinstance(a, Publish)]
    empty = plan_template(want, SeenTemplate(there), START)
    assert [a.template for a in empty.actions if isinstance(a, Publish)] == [want.template]
    done = plan_template(want, SeenTemplate(file(made("dev"))), START)
    assert not [a for a in done.actions if isinstance(a, Publish)]


def test_new_content_does_not_take_a_retired_environment_out_before_it_is_empty() -> None:
    use = ScheduleUse("prod", Schedule("s-1", "team.train.main", "0 2 * * *", "c-1"), accepted=True)
    want = WantTemplate(KEY, made("dev", digest="new"), retired=frozenset({"prod"}))
    seen = SeenTemplate(file(made("dev", "prod", digest="old")), schedules=(use,))
    named = []
    for empty in (False, False, True, True):
        seen = replace(seen, schedules=() if empty else (use,))
        plan = plan_template(kept_in_mind(want, seen.published, {"dev", "prod"}), seen, START)
        for action in plan.actions:
            if isinstance(action, Publish):
                named.append(action.template.facts.environments)
                seen = replace(seen, published=file(action.template))
    assert named == [("dev", "prod"), ("dev",)]


def test_the_tenant_says_which_environments_are_out_of_sight() -> None:
    owned = {name: made("dev", "prod").facts for name in ("a", "b", "c", "d", "e")}
    (hold,) = orphans(owned, {"dev"})
    assert (hold.reason, hold.subject, hold.mark) == ("Orphaned", "environment prod", Mark.OFF)
    assert "a, b, c and 2 more" in hold.message
    assert orphans(owned, {"dev", "prod"}) == ()
