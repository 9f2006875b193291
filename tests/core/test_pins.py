"""A rollback holds exactly as long as the source that it holds back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aicore_sync.core.desired import Template, WantTemplate
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.model import Mark, TemplateKey
from aicore_sync.core.pins import Pin, pin_path, pinned, pins
from aicore_sync.core.template import read_published

DATA = (Path(__file__).parents[1] / "golden" / "wt-churn-train.yaml").read_bytes()
KEY = TemplateKey("main", "churn-train")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILES = {"data.csv": "1", "README.md": "1", "aicore.yaml": "1", "sub/x.aicore.yaml": "1"}
SOURCE = Ingredients("source-2", FILES)
PIN = Pin(SOURCE.digest(("data.csv",)), "c" * 40, DATA, "alice", AT, "wrong numbers", ("data.csv",))


def want(source: Ingredients = SOURCE) -> WantTemplate:
    facts = read_published(DATA)
    assert facts
    newer = Template("wt-churn-train.yaml", b"newer", replace(facts, version="1.11-00000000"))
    return WantTemplate(KEY, newer, source)


def test_the_earlier_version_is_wanted_and_says_why() -> None:
    held = pinned(want(), PIN)
    assert held.template
    assert held.template.data == DATA
    assert held.template.note == "churn-train back to 1.10-7f8c9535"
    (hold,) = held.holds
    assert (hold.reason, hold.mark) == ("RolledBack", Mark.OFF)
    assert "alice" in hold.message
    assert "wrong numbers" in hold.message


@pytest.mark.parametrize(
    "source",
    [
        Ingredients("source-3", FILES),
        Ingredients("source-2", FILES | {"data.csv": "2"}),
        Ingredients("source-2"),
    ],
)
def test_another_source_ends_it(source: Ingredients) -> None:
    moved = pinned(want(source), PIN)
    assert moved == replace(want(source), lapsed_pin=pin_path(KEY))


@pytest.mark.parametrize("name", ["README.md", "aicore.yaml", "sub/x.aicore.yaml", "new.csv"])
def test_what_makes_no_other_template_does_not_end_it(name: str) -> None:
    """`suspend: true` is what a person writes who has just rolled back."""
    assert (
        pinned(want(Ingredients("source-2", FILES | {name: "2"})), PIN).template
        == pinned(want(), PIN).template
    )


@pytest.mark.parametrize(("name", "holds"), [("README.md", False), ("aicore.yaml", True)])
def test_before_a_render_told_every_file_but_manifests_counts(name: str, holds: bool) -> None:
    pin = replace(PIN, holds_back=SOURCE.digest(), opened=None)
    assert pins({pin_path(KEY): pin.encoded()}) == {KEY: pin}
    edited = pinned(want(Ingredients("source-2", FILES | {name: "2"})), pin)
    assert bool(edited.lapsed_pin) != holds


def test_a_template_that_was_made_elsewhere_ends_nothing() -> None:
    """It does not tell what its source is: the plan of a pull request must not end what the request leaves alone."""
    handed = pinned(want(Ingredients("digest of a file", made_elsewhere=True)), PIN)
    assert (handed.template, handed.lapsed_pin) == (pinned(want(), PIN).template, "")


@pytest.mark.parametrize(("digest", "ends"), [("0f3c", True), ("made", False), ("", False)])
def test_a_template_that_was_made_elsewhere_and_is_another_one_ends_it(digest: str, ends: bool) -> None:
    handed = want(Ingredients("digest of a file", made_elsewhere=True))
    assert handed.template
    made = replace(handed.template, facts=replace(handed.template.facts, template_digest="made"))
    handed, pin = replace(handed, template=made), replace(PIN, holds_template=digest)
    (kept,) = pins({pin_path(KEY): pin.encoded()}).values()
    assert bool(pinned(handed, kept).lapsed_pin) is ends
    assert (pinned(handed, kept).template == made) is ends, "a plan from rendered files shows what it brings"


def test_a_source_that_cannot_be_told_ends_nothing() -> None:
    broken = WantTemplate(KEY)
    assert pinned(broken, PIN) == broken


def test_a_version_that_is_live_stays_when_the_source_breaks() -> None:
    broken = pinned(replace(want(), template=None), PIN)
    assert broken.template
    assert broken.template.file == "wt-churn-train.yaml"


def test_without_a_pin_or_a_source_nothing_is_held() -> None:
    assert pinned(want(), None) == want()
    gone = WantTemplate(KEY, gone=True)
    assert pinned(gone, None) == gone
    assert pinned(gone, PIN) == replace(gone, lapsed_pin=pin_path(KEY)), "it goes with the template"


def test_a_pin_survives_its_file() -> None:
    assert pins({pin_path(KEY): PIN.encoded(), "lock.json": b"{}"}) == {KEY: PIN}
    older = {name: value for name, value in json.loads(PIN.encoded()).items() if name != "opened"}
    assert pins({pin_path(KEY): json.dumps(older).encode()}) == {KEY: replace(PIN, opened=None)}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"template": "{["}', PIN.encoded().replace(b"2026-", b"x")]
)
def test_a_file_that_makes_no_sense_is_no_pin(data: bytes) -> None:
    assert pins({pin_path(KEY): data}) == {}
    assert pins({"pinned/only-one.json": PIN.encoded()}) == {}
