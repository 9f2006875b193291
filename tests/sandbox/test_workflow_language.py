from __future__ import annotations

import pytest

from aicore_sync.sandbox.workflow.calls import Outcome, TemplateError, children_scope
from aicore_sync.sandbox.workflow.expressions import depends_holds, depends_names, when_holds
from aicore_sync.sandbox.workflow.pod import seconds
from aicore_sync.sandbox.workflow.substitute import expand, substitute


def test_a_value_never_changes_the_structure() -> None:
    evil = 'a"}, {"b": \\ \n$(x) {{other}} é'
    assert substitute({"args": ["echo {{workflow.parameters.x}}"]}, {"workflow.parameters.x": evil}) == {
        "args": [f"echo {evil}"]
    }


def test_unknown_tags_stay() -> None:
    assert substitute("{{ pod.name }} {{mystery}}", {"pod.name": "p"}) == "p {{mystery}}"


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("{{=toBase64(workflow.parameters['a-b'])}}", "eHk="),
        ("{{=sprig.b64enc(workflow.parameters.plain)}}", "eHk="),
        ("{{=workflow.parameters['a-b']}}", "xy"),
    ],
)
def test_expression_tags(tag: str, value: str) -> None:
    assert substitute(tag, {"workflow.parameters.a-b": "xy", "workflow.parameters.plain": "xy"}) == value


def test_an_expression_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(TemplateError, match="asInt"):
        substitute("{{=asInt(workflow.parameters.x) + 1}}", {})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(NAME)", "v"),
        ("$$(NAME)", "$(NAME)"),
        ("$(date -u|tr , .) $(MISSING) $HOME", "$(date -u|tr , .) $(MISSING) $HOME"),
        ("cost: 5$$", "cost: 5$"),
        ("$(NAME", "$(NAME"),
    ],
)
def test_kubernetes_expansion(text: str, expanded: str) -> None:
    assert expand(text, {"NAME": "v"}) == expanded


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("true", True),
        ("true == false", False),
        ("heads == heads", True),
        ("'a b' != \"a b\"", False),
        ("1.0 == 1", True),
        ("10 > 9 && 2 <= 2", True),
        ("!(1 == 1) || x =~ y", False),
        ("model-v2 =~ '^model'", True),
        ("prod == prod && (1 > 2 || 3 > 2)", True),
    ],
)
def test_when(expression: str, holds: bool) -> None:
    assert when_holds(expression) is holds


@pytest.mark.parametrize("expression", ["1 ==", "(a == a", "a b", "high > 3", "&& a"])
def test_when_that_cannot_be_read_says_so(expression: str) -> None:
    with pytest.raises(TemplateError):
        when_holds(expression)


RESULTS = {
    "good": Outcome("Succeeded"),
    "bad": Outcome("Failed"),
    "broken": Outcome("Error"),
    "skipped": Outcome("Skipped"),
    "some": Outcome("Failed", items=(Outcome("Failed"), Outcome("Succeeded"))),
    "none": Outcome("Failed", items=(Outcome("Failed"), Outcome("Error"))),
}


@pytest.mark.parametrize(
    ("depends", "holds"),
    [
        ("good", True),
        ("bad", False),
        ("skipped", True),
        ("skipped.Succeeded", False),
        ("good && bad.Failed", True),
        ("good && (bad || broken.Errored)", True),
        ("bad.Succeeded || !good", False),
        ("some.AnySucceeded && none.AllFailed && !some.AllFailed", True),
    ],
)
def test_depends(depends: str, holds: bool) -> None:
    assert depends_holds(depends, RESULTS) is holds
    assert depends_names(depends) <= set(RESULTS)


def test_outputs_of_a_fan_out_are_json_lists_without_skipped_items() -> None:
    items = (
        Outcome("Succeeded", parameters={"b": "2", "a": "é"}, result="one"),
        Outcome("Skipped"),
        Outcome("Succeeded", parameters={"a": '"'}, result="two"),
    )
    scope, _ = children_scope("tasks", {"t": Outcome("Succeeded", items=items)})
    assert scope["tasks.t.outputs.parameters"] == '[{"a":"é","b":"2"},{"a":"\\""}]'
    assert scope["tasks.t.outputs.parameters.a"] == '["é","\\""]'
    assert scope["tasks.t.outputs.result"] == '["one","two"]'


def test_durations() -> None:
    assert [seconds(value) for value in ("30", 30, "2m", "1h30m", "500ms", "0m")] == [
        30,
        30,
        120,
        5400,
        0.5,
        0,
    ]
    with pytest.raises(TemplateError, match="soon"):
        seconds("soon")
