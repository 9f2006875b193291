"""SARIF, GitHub's annotations, and the page that explains every code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aicore_sync.core import lint as room
from aicore_sync.core.lint import CODES, FIXED, RULES, SOURCE_RULES, Finding, github, rows, sarif
from aicore_sync.core.lint import source as over_the_source

PAGE = (Path(__file__).parents[2] / "docs/lint.md").read_text(encoding="utf-8")
FOUND = Finding("AC126", "error", "no: 100%, really\n", "spec.x", "mend it", "a,b/wt.yaml", 7, "main")
BARE = Finding("AC169", "info", "too many")


def test_sarif_has_rules_levels_and_regions() -> None:
    log = sarif([FOUND, replace(FOUND, severity="info", file="a b.yaml", line=0), BARE], "1.2.3")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("aicore-sync", "1.2.3")
    first, second = run["results"]
    for result in (first, second):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert (first["level"], second["level"]) == ("error", "note")
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a,b/wt.yaml"}, "region": {"startLine": 7}}
    assert second["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "a%20b.yaml"}}
    (note,) = run["invocations"][0]["toolConfigurationNotifications"]  # no file, so no result that is refused
    assert (note["associatedRule"]["id"], note["level"]) == ("AC169", "note")
    assert "(step main)" in first["message"]["text"]


def test_annotations_are_escaped() -> None:
    first, second = github([FOUND, BARE])
    assert first == (
        "::error file=a%2Cb/wt.yaml,line=7,title=AC126 An image without its registry::"
        "no: 100%25, really%0A (step main); mend it"
    )
    assert second == "::notice title=AC169 More templates than a tenant takes::too many"


def test_rows_hold_everything_but_what_user_code_said() -> None:
    (row,) = rows([FOUND])
    assert row["cure"] == "mend it"
    assert row.keys() == {*Finding.__dataclass_fields__} - {"detail"}  # printed masked, to stderr


def code_of(rule: object) -> str:
    match = re.match(r"AC\d{3}(?=:)", inspect.getdoc(rule) or "")
    assert match, rule
    return match[0]


def rules() -> Iterator[tuple[str, object]]:
    several = (*RULES, *SOURCE_RULES, over_the_source.bindings, over_the_source.upstreams)
    return ((code_of(rule), rule) for rule in several)


def test_every_rule_has_a_code_of_its_own() -> None:
    found = [code for code, _ in rules()]
    assert len(set(found)) == len(found)
    for code, rule in rules():
        assert set(re.findall(r"AC\d{3}", inspect.getsource(rule))) == {code}  # type: ignore[arg-type]
    checks = (
        room.metadata,
        room.labels,
        room.calls,
        room.tags,
        room.keys,
        room.shape,
        room.graph,
        room.pods,
        room.runtime,
    )
    parts = (*checks, room.artifacts, room.serving)
    public = {f for part in parts for n, f in vars(part).items() if inspect.isfunction(f) and n[0] != "_"}
    assert {f for f in public if (f.__doc__ or "").startswith("AC")} == set(RULES)


def test_every_code_that_is_used_has_a_title() -> None:
    root = Path(__file__).parents[2] / "aicore_sync"
    used = {
        code for f in root.rglob("*.py") for code in re.findall(r"\bAC1\d\d\b", f.read_text(encoding="utf-8"))
    }
    assert used == CODES.keys()
    assert CODES.keys() > FIXED


def sections() -> dict[str, str]:
    parts = re.split(r"^### (AC\d{3}): (.*)$", PAGE, flags=re.MULTILINE)
    assert list(zip(parts[1::3], parts[2::3], strict=True)) == list(CODES.items())
    return dict(zip(parts[1::3], parts[3::3], strict=True))


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_section_with_what_why_cure_and_an_example(code: str) -> None:
    text = sections()[code]
    for word in ("**What.**", "**Why.**", "**Cure.**"):
        assert re.search(re.escape(word) + r" \S", text), word
    assert "```" in text
    assert ("Fixed" in text) is (code in FIXED)
