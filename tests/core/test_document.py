"""YAML as a tree with lines: traps, duplicates, exact text, merges."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aicore_sync.core.document import lift, merge, nearest, plain, read_document


def test_values_and_lines() -> None:
    node, problems = read_document(
        "a: 1\nb:\n  - x\n  - {c: 1.5, d: true, e: null, f: 2026-01-01, g: 010}\n", "f"
    )
    assert node is not None
    assert problems == ()
    assert plain(node) == {
        "a": 1,
        "b": ["x", {"c": 1.5, "d": True, "e": None, "f": "2026-01-01", "g": "010"}],
    }
    assert nearest(node, ("b", 1, "c", "nothing"))[0].line == 4
    assert nearest(node, ("b",))[0].line == 2, "a mapping's entry is where its key stands"


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
def test_words_that_readers_disagree_on_are_refused(word: str) -> None:
    _, problems = read_document(f"a: 1\nb: {word}\n", "f")
    assert [(p.line, p.key, p.cure.split(" (")[0]) for p in problems] == [(2, "b", f'quote it: "{word}"')]
    assert read_document(f'b: "{word}"', "f")[1] == ()
    assert [p.line for p in read_document(f"{word}: 1", "f")[1]] == [1]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "`a` a second time (first on line 1)"),
        ("a: [1", 1, "not YAML"),
        ("a: 1\n---\nb: 1", 2, "not YAML"),
        ("a: !python/object:os.system x", 1, "the tag"),
        ("a: &x [*x]", 0, "aliases"),
        ("? [a]\n: 1", 1, "as a key"),
        ("a: \x07", 0, "not YAML"),
        ("[" * 5000, 0, "nested too deeply"),
        ("x" * 1_000_001, 0, "characters"),
    ],
)
def test_bad_notation(text: str, line: int, words: str) -> None:
    _, problems = read_document(text, "f")
    assert problems[0].line == line
    assert words in problems[0].found


def test_aliases_cannot_explode() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    node, problems = read_document(text, "f")
    assert node is None
    assert "too many" in problems[0].found


def test_anchors_and_merge_keys_work() -> None:
    node, problems = read_document("base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\n", "f")
    assert node is not None
    assert problems == ()
    assert plain(node)["other"] == {"x": 1, "y": 3}


def test_literal_text_is_kept_exactly() -> None:
    text = "p: {a: 1.10, b: 007, c: true, d: 1e3, e: null, f: '5'}"
    node, _ = read_document(text, "f", lambda path: path[:1] == ("p",))
    assert node is not None
    assert plain(node)["p"] == {"a": "1.10", "b": "007", "c": "true", "d": "1e3", "e": None, "f": "5"}


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}, {"a": 1, "b": {"c": 1, "d": 2}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": None}}, {"a": {}}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": [1, 2]}, {"a": []}, {"a": []}),
        (
            {"l": [{"name": "x", "v": 1}, {"name": "y"}]},
            {"l": [{"name": "z"}, {"name": "x", "w": 2}]},
            {"l": [{"name": "x", "v": 1, "w": 2}, {"name": "y"}, {"name": "z"}]},
        ),
        ({"plan": "s"}, {"plan": {"train": "b"}}, {"plan": {"*": "s", "train": "b"}}),
        ({"plan": {"train": "b"}}, {"plan": "s"}, {"plan": "s"}),
        ({"other": "s"}, {"other": {"train": "b"}}, {"other": {"train": "b"}}),
    ],
)
def test_merge(base: object, over: object, result: object) -> None:
    assert plain(merge(lift(base), lift(over), frozenset({"plan"}))) == result


_LEAF = st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
_INNER = st.dictionaries(st.sampled_from("abc"), _LEAF, max_size=3)
_TREE = st.dictionaries(st.sampled_from("abc"), _LEAF | _INNER, max_size=3)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_TREE, _TREE)
def test_merging_twice_is_merging_once(base: dict[str, object], over: dict[str, object]) -> None:
    once = merge(lift(base), lift(over))
    assert plain(merge(once, lift(over))) == plain(once)
    assert plain(merge(lift(base), lift({}))) == base
