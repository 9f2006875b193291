"""Pictures: every document gives a picture or none, never an error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicore_sync.web.draw import Graph, Node, Series, chart, draw_dag, graph_of
from aicore_sync.web.pages.flow import drawn
from aicore_sync.web.visits import EVERY_STEP, picture


def document(*templates: Mapping[str, object], entry: str = "main") -> dict[str, object]:
    return {"spec": {"entrypoint": entry, "templates": list(templates)}}


def leaf(name: str) -> dict[str, object]:
    return {"name": name, "container": {"image": "x"}}


def dag(name: str, **tasks: list[str]) -> dict[str, object]:
    listed = [{"name": n, "template": n, "dependencies": after} for n, after in tasks.items()]
    return {"name": name, "dag": {"tasks": listed}}


def edges(graph: Graph) -> set[tuple[str, str]]:
    return {(graph.nodes[i].label, node.label) for node in graph.nodes for i in node.after}


def test_a_dag_keeps_its_edges_whatever_the_order_of_its_tasks() -> None:
    graph = graph_of(document(dag("main", end=["a", "b"], a=["start"], b=["start"], start=[])))
    assert edges(graph) == {("start", "a"), ("start", "b"), ("a", "end"), ("b", "end")}
    assert all(before < index for index, node in enumerate(graph.nodes) for before in node.after)


def test_a_sub_workflow_stands_in_the_place_of_its_task() -> None:
    inner = dag("inner", work=[], join=["work"])
    outer = {
        "name": "main",
        "dag": {
            "tasks": [
                {"name": "start", "template": "start"},
                {"name": "each", "template": "inner", "depends": "start.Succeeded", "withParam": "[1]"},
                {"name": "end", "template": "end", "depends": "each && (start || each.Failed)"},
            ]
        },
    }
    graph = graph_of(document(outer, inner, leaf("start"), leaf("end"), leaf("work"), leaf("join")))
    assert edges(graph) == {("start", "work"), ("work", "join"), ("join", "end"), ("start", "end")}
    assert {n.label for n in graph.nodes if n.many} == {"work", "join"}


def test_groups_of_steps_follow_each_other() -> None:
    steps = [
        [{"name": "a", "template": "x"}, {"name": "b", "template": "x"}],
        [{"name": "c", "template": "x"}],
    ]
    graph = graph_of(document({"name": "main", "steps": steps}, leaf("x")))
    assert edges(graph) == {("a", "c"), ("b", "c")}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"spec": 1},
        document(),
        document(dag("main", a=["b"], b=["a"])),
        document({"name": "main", "dag": {"tasks": [{"name": "x", "template": "main"}]}}),
        document({"name": "main", "steps": 3}),
    ],
)
def test_odd_documents_are_no_error(odd: dict[str, object]) -> None:
    draw_dag(graph_of(odd), {}, "odd")


def test_a_huge_workflow_is_cut() -> None:
    graph = graph_of(document(dag("main", **{f"s{n}": [] for n in range(400)})))
    assert graph.cut
    assert len(graph.nodes) == 150


def test_a_run_of_one_step_marks_that_step() -> None:
    one = json.dumps(document(leaf("score"), entry="score")).encode()
    assert 'class="step ok"' in picture(one, {"e-5521": "Succeeded"}, "score")
    two = json.dumps(document(dag("main", a=[], b=["a"]), leaf("a"), leaf("b"))).encode()
    assert 'class="step ok"' not in picture(two, {"e-5521": "Succeeded"}, "score")


def test_steps_whose_states_are_not_told_do_not_look_as_if_they_had_not_run() -> None:
    two = json.dumps(document(dag("main", a=[], b=["a"]), leaf("a"), leaf("b"))).encode()
    assert picture(two, {EVERY_STEP: "Untold"}, "x").count("AI Core has not told its state") == 2
    assert picture(two, {}, "x").count("has not run") == 2


def test_steps_are_marked_by_their_phase_and_names_are_text() -> None:
    graph = Graph((Node("<b>", names=("<b>", "t")), Node("after", (0,), many=True, names=("after",))))
    drawn = draw_dag(graph, {"t": "Failed"}, "train & score")
    root = ElementTree.fromstring(drawn)
    assert [g.get("class") for g in root.iter("g")] == ["step fail", "step none"]
    assert "<b>" not in drawn
    assert "after ×n" in drawn


@given(st.lists(st.floats(), max_size=30))
def test_a_chart_of_any_values_is_a_picture_within_its_frame(values: list[float]) -> None:
    picture = chart(Series("loss", tuple(values)))
    if picture:
        line = ElementTree.fromstring(picture).find("polyline")
        assert line is not None
        for point in (line.get("points") or "").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 260
            assert 0 <= y <= 76


def test_many_values_are_thinned_and_the_last_stays() -> None:
    assert Series("loss", tuple(map(float, range(5001)))).shown[-1] == 5000.0
    assert len(Series("loss", tuple(map(float, range(5001)))).shown) <= 500


def test_a_single_value_is_a_number_and_no_picture() -> None:
    nothing = Series("c", (math.nan,))
    one, more = drawn((Series("a", (0.5,)), Series("b", (1.0, 2.0), "runs"), nothing))
    assert (one.last, one.what, one.picture) == ("0.5", "", "")
    assert (more.last, more.what, "<svg" in more.picture) == ("2", "2 runs", True)
