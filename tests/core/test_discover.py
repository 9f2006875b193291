"""Flows and templates are found by reading, never by running."""

from __future__ import annotations

import pytest

from aicore_sync.core.discover import find_flows, find_template, guess_flows
from aicore_sync.core.errors import InvalidInput

MAIN = '\nif __name__ == "__main__":\n    {}\n'


@pytest.mark.parametrize(
    ("head", "base"),
    [
        ("from metaflow import FlowSpec, step", "FlowSpec"),
        ("from metaflow import FlowSpec as Base", "Base"),
        ("import metaflow", "metaflow.FlowSpec"),
        ("import metaflow as mf", "mf.FlowSpec"),
        ("from metaflow import *", "FlowSpec"),
        ("try:\n    from metaflow import FlowSpec\nexcept ImportError:\n    raise", "FlowSpec"),
    ],
)
def test_every_spelling(head: str, base: str) -> None:
    text = f"{head}\nclass Train({base}):\n    pass\n" + MAIN.format("Train()")
    (flow,) = find_flows(text, "a.py")
    assert (flow.class_name, flow.has_main, flow.file) == ("Train", True, "a.py")
    assert text.splitlines()[flow.line - 1].startswith("class Train")


def test_bases_in_the_file_are_no_flows_and_schedules_are_seen() -> None:
    text = (
        "from metaflow import FlowSpec, schedule\nclass Base(FlowSpec): pass\n"
        "@schedule(daily=True)\nclass One(Base): pass\nclass Two(Base): pass\nclass Not(dict): pass\n"
    ) + MAIN.format("Two()")
    assert [(f.class_name, f.has_main, f.has_schedule) for f in find_flows(text, "a.py")] == [
        ("One", False, True),
        ("Two", True, False),
    ]


@pytest.mark.parametrize(
    ("ending", "has_main"),
    [
        ("", False),
        (MAIN.format("Train()"), True),
        (MAIN.format("main()"), True),
        ("\nif '__main__' == __name__:\n    Train()\n", True),
        ('\nif __name__ != "__main__":\n    Train()\n', False),
        ("\nTrain()\n", False),
    ],
)
def test_main_block(ending: str, has_main: bool) -> None:
    (flow,) = find_flows("from metaflow import FlowSpec\nclass Train(FlowSpec): pass\n" + ending, "a.py")
    assert flow.has_main is has_main


def test_files_without_flows() -> None:
    assert find_flows("class FlowSpec: pass\nclass A(FlowSpec): pass", "a.py") == (), "not Metaflow's"
    assert find_flows("this is not ( python", "a.py") == (), "no flow file: not our business"


@pytest.mark.parametrize("rest", ["    def f(:\n", "\x00", "(" * 3000, "    x = '\n"])
def test_bad_python_is_a_problem_with_a_line(rest: str) -> None:
    text = "from metaflow import FlowSpec\n\nclass TrainFlow(FlowSpec):\n" + rest
    with pytest.raises(InvalidInput) as caught:
        find_flows(text, "flows/train.py")
    assert caught.value.problems[0].file == "flows/train.py"
    assert [(f.class_name, f.line) for f in guess_flows(text, "a.py")] == [("TrainFlow", 3)]


def test_nothing_is_executed() -> None:
    text = "from metaflow import FlowSpec\nraise SystemExit(1)\nclass A(FlowSpec): pass\n"
    assert len(find_flows(text, "a.py")) == 1


def test_templates() -> None:
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata:\n  name: churn-train\n"
        '  labels: {scenarios.ai.sap.com/id: churn, ai.sap.com/version: "1.10"}\n'
        "  annotations: {scenarios.ai.sap.com/name: Churn}\n"
    )
    found = find_template(text, "t.yaml")
    assert found is not None
    assert (found.name, found.scenario_id, found.scenario_name, found.version) == (
        "churn-train",
        "churn",
        "Churn",
        "1.10",
    )
    assert not find_template(text.replace("argoproj.io/v1alpha1", "ai.sap.com/v1alpha1"), "")
    assert find_template("{apiVersion: ai.sap.com/v1alpha1, kind: ServingTemplate}", "")
    for other in ("", "[]", "a: [", "kind: Secret", "&a [*a]"):
        assert not find_template(other, "")
