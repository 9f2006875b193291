from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from template_documents import rendered, serving, workflow

from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.template import (
    Document,
    Hardware,
    Output,
    RunInputs,
    TemplateOptions,
    canonical,
    decorate,
    images,
    input_digest,
    parse_document,
    run_digest,
    spec_digest,
    template_digest,
    to_bytes,
    version_label,
)

GOLDEN = Path(__file__).parent.parent / "golden"

OPTIONS = TemplateOptions(
    executable_id="churn-train",
    scenario_id="churn",
    scenario_name="Churn",
    executable_name="Train",
    executable_description="Fits: the model",
    version="1.10",
    hardware={"fit_all": Hardware("train.l"), "*": Hardware("basic")},
    image_pull_secrets=("registry",),
    active_deadline=3600,
    outputs=(
        Output(
            "churnmodel", kind="model", labels={"ext.ai.sap.com/flow": "churn"}, path="/tmp/m", step="fit_all"
        ),
        Output("report", kind="resultset", name="Report", description="what came out", suffix="v1"),
    ),
    owner="team-a",
    flow="churn-train",
    environments=("prod", "dev"),
    input_digest="1" * 64,
    run_digest="2" * 64,
    source_revision="c0ffee",
)


def step_of(document: Document, name: str) -> Any:
    return next(t for t in document["spec"]["templates"] if t["name"] == name)


def test_the_published_file_is_the_golden_one() -> None:
    assert to_bytes(decorate(rendered(), OPTIONS)) == (GOLDEN / "wt-churn-train.yaml").read_bytes()


def test_equal_renders_by_other_people_give_equal_bytes() -> None:
    other = rendered("bob", namespace="default", creationTimestamp="2024-01-01T00:00:00Z", uid="7")
    other["spec"]["templates"][1]["nodeSelector"] = {}
    other["spec"]["templates"][1]["serviceAccountName"] = None
    assert to_bytes(decorate(other, OPTIONS)) == to_bytes(decorate(rendered(), OPTIONS))


def test_canonical_keeps_what_a_person_wrote() -> None:
    document = workflow()
    document["metadata"]["labels"]["team"] = "churn"
    document["metadata"]["annotations"]["note"] = "metaflow/ is only dropped as a prefix"
    assert canonical(document) == document
    assert canonical(serving()) == serving()


def test_decorate_leaves_its_input_alone() -> None:
    document = rendered()
    decorate(document, OPTIONS)
    assert document == rendered()


def test_metaflow_keeps_a_user_name_to_run_with() -> None:
    env = step_of(canonical(rendered()), "start")["container"]["env"]
    assert {"name": "METAFLOW_USER", "value": "aicore-sync"} in env


@pytest.mark.parametrize(
    ("own_label", "hardware", "expected"),
    [
        (None, {}, ("resourcePlan", "starter")),
        (None, {"*": Hardware("basic")}, ("resourcePlan", "basic")),
        ("train.l", {"*": Hardware("basic")}, ("resourcePlan", "train.l")),
        ("train.l", {"start": Hardware("g5", "instanceType")}, ("instanceType", "g5")),
    ],
)
def test_hardware_is_chosen_per_step(
    own_label: str | None, hardware: dict[str, Hardware], expected: tuple[str, str]
) -> None:
    document = rendered()
    if own_label:
        document["spec"]["templates"][1]["metadata"]["labels"]["ai.sap.com/resourcePlan"] = own_label
    result = decorate(document, TemplateOptions("some-flow", hardware=hardware))
    assert step_of(result, "start")["metadata"]["labels"] == {f"ai.sap.com/{expected[0]}": expected[1]}
    assert "metadata" not in step_of(result, "entry")
    assert "resources" not in step_of(result, "start")["container"]


def test_a_declared_output_replaces_the_one_of_the_same_name() -> None:
    options = TemplateOptions("churn-train", outputs=(Output("churnmodel", kind="model", path="/data/new"),))
    (artifact,) = step_of(decorate(workflow(), options), "main")["outputs"]["artifacts"]
    assert artifact == {
        "name": "churnmodel",
        "globalName": "churnmodel",
        "path": "/data/new",
        "archive": {"none": {}},
    }


def test_steps_that_do_not_exist_are_named_all_at_once() -> None:
    options = TemplateOptions(
        "churn-train",
        hardware={"trian": Hardware("basic")},
        outputs=(Output("a", path="/a"), Output("b", path="/b", step="nope")),
        source="aicore.yaml",
    )
    with pytest.raises(InvalidInput) as caught:
        decorate(rendered(), options)
    assert [p.found for p in caught.value.problems] == ["trian", "nope", "no step"]
    assert "aicore.yaml: resourcePlan: found trian, expected one of the steps start, fit-all" in str(
        caught.value
    )


def test_serving_templates_get_metadata_and_keep_their_spec() -> None:
    result = decorate(serving(), TemplateOptions("churn-serve", scenario_id="other", version="2"))
    assert result["spec"] == serving()["spec"]
    assert result["metadata"]["labels"]["scenarios.ai.sap.com/id"] == "other"


def test_marks_that_a_source_file_claims_are_dropped() -> None:
    document = workflow()
    document["metadata"]["annotations"]["aicore-sync/owner"] = "somebody-else"
    document["metadata"]["annotations"]["aicore-sync/restore"] = "x"
    annotations = decorate(document, TemplateOptions("churn-train", owner="me"))["metadata"]["annotations"]
    ours = {key for key in annotations if key.startswith("aicore-sync/")}
    assert ours == {"aicore-sync/owner", "aicore-sync/template-digest"}
    assert annotations["aicore-sync/owner"] == "me"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.10", "1.10-abcdef01"),
        ("", "abcdef01"),
        ("release/2 beta", "release-2-beta-abcdef01"),
        ("v" * 80, "v" * 54 + "-abcdef01"),
        ("-x-", "x-abcdef01"),
    ],
)
def test_the_version_label_is_a_label(version: str, expected: str) -> None:
    assert version_label(version, "abcdef0123") == expected
    assert len(expected) <= 63


def test_template_digest_counts_content_and_nothing_about_us() -> None:
    def digest(document: Document, **changes: Any) -> str:
        return template_digest(
            decorate(document, TemplateOptions(**{"executable_id": "some-flow", **changes}))
        )

    plain = digest(rendered())
    assert digest(rendered(), version="9", owner="o", environments=("a",), input_digest="x") == plain
    assert digest(rendered(), scenario_name="New") != plain
    moved = rendered()
    moved["spec"]["templates"][1]["container"]["args"][1] += (
        " s3://b/data/e4/e415027660a929ca2e0ccbe3c2ba90ea17456546"
    )
    assert digest(moved) != plain
    result = decorate(rendered(), TemplateOptions("some-flow", version="1"))
    assert result["metadata"]["labels"]["ai.sap.com/version"] == f"1-{plain[:8]}"
    assert result["metadata"]["annotations"]["aicore-sync/template-digest"] == plain


def test_run_digest_ignores_order_and_sees_every_part() -> None:
    inputs = RunInputs((("a", "1"), ("b", "2")), (("c", "3"),), ("i", "j"), {"x": 1}, "r")
    same = RunInputs((("b", "2"), ("a", "1")), (("c", "3"),), ("j", "i", "i"), {"x": 1}, "r")
    others = [
        RunInputs(),
        RunInputs((("a", "1"), ("b", "9")), (("c", "3"),), ("i", "j"), {"x": 1}, "r"),
        RunInputs((("a", "1"), ("b", "2")), (), ("i", "j"), {"x": 1}, "r"),
        RunInputs((("a", "1"), ("b", "2")), (("c", "3"),), ("i",), {"x": 1}, "r"),
        RunInputs((("a", "1"), ("b", "2")), (("c", "3"),), ("i", "j"), {"x": 2}, "r"),
        RunInputs((("a", "1"), ("b", "2")), (("c", "3"),), ("i", "j"), {"x": 1}, "again"),
    ]
    assert run_digest(same) == run_digest(inputs)
    assert len({run_digest(i) for i in [inputs, *others]}) == 7


def test_spec_digest_is_about_the_spec_alone() -> None:
    renamed = workflow()
    renamed["metadata"]["annotations"]["scenarios.ai.sap.com/name"] = "New"
    changed = workflow()
    changed["spec"]["entrypoint"] = "other"
    assert spec_digest(renamed) == spec_digest(workflow())
    assert len({spec_digest(workflow()), spec_digest(changed), spec_digest(workflow(), "again")}) == 3


def test_input_digest_does_not_depend_on_key_order() -> None:
    assert input_digest({"a": 1, "b": [1, 2]}) == input_digest({"b": [1, 2], "a": 1})
    assert input_digest({"a": 1, "b": [1, 2]}) != input_digest({"a": 1, "b": [2, 1]})


def test_images() -> None:
    assert images(rendered()) == ("docker.io/library/python:3.11",)


# ruff: noqa: SIM905 - one word after the other reads better here
# Texts that YAML 1.1 or 1.2 readers take for something else, and shapes that break careless writers.
TRICKY = [
    *"yes No on y N null ~ NULL 1 1.0 1e3 0x1F 0o7 0b1 010 1_000 12:30 12:30:45 2024-01-01 .5".split(),
    *"""true .inf .nan - --- ... = << ! & * ? | > % @ ` a: #c a#b [x] {x} "q" 'q'""".split(),
    "",
    " ",
    " lead",
    "trail ",
    "a: b",
    "a #b",
    "\n",
    "a\n",
    "a\n\n",
    "a\nb",
    "a\n\nb\n",
    " a\nb",
    "a\n  b\n",
    "\ta\nb",
    "a \nb",
    "a\r\nb",
    "a\x85b",
    "a\u2028b\n",
    "\ufeffa",
    "é – 中 🙂",
    "\x07",
    "---\na\n",
    "x" * 300,
    "{{workflow.name}}",
    "%a\nb\n",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(TRICKY)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(texts, values, max_size=4))
def test_what_is_written_is_what_is_read(document: dict[str, Any]) -> None:
    document["metadata"] = {"name": "x"}
    for data in (to_bytes(document, "yaml"), to_bytes(document, "json")):
        assert parse_document(data, "x") == document
        assert data.endswith(b"\n")
    assert yaml.safe_load(to_bytes(document)) == document
    reordered = dict(reversed(document.items()))
    assert to_bytes(reordered) == to_bytes(document)


@pytest.mark.parametrize("text", TRICKY)
def test_every_tricky_text_survives(text: str) -> None:
    document = {text: [text, {"value": text}]}
    assert parse_document(to_bytes(document), "x") == document
    assert parse_document(to_bytes(document, "json"), "x") == document


def test_block_texts_stay_readable() -> None:
    assert b"spec: |\n      predictor:\n        minReplicas" in to_bytes(serving())


def test_unquoted_values_are_read_as_kubernetes_reads_them() -> None:
    document = parse_document("a: 2024-01-01\nb: 12:30\nc: 1e3\nd: 0x10\ne: 1.5\nf: 007\n", "x")
    assert document == {"a": "2024-01-01", "b": "12:30", "c": 1000.0, "d": 16, "e": 1.5, "f": 7}


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [", 3, "one YAML or JSON document"),
        ("a: 1\na: 2\n", 2, "the key 'a' occurs twice"),
        ("a: 1\n---\nb: 2\n", 2, "but found another document"),
        ("- a\n", 0, "found a list"),
        ("", 0, "found a NoneType"),
        ("on: 1\n", 0, "the key True"),
        ("a: {b: [.nan]}\n", 0, "a.b[0]: found the number nan"),
        ("a: !!set {x}\n", 0, "found a set"),
        ("a: !!python/object:os.system x\n", 1, "could not determine a constructor"),
        (BOMB, 0, "expands without bound"),
        ("a: &a [*a]\n", 0, "expands without bound"),
    ],
)
def test_bad_documents_are_named(text: str, line: int, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_document(text, "flows/t.yaml")
    assert words in str(caught.value)
    assert caught.value.problems[0].line == line
    assert caught.value.problems[0].file == "flows/t.yaml"


def test_bytes_that_are_no_text_are_named() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8 at offset 3"):
        parse_document(b"a: \xff", "t.yaml")


def test_a_template_of_a_megabyte_is_refused() -> None:
    document = {"metadata": {"name": "big-flow"}, "spec": {"x": "y" * 1_000_000}}
    with pytest.raises(InvalidInput, match="big-flow: found a template of 1,000,"):
        to_bytes(document)


def test_broken_unicode_and_endless_numbers_are_refused() -> None:
    for value in (json.loads('"\\ud800"'), float("inf")):
        with pytest.raises(InvalidInput, match="broken character"):
            to_bytes({"metadata": {"name": "x"}, "a": value})
