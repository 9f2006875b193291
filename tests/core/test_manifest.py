"""The manifest: reading, defaults, overlays, and every mistake with its place and cure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aicore_sync.core.discover import FoundFlow, FoundTemplate
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.lint import unused_schedule
from aicore_sync.core.manifest import (
    Defaults,
    Manifest,
    ScenarioPart,
    complete,
    default_manifest,
    for_environment,
    parse_manifest,
    rendering_part,
    template_conflicts,
    with_metaflow_schedule,
)

FOUND = FoundFlow("Churn_Train", "flows/train.py", 7, has_main=True)
WHOLE = """\
flow: train.py
scenario: {id: churn, name: Churn}
version: "1.10"
resourcePlan: starter
timeout: 1h30m
environments: [dev, prod]
environment: {WORKERS: 010, DEBUG: true}
artifacts:
  - {name: rawdata, kind: dataset, url: ai://default/churn/raw, labels: {team: ml}}
outputs:
  churnmodel: {kind: model}
configurations:
  - name: nightly
    parameters: {alpha: 0.10, flag: true, exponent: 1e3}
    inputs:
      raw: rawdata
      model: {flow: other-flow, output: model}
    run: onChange
    schedule: {cron: "@daily", start: 2026-12-01T00:00:00+01:00}
  - name: manual
overlays:
  prod:
    isolate: true
    resourcePlan: {train: basic}
    artifacts: [{name: rawdata, labels: {ext.ai.sap.com/team: null, stage: prod}}]
    configurations:
      - name: nightly
        parameters: {alpha: 0.20, flag: null}
        inputs: {raw: {flow: prep-flow, output: raw}}
        schedule: {cron: 30 2 * * SUN, suspend: false}
      - name: extra
"""


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidInput) as caught:
        parse_manifest(text, "flows/aicore.yaml")
    return caught.value.problems


def test_values_arrive_as_written() -> None:
    manifest = parse_manifest(WHOLE, "aicore.yaml")
    nightly = manifest.configurations[0]
    assert manifest.version == "1.10"
    assert manifest.timeout == 5400
    assert manifest.environment == {"WORKERS": "010", "DEBUG": "true"}
    assert nightly.parameters == {"alpha": "0.10", "flag": "true", "exponent": "1e3"}
    assert nightly.inputs["raw"].artifact == "rawdata"
    assert (nightly.inputs["model"].flow, nightly.inputs["model"].select) == ("other-flow", "latestCompleted")
    assert nightly.schedule is not None
    assert nightly.schedule.cron == "0 0 * * *"
    assert nightly.schedule.start == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert nightly.schedule.suspend is None, "absent: the status is not ours"
    assert manifest.artifacts[0].labels == {"ext.ai.sap.com/team": "ml"}
    assert (manifest.resource_plan, manifest.instance_type) == ({"*": "starter"}, {})


def test_overlay() -> None:
    manifest = complete(parse_manifest(WHOLE, "aicore.yaml"), FOUND, Defaults())
    dev, prod = for_environment(manifest, "dev"), for_environment(manifest, "prod")
    assert dev == manifest.model_copy(update={"overlays": {}})
    assert prod.executable.id == "churn-train-prod"
    assert (prod.scenario.id, prod.scenario.name) == ("churn", "Churn")
    assert prod.resource_plan == {"*": "starter", "train": "basic"}
    assert prod.artifacts[0].labels == {"ext.ai.sap.com/stage": "prod"}
    assert [item.name for item in prod.configurations] == ["nightly", "manual", "extra"]
    nightly = prod.configurations[0]
    assert nightly.parameters == {"alpha": "0.20", "exponent": "1e3"}
    assert nightly.schedule is not None
    assert (nightly.schedule.cron, nightly.schedule.suspend) == ("30 2 * * 0", False)
    assert nightly.schedule.start == datetime(2026, 11, 30, 23, tzinfo=UTC), "kept from the base"


def test_an_input_is_replaced_as_a_whole_when_it_changes_its_form() -> None:
    prod = for_environment(complete(parse_manifest(WHOLE, "a"), FOUND, Defaults()), "prod")
    assert (prod.configurations[0].inputs["raw"].artifact, prod.configurations[0].inputs["raw"].flow) == (
        "",
        "prep-flow",
    )


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("version: 1.10", 1, "version", 'quote it: "1.10"'),
        ("a: 1\nimge: x", 2, "imge", "did you mean `image`?"),
        ("resource_plan: x", 1, "resource_plan", "did you mean `resourcePlan`?"),
        ("flow: ../train.py", 1, "flow", "keep the manifest beside the flow"),
        ("flow: .hidden/train.py", 1, "flow", "hidden directories"),
        ("flow: train.py\ntemplate: a.yaml", 2, "template", "one of the two"),
        ("executable:\n  id: My_Flow", 2, "executable.id", "lower-case"),
        ("scenario: {id: abc}", 1, "scenario.id", "4 to 63"),
        ("embedded: 'true'", 1, "embedded", "true or false"),
        ("embedded: yes", 1, "embedded", "quote it"),
        ("timeout: 3 hours", 1, "timeout", "90s, 3m"),
        ("maxWorkers: 0", 1, "maxWorkers", "greater than or equal to 1"),
        ("environment: {T: 'a {{b'}", 1, "environment.T", "text without `{{`"),
        ("project: {branch: Feature/X}", 1, "project.branch", "lower-case letters"),
        ("project: {production: true}\ndialect: plugin", 1, "project", "`dialect: native`"),
        ("environments: dev", 1, "environments", "a list"),
        ("environments: [dev, dev]", 1, "environments[1]", "every name once"),
        ("resourcePlan: starter\ninstanceType: x", 2, "instanceType", "either a resource plan"),
        ("artifacts:\n- {name: a, kind: data, url: ai://x/y}", 2, "artifacts[0].kind", "'model', 'dataset'"),
        ("artifacts:\n- {name: a, kind: dataset, url: ai://x/y/}", 2, "artifacts[0].url", "without a slash"),
        (
            "artifacts:\n- {name: a, kind: model, url: ai://x/y, labels: {a b: x}}",
            2,
            "artifacts[0].labels",
            "key",
        ),
        ("outputs:\n  m: {path: /tmp/m}", 2, "outputs.m", "both or none"),
        ("configurations:\n- name: a.b", 2, "configurations[0].name", "dots separate"),
        (f"configurations:\n- name: {'a' * 41}", 2, "configurations[0].name", "1 to 40"),
        ("configurations:\n- run: manual", 2, "configurations[0].name", "add the key"),
        ("configurations:\n- name: a\n- name: a", 3, "configurations[1]", "every name once"),
        (
            "configurations:\n- name: a\n  inputs: {x: rw}",
            3,
            "configurations[0].inputs.x",
            "declare it under",
        ),
        (
            "configurations:\n- name: a\n  inputs: {x: {flow: abcd}}",
            3,
            "configurations[0].inputs.x",
            "`output`",
        ),
        (
            "configurations:\n- name: a\n  parameters:\n    p: [1]",
            4,
            "configurations[0].parameters.p",
            "text",
        ),
        (
            "configurations:\n- name: a\n  parameters:\n    p: '{{workflow.name}}'",
            4,
            "configurations[0].parameters.p",
            "text without `{{`",
        ),
        (
            "configurations:\n- name: a\n  parameters:\n    p: off",
            4,
            "configurations[0].parameters.p",
            'quote it: "off"',
        ),
        (
            "configurations:\n- name: a\n  schedule:\n    cron: '*/45 * * * *'",
            4,
            "configurations[0].schedule.cron",
            "00:00, 00:45, 01:00",
        ),
        (
            "configurations:\n- name: a\n  schedule: {cron: '@daily', start: 2026-01-01T00:00:00.5Z}",
            3,
            "configurations[0].schedule.start",
            "fractions",
        ),
        (
            "configurations:\n- name: a\n  schedule: {cron: '@daily', start: 2026-01-01T00:00:00}",
            3,
            "configurations[0].schedule.start",
            "append Z",
        ),
        (
            "configurations:\n- name: a\n  schedule:\n    cron: '@daily'\n    start: 2026-01-02T00:00:00Z\n"
            "    end: 2026-01-01T00:00:00Z",
            6,
            "configurations[0].schedule.end",
            "after `start`",
        ),
        ("overlays:\n  prod:\n    flow: x.py", 3, "overlays.prod.flow", "at the top level"),
        ("overlays:\n  prod: 1", 2, "overlays.prod", "a mapping"),
        ("image: a/b\noverlays:\n  prod:\n    imag: x", 4, "overlays.prod.imag", "did you mean `image`?"),
        ("- a", 1, "", "a mapping"),
        ("a: [", 1, "", "valid YAML"),
    ],
)
def test_mistakes(text: str, line: int, key: str, words: str) -> None:
    found = [problem for problem in problems(text) if problem.key == key]
    assert [problem.line for problem in found] == [line]
    assert words in str(found[0])
    assert found[0].file == "flows/aicore.yaml"


def test_all_mistakes_come_at_once_in_order() -> None:
    text = "version: 1.10\nimge: x\non: 1\nconfigurations:\n- name: A\n  schedule: {crn: x}\n"
    lines = [(problem.line, problem.key) for problem in problems(text)]
    assert lines == [
        (1, "version"),
        (2, "imge"),
        (3, ""),
        (3, "on"),
        (5, "configurations[0].name"),
        (6, "configurations[0].schedule.crn"),
        (6, "configurations[0].schedule.cron"),
    ]


def test_empty_manifest_is_valid() -> None:
    assert parse_manifest("# nothing\n", "aicore.yaml") == Manifest()


def test_defaults_fill_only_what_is_missing() -> None:
    defaults = Defaults(
        image="reg/x:1",
        environments=("dev",),
        resource_plan={"*": "basic"},
        scenario=ScenarioPart(id="shared", name="Shared"),
    )
    bare = default_manifest(FOUND, defaults)
    assert (bare.flow, bare.executable.id, bare.executable.name) == (
        "train.py:Churn_Train",
        "churn-train",
        "churn-train",
    )
    assert (bare.image, bare.environments, bare.resource_plan) == ("reg/x:1", ("dev",), {"*": "basic"})
    assert (bare.scenario.id, bare.scenario.name) == ("shared", "Shared")
    own = complete(
        parse_manifest("environments: []\ninstanceType: big\nscenario: {id: mine}", "a"), FOUND, defaults
    )
    assert own.environments == ()
    assert (own.instance_type, own.resource_plan) == ({"*": "big"}, {}), "hardware is one choice"
    assert (own.scenario.id, own.scenario.name) == ("mine", "mine"), "a name belongs to its id"
    assert default_manifest(FOUND, Defaults()).scenario.id == "churn-train"


def test_a_short_class_name_asks_for_an_id() -> None:
    with pytest.raises(InvalidInput) as caught:
        default_manifest(FoundFlow("Abc", "flows/a.py", 3, has_main=True), Defaults())
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == ("flows/a.py", 3, "executable.id")
    assert "aicore.yaml" in problem.cure


def test_a_template_brings_its_own_identity() -> None:
    found = FoundTemplate("WorkflowTemplate", "churn-train", "t.yaml", "churn", "Churn", "Training", "2.0")
    manifest = complete(parse_manifest("template: t.yaml", "a"), found, Defaults())
    assert (manifest.executable.id, manifest.executable.name, manifest.version) == (
        "churn-train",
        "Training",
        "2.0",
    )
    assert (manifest.scenario.id, manifest.scenario.name) == ("churn", "Churn")


def test_one_tenant_shares_one_template() -> None:
    text = "environments: [dev, qa, prod]\noverlays:\n  qa: {image: reg/other:1}\n  prod: {maxWorkers: 3}\n"
    tenants = {"dev": "t1", "qa": "t1", "prod": "t2"}
    manifest = complete(parse_manifest(text, "a"), FOUND, Defaults())
    (problem,) = template_conflicts(manifest, tenants, "aicore.yaml")
    assert problem.key == "overlays.qa"
    assert "image" in problem.found
    assert "dev" in problem.found
    for cure in ("isolate: true", "executable: {id: other-train}"):
        mended = text.replace("qa: {", f"qa: {{{cure}, ")
        assert (
            template_conflicts(complete(parse_manifest(mended, "a"), FOUND, Defaults()), tenants, "a") == ()
        )
    harmless = "environments: [dev, qa]\noverlays:\n  qa: {configurations: [{name: x}]}\n"
    assert template_conflicts(complete(parse_manifest(harmless, "a"), FOUND, Defaults()), tenants, "a") == ()


def test_isolation_of_all_environments_and_its_bound() -> None:
    manifest = complete(parse_manifest("isolate: true", "a"), FOUND, Defaults())
    assert [for_environment(manifest, name).executable.id for name in ("dev", "prod")] == [
        "churn-train-dev",
        "churn-train-prod",
    ]
    long = complete(parse_manifest(f"isolate: true\nexecutable: {{id: {'a' * 60}}}", "a"), FOUND, Defaults())
    with pytest.raises(InvalidInput):
        for_environment(long, "prod")


def test_the_rendering_part_ignores_what_does_not_feed_the_template() -> None:
    base = rendering_part(complete(parse_manifest(WHOLE, "a"), FOUND, Defaults()))
    same = rendering_part(
        complete(parse_manifest(WHOLE.replace("alpha: 0.10", "alpha: 3"), "a"), FOUND, Defaults())
    )
    other = rendering_part(complete(parse_manifest(WHOLE.replace("1h30m", "2h"), "a"), FOUND, Defaults()))
    assert base == same
    assert base != other
    assert list(base) == sorted(base)
    assert not {"configurations", "environments", "overlays", "artifacts", "isolate"} & base.keys()


def test_metaflows_schedule() -> None:
    bare = default_manifest(FOUND, Defaults())
    daily = with_metaflow_schedule(bare, "0 0 * * ? *", "train.py")
    (default,) = daily.configurations
    assert default.schedule is not None
    assert (default.name, default.schedule.cron, default.run) == ("default", "0 0 * * *", "manual")
    assert with_metaflow_schedule(bare, None, "train.py") is bare
    own = complete(parse_manifest(WHOLE, "a"), FOUND, Defaults())
    assert with_metaflow_schedule(own, "0 0 * * ? *", "train.py") is own, "the manifest's schedule wins"
    with pytest.raises(InvalidInput) as caught:
        with_metaflow_schedule(bare, "*/5 * * * ? *", "train.py")
    assert caught.value.problems[0].key == "@schedule"
    with pytest.raises(InvalidInput, match=r"expected a time in UTC, .* and not in Asia/Tokyo"):
        with_metaflow_schedule(bare, "CRON_TZ=Asia/Tokyo 0 4 * * *", "train.py")
    assert with_metaflow_schedule(own, "CRON_TZ=Asia/Tokyo 0 4 * * *", "train.py") is own
    assert [f.code for f in unused_schedule(own, "0 4 * * *", "train.py")] == ["AC186"]
    assert not [*unused_schedule(own, None, "train.py"), *unused_schedule(bare, "0 4 * * *", "train.py")]
