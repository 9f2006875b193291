from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest
from web_world import COMMIT, FACTS, HARSH, NOW, OBJECTS, STATUSES

from aicore_sync.core.chronicle import Publication
from aicore_sync.core.difference import Change
from aicore_sync.core.model import Condition, Mark, Stage
from aicore_sync.web.pages import FlowSeen, Frame, age, detail, overview, problem, short, spaced
from aicore_sync.web.pages.render import Reader
from aicore_sync.web.rollout import rollout
from aicore_sync.web.rows import Row, rows
from aicore_sync.web.search import Asked

ALL = Asked()
FRAME = Frame({"owner": "team-a"}, NOW)
ROWS = rows(STATUSES)
VOID = {"meta", "link", "img", "input"}


class Outline(HTMLParser):
    """Checks that tags are balanced and collects what a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_the_overview_says_what_is_wrong_and_why() -> None:
    text = Outline(overview(ROWS, ALL, FRAME)).text
    assert "2 need attention 1 in progress 1 suspended 2 healthy 1 not targeted" in text
    assert "Render failed. flows/fraud/flow.py line 41: invalid syntax (expected ':')" in text
    assert "Flow suspended. by mira since Monday" in text
    assert text.index("fraud-score") < text.index("evaluate") < text.index("churn-train")
    assert "4f9d2c1a 1.4.0-9c01ab23 12 s ago" in text
    assert COMMIT not in text


def test_a_healthy_row_keeps_quiet() -> None:
    text = Outline(overview(ROWS, ALL, FRAME)).text
    assert "everything is as the manifest says" not in text


def test_pages_hold_no_inline_script_or_style_and_nothing_from_elsewhere() -> None:
    for page in (
        overview(ROWS, ALL, FRAME),
        detail(FlowSeen(ROWS[1]), FRAME),
        problem(404, "Nothing", "here", FRAME),
    ):
        for tag, attributes in Outline(page).tags:
            assert tag not in {"style", "iframe"}
            assert tag != "script" or attributes.get("src") == "/static/live.js"
            assert not any(name == "style" or name.startswith("on") for name in attributes)
            for name in ("href", "src"):
                assert (attributes.get(name) or "/").startswith(("/", "#"))


def test_what_people_and_ai_core_wrote_is_text() -> None:
    page = detail(FlowSeen(next(r for r in ROWS if r.name.flow == "hyper-search")), FRAME)
    assert "<script>" not in page
    assert HARSH in Outline(page).text


def test_every_link_on_the_overview_leads_to_a_row() -> None:
    links = {a.get("href") for tag, a in Outline(overview(ROWS, ALL, FRAME)).tags if tag == "a"}
    assert {row.name.path for row in ROWS} <= links


def test_refreshing_can_be_paused() -> None:
    def refreshes(page: str) -> bool:
        return any(a.get("http-equiv") == "refresh" for tag, a in Outline(page).tags if tag == "meta")

    assert refreshes(overview(ROWS, ALL, FRAME))
    assert not refreshes(overview(ROWS, ALL, Frame({}, NOW, refresh=False)))


def test_an_empty_board_says_what_to_do() -> None:
    text = Outline(overview((), ALL, FRAME)).text
    assert "No flow has been seen yet." in text
    assert "0 need attention 0 suspended 0 healthy" in text


def test_a_search_keeps_what_else_was_asked_in_every_link() -> None:
    asked = Asked("published", "Healthy", refresh="off")
    page = Outline(overview(ROWS, asked, Frame({}, NOW, refresh=False)))
    assert "2 of 7 · show all" in page.text
    assert "2 need attention" in page.text
    links = {a.get("href") for tag, a in page.tags if tag == "a"}
    assert {"/?q=published&health=Healthy", "/?q=published&health=NeedsAttention&refresh=off"} <= links
    assert "Nothing fits." in Outline(overview(ROWS, Asked("no such thing"), FRAME)).text


def test_the_detail_page_shows_conditions_objects_and_facts() -> None:
    row = next(r for r in ROWS if r.name[:2] == ("churn-train", "dev"))
    text = Outline(detail(FlowSeen(row), FRAME)).text
    for expected in (
        "team-a.churn-train.nightly",
        "running",
        COMMIT,
        "0 3 * * *, next in 22 h",
        "everything is as the manifest says",
    ):
        assert expected in text


def test_a_version_that_nobody_pushed_is_shown_from_when_it_was_seen() -> None:
    entry = Publication(
        "team-a", "train", NOW, "2", COMMIT, "flows/train/flow.py@0f3c", noticed=NOW - timedelta(seconds=9)
    )
    text = Outline(detail(FlowSeen(ROWS[0], (rollout(entry, ()),)), FRAME)).text
    assert "0f3c · 03-04 05:05 +9.0 s · · · · ·" in text


def test_who_is_logged_in_may_go_back_to_an_earlier_version_and_end_that() -> None:
    entry = Publication("team-a", "train", NOW, "2", COMMIT, "flows/train/flow.py@0f3c")
    known = (
        rollout(entry, ()),
        rollout(entry, ()),
        rollout(replace(entry, version="1", commit="1f" * 20), ()),
    )
    held = Condition(Stage.PUBLISH, Mark.OFF, "RolledBack", "kept")
    (row,) = rows([replace(STATUSES[0], facts=FACTS | {"template": "churn-dev"})])
    back = replace(row, conditions=(held,))

    def shown(row: Row, name: str) -> list[str | None]:
        page = Outline(detail(FlowSeen(row, known), replace(FRAME, reader=Reader(name, "proof"))))
        return [
            a.get("value")
            for tag, a in page.tags
            if tag == "input" and a.get("name") in ("verb", "to", "flow")
        ]

    assert "1f" * 20 not in shown(back, "")
    assert shown(row, "mira")[-3:] == ["rollback", "churn-dev@team-a", "1f" * 20]
    assert ("endRollback" in shown(row, "mira"), "endRollback" in shown(back, "mira")) == (False, True)


def test_what_a_version_changed_is_never_blank() -> None:
    def shown(changes: tuple[Change, ...] | None) -> str:
        entry = Publication("team-a", "train", NOW, "2", COMMIT, "flows/train/flow.py@0f3c")
        return Outline(detail(FlowSeen(ROWS[0], (rollout(entry, (), changes),)), FRAME)).text

    assert "the first version that is known" in shown(None)
    assert "nothing that a run would notice" in shown(())
    assert "step train image a → b" in shown((Change("step train", "image a → b"),))


def test_a_configuration_of_earlier_content_says_why_it_is_still_there() -> None:
    def shown(state: str) -> str:
        (row,) = rows([replace(STATUSES[0], objects=(replace(OBJECTS[0], state=state),))])
        return Outline(detail(FlowSeen(row), FRAME)).text

    assert "AI Core lets nobody delete a configuration" in shown("retained")
    assert "AI Core lets nobody delete a configuration" not in shown("current")


@pytest.mark.parametrize(
    ("reason", "words"),
    [("PushRejected", "Push rejected"), ("Published", "Published"), ("APIError", "API error"), ("", "")],
)
def test_reasons_become_words(reason: str, words: str) -> None:
    assert spaced(reason) == words


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (timedelta(seconds=12.9), "12 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=61), "1 h ago"),
        (timedelta(days=3, hours=2), "3 d ago"),
        (timedelta(minutes=-5), "in 5 min"),
    ],
)
def test_ages_are_short(back: timedelta, words: str) -> None:
    assert age(NOW - back, NOW) == words


def test_an_unknown_time_is_no_text() -> None:
    at: datetime | None = None
    assert age(at, NOW) == ""


def test_only_whole_commits_are_shortened() -> None:
    assert (short(COMMIT), short("v1.2"), short("abc")) == ("4f9d2c1a", "v1.2", "abc")
