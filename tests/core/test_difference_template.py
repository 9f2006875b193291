"""What a new version of a template changes, in words."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aicore_sync.core.difference import Change, joined, summary, template_changes, text_changes

GOLDEN = (Path(__file__).parents[1] / "golden" / "wt-churn-train.yaml").read_bytes()
Edit = Callable[[dict[str, Any]], Any]


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(body for body in document["spec"]["templates"] if body["name"] == name)


def changed(edit: Edit) -> str:
    document = yaml.safe_load(GOLDEN)
    edit(document)
    return summary(template_changes(GOLDEN, yaml.safe_dump(document).encode()))


def labels(document: dict[str, Any], name: str) -> dict[str, str]:
    found: dict[str, str] = step(document, name)["metadata"]["labels"]
    return found


def artifact(name: str) -> dict[str, Any]:
    return {"name": name, "globalName": name, "path": f"/tmp/{name}", "archive": {"none": {}}}


EDITS: list[tuple[Edit, str]] = [
    (
        lambda d: labels(d, "start").update({"ai.sap.com/resourcePlan": "infer.l"}),
        "step start: resource plan basic → infer.l",
    ),
    (
        lambda d: step(d, "fit-all")["outputs"]["artifacts"].append(artifact("scores")),
        "step fit-all: +1 output artifact scores",
    ),
    (
        lambda d: step(d, "fit-all")["outputs"].pop("artifacts"),
        "step fit-all: −1 output artifact churnmodel",
    ),
    (
        lambda d: step(d, "start").update(retryStrategy={"limit": 3}),
        "step start: retries none → 3",
    ),
    (
        lambda d: step(d, "start")["container"].update(image="docker.io/library/python:3.12"),
        "step start: image docker.io/library/python:3.11 → docker.io/library/python:3.12",
    ),
    (
        lambda d: step(d, "start")["container"].update(args=["-c", "python other.py"]),
        "step start: command changed",
    ),
    (
        lambda d: step(d, "start")["container"]["env"].append({"name": "MODE", "value": "fast"}),
        "step start: + variable MODE",
    ),
    (
        lambda d: step(d, "start").update(activeDeadlineSeconds=60),
        "step start: deadline in seconds 432000 → 60",
    ),
    (
        lambda d: d["spec"]["templates"].pop(),
        "step fit-all: removed",
    ),
    (
        lambda d: d["spec"]["templates"].append({"name": "end", "container": {"image": "x"}}),
        "step end: new",
    ),
    (
        lambda d: d["spec"]["arguments"]["parameters"][0].update(default="0.2"),
        "parameter rate: default 0.1 → 0.2",
    ),
    (
        lambda d: d["spec"]["arguments"]["parameters"].append({"name": "depth"}),
        "parameter depth: new, mandatory",
    ),
    (
        lambda d: d["spec"]["arguments"]["parameters"].pop(),
        "parameter cases: removed",
    ),
    (
        lambda d: d["metadata"]["labels"].update({"ai.sap.com/version": "1.11-ffffffff"}),
        "template: version 1.10 → 1.11",
    ),
    (
        lambda d: d["metadata"]["labels"].update({"scenarios.ai.sap.com/id": "other"}),
        "template: scenario churn → other",
    ),
    (
        lambda d: d["metadata"]["annotations"].update({"artifacts.ai.sap.com/report.kind": "other"}),
        "artifact report: kind resultset → other",
    ),
    (
        lambda d: step(d, "entry")["dag"]["tasks"][1].update(dependencies=["start", "load"]),
        "step entry: fit-all runs after start, load instead of start",
    ),
    (
        lambda d: step(d, "start").update(securityContext={"runAsUser": 7}),
        "step start: securityContext none → {'runAsUser': 7}",
    ),
]


@pytest.mark.parametrize(("edit", "words"), EDITS, ids=[words for _, words in EDITS])
def test_a_change_is_said_in_words(edit: Edit, words: str) -> None:
    assert changed(edit) == words


def test_several_changes_of_a_step_make_one_sentence() -> None:
    def edit(document: dict[str, Any]) -> None:
        labels(document, "start")["ai.sap.com/resourcePlan"] = "starter"
        step(document, "start")["outputs"]["artifacts"] = [artifact("model")]
        document["spec"]["arguments"]["parameters"][0]["default"] = "0.2"

    assert changed(edit) == (
        "parameter rate: default 0.1 → 0.2; "
        "step start: resource plan basic → starter, +1 output artifact model"
    )


def test_marks_digests_and_order_of_keys_are_no_change() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["metadata"]["annotations"]["aicore-sync/input-digest"] = "3" * 64
        document["metadata"]["labels"]["ai.sap.com/version"] = "1.10-00000000"
        document["metadata"]["labels"]["metaflow/user"] = "somebody"

    assert changed(edit) == ""


def test_a_new_code_package_is_said_once() -> None:
    def with_code(digest: str) -> bytes:
        document = yaml.safe_load(GOLDEN)
        for name in ("start", "fit-all"):
            container = step(document, name)["container"]
            container["args"] = ["-c", f"fetch s3://bucket/{digest[:2]}/{digest} && python train.py"]
            container["env"].append({"name": "METAFLOW_CODE_SHA", "value": digest})
        return yaml.safe_dump(document).encode()

    assert summary(template_changes(with_code("a" * 40), with_code("b" * 40))) == "code: new code package"


def test_a_template_that_comes_goes_or_cannot_be_read() -> None:
    assert [(str(c), c.kind) for c in template_changes(None, GOLDEN)] == [("template: new", "added")]
    assert [(str(c), c.kind) for c in template_changes(GOLDEN, None)] == [("template: removed", "removed")]
    assert template_changes(None, None) == ()
    assert "cannot be read" in summary(template_changes(GOLDEN, b"{["))
    assert template_changes(b"{[", b"{[") == ()


def test_the_raw_form_is_a_diff_that_patch_understands() -> None:
    lines = text_changes(b"a: 1\nb: 2\n", b"a: 1\nb: 3\n", "wt-x.yaml").splitlines()
    assert lines == ["--- a/wt-x.yaml", "+++ b/wt-x.yaml", "@@ -1,2 +1,2 @@", " a: 1", "-b: 2", "+b: 3"]
    assert text_changes(None, b"a: 1\n", "wt-x.yaml").startswith("--- /dev/null\n+++ b/wt-x.yaml")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all texts and numbers below `spec` that may be changed without breaking names."""
    if isinstance(value, dict):
        return [p for key, item in value.items() if key != "name" for p in _places(item, (*path, key))]
    if isinstance(value, list):
        return [p for at, item in enumerate(value) for p in _places(item, (*path, at))]
    return [path]


PLACES = _places(yaml.safe_load(GOLDEN)["spec"])


@given(st.sampled_from(PLACES), st.integers(10**6, 10**7))
def test_nothing_that_differs_is_left_out(path: tuple[Any, ...], value: int) -> None:
    document = yaml.safe_load(GOLDEN)
    other = deepcopy(document)
    at = other["spec"]
    for key in path[:-1]:
        at = at[key]
    if at.get("name") == "METAFLOW_USER" if isinstance(at, dict) else False:
        return  # the canonical form sets it
    at[path[-1]] = str(value)
    assert template_changes(GOLDEN, yaml.safe_dump(other).encode()) != ()


def test_the_same_change_of_several_steps_is_said_once() -> None:
    plan, variable = Change("parameter a", "variable A added"), "variable A added"
    steps = [Change(f"step {name}", variable) for name in ("one", "two", "three")]
    alone, other = Change("step one", "image a → b"), Change("step two", variable, "removed")
    assert joined([plan, steps[0], alone, *steps[1:], other]) == (
        plan,
        Change("3 steps", variable),
        alone,
        other,
    )
