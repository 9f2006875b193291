from __future__ import annotations

import pytest
from web_world import PUBLISHED, STATUSES

from aicore_sync.core.model import FlowKey, Health, Status
from aicore_sync.web.rows import rows
from aicore_sync.web.search import PER_PAGE, Asked, find

ROWS = rows(STATUSES)
MANY = rows(
    [Status(FlowKey(f"flow-{n:04}", "dev"), Health.HEALTHY, "", PUBLISHED) for n in range(2 * PER_PAGE + 1)]
)


@pytest.mark.parametrize(
    ("asked", "flows"),
    [
        (Asked("CHURN prod"), ["churn-train"]),
        (Asked("syncfailed"), ["hyper-search"]),
        (Asked(health="NeedsAttention"), ["fraud-score", "hyper-search"]),
        (Asked("fraud", "Healthy"), []),
        (Asked("invalid syntax"), ["fraud-score"]),
    ],
)
def test_rows_are_found_by_every_word_and_by_health(asked: Asked, flows: list[str]) -> None:
    assert [r.name.flow for r in find(ROWS, asked).rows] == flows


@pytest.mark.parametrize(
    ("page", "first", "last"), [(1, 1, 50), (2, 51, 100), (3, 101, 101), (9, 101, 101), (0, 1, 50)]
)
def test_pages_cover_everything_once(page: int, first: int, last: int) -> None:
    found = find(MANY, Asked(page=page))
    assert (found.first, found.last, found.total, found.pages) == (first, last, 101, 3)
    assert found.rows[0].name.flow == f"flow-{first - 1:04}"


def test_nothing_found_is_page_one_of_one() -> None:
    found = find(ROWS, Asked("nowhere", page=4))
    assert (found.first, found.last, found.total, found.pages, found.asked.page) == (0, 0, 0, 1, 1)


def test_a_link_leaves_out_what_is_usual_and_escapes_the_rest() -> None:
    assert Asked().link() == "/"
    assert Asked("a&b", page=3).link(refresh="off") == "/?q=a%26b&page=3&refresh=off"
    assert Asked("x", page=3).link(q="", page=1) == "/"
