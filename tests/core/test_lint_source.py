"""Rules over several sources, positions in files, and how findings become problems and back."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from template_documents import workflow

from aicore_sync.core.errors import Problem
from aicore_sync.core.inventory import Inventory, Part, take_inventory
from aicore_sync.core.lint import (
    Finding,
    LintFailed,
    LintOptions,
    Made,
    Override,
    finding_of,
    in_environments,
    lint,
    lint_bindings,
    lint_source,
    placed,
    with_errors,
)
from aicore_sync.core.manifest import Defaults
from aicore_sync.core.template import PublishedTemplate

TENANTS = {"dev": "one", "prod": "one", "lab": "other"}


def inventory(manifests: Mapping[str, str]) -> Inventory:
    """One flow per manifest, in a directory of its own."""
    files: dict[str, str] = {}
    for name, text in manifests.items():
        title = name.title()
        files[f"{name}/flow.py"] = (
            f"from metaflow import FlowSpec\nclass {title}Flow(FlowSpec): ...\n"
            f"if __name__ == '__main__': {title}Flow()\n"
        )
        files[f"{name}/aicore.yaml"] = "flow: flow.py\n" + textwrap.dedent(text)
    return take_inventory([Part(files)], files.__getitem__, Defaults(), TENANTS)


def source_findings(manifests: Mapping[str, str], options: LintOptions | None = None) -> list[Finding]:
    return list(lint_source(inventory(manifests).sources, TENANTS, options or LintOptions()))


def test_a_scenario_has_one_name_in_a_tenant() -> None:
    def manifest(name: str, environment: str = "dev") -> str:
        return f"scenario: {{id: churn, name: {name}}}\nenvironments: [{environment}]\n"

    good = {"a": manifest("Churn"), "b": manifest("Churn"), "c": manifest("Other", "lab")}
    assert source_findings(good) == []
    (finding,) = source_findings(good | {"d": manifest("Chrun", "prod")})
    assert (finding.code, finding.severity, finding.file) == ("AC162", "warning", "d/aicore.yaml")
    assert "'Chrun'" in finding.message
    assert finding.cure.startswith("write name: Churn ")


def test_a_finding_that_a_repository_made_an_error_keeps_its_flow_from_rendering() -> None:
    found = inventory(
        {
            "a": "scenario: {id: churn, name: Churn}\nenvironments: [dev]\n",
            "b": "scenario: {id: churn, name: Other}\nenvironments: [dev]\n",
        }
    )
    for severity, expected in (("warning", []), ("error", ["AC162"])):
        options = LintOptions(overrides={"AC162": Override(severity, "ours")})  # type: ignore[arg-type]
        after = with_errors(found, lint_source(found.sources, TENANTS, options))
        assert [problem.code for problem in after.problems()] == expected
    assert "AC162" in str(after.problems()[0])


def test_rivals_and_clashing_environments_have_codes() -> None:
    rivals = inventory(dict.fromkeys(("a", "b"), "executable: {id: churn}\nenvironments: [dev]\n"))
    assert [(p.code, p.file) for p in rivals.problems()] == [
        ("AC161", "a/aicore.yaml"),
        ("AC161", "b/aicore.yaml"),
    ]
    clash = "environments: [dev, prod]\noverlays: {prod: {image: docker.io/org/x:2}}\n"
    assert [p.code for p in inventory({"a": clash}).problems()] == ["AC163"]


def test_problems_are_coded_by_their_keys() -> None:
    bad = """
        environments: [dev]
        artifacts: [{name: data, kind: dataset, url: "ai://default/data/"}]
        configurations: [{name: often, schedule: {cron: "*/5 * * * *"}}]
        imge: x
    """
    found = {finding_of(problem).code for problem in inventory({"a": bad}).problems()}
    assert found == {"AC164", "AC165", "AC166"}
    assert finding_of(Problem("a/flow.py", 3, "", "x", "y")).code == "AC181"
    assert finding_of(Problem("a/wt.yaml", 3, "", "x", "y"), "AC100").code == "AC100"


def test_the_quota_counts_executables_of_a_tenant_once() -> None:
    manifests = dict.fromkeys(("aaaa", "bbbb"), "environments: [dev, prod]\n")
    assert source_findings(manifests, LintOptions(quota=2)) == []
    assert [f.code for f in source_findings(manifests, LintOptions(quota=1))] == ["AC169"]


TRAIN = PublishedTemplate(
    "train", parameters={"alpha": None, "beta": "1"}, inputs=frozenset({"raw"}), outputs=("model",)
)


def bound(text: str, train: PublishedTemplate | None = TRAIN) -> list[tuple[str, str, str]]:
    manifests = {
        "a": "executable: {id: train}\nenvironments: [dev]\n" + textwrap.dedent(text),
        "b": "executable: {id: score}\nenvironments: [dev]\n"
        "configurations: [{name: c, inputs: {in: {flow: train, output: model}}}]\n",
    }
    facts = {"train": train, "score": PublishedTemplate("score", inputs=frozenset({"in"}))}
    items = in_environments(inventory(manifests).sources, TENANTS)
    found = lint_bindings((Made(item, facts[item.manifest.executable.id]) for item in items), LintOptions())
    return [(f.code, f.place, f.message) for f in found]


def test_bindings_are_compared_with_the_template() -> None:
    good = "artifacts: [{name: x, kind: dataset, url: ai://default/x}]\n"
    assert bound(f"{good}configurations: [{{name: c, parameters: {{alpha: 1}}, inputs: {{raw: x}}}}]") == []
    found = bound(f"{good}configurations: [{{name: c, parameters: {{Alpha: 1}}, inputs: {{raw: x}}}}]")
    assert found == [
        ("AC167", "configurations[c]", "parameter 'alpha' has no default and no value"),
        ("AC167", "configurations[c]", "unknown parameter 'Alpha'"),
    ]


def test_an_input_comes_from_an_output_that_exists() -> None:
    assert bound("", train=PublishedTemplate("train", outputs=("Model",))) == [
        ("AC168", "configurations[c].inputs.in", "train has no output model")
    ]
    missing = inventory(
        {"b": "environments: [dev]\nconfigurations: [{name: c, inputs: {in: {flow: trian, output: m}}}]\n"}
    )
    made = [Made(item, None) for item in in_environments(missing.sources, TENANTS)]
    (finding,) = lint_bindings(made, LintOptions())
    assert (finding.code, finding.severity) == ("AC168", "warning")


TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
metadata:
  labels:
    ai.sap.com/version: "1.0"
spec:
  templates:
    - name: first
      container: {image: "x"}
    - container:
        env:
          - {name: A, value: 1}
      name: second
"""


def test_places_become_lines_of_the_template() -> None:
    def line(place: str) -> tuple[int, str]:
        (finding,) = placed([Finding("AC103", "error", "x", place)], "wt.yaml", TEMPLATE)
        assert finding.file == "wt.yaml"
        return finding.line, finding.step

    assert line("metadata.labels.ai.sap.com/version") == (4, "")
    assert line("metadata.labels.scenarios.ai.sap.com/id") == (3, "")
    assert line("spec.templates[first].container.image") == (8, "first")
    assert line("spec.templates[second].container.env[A].value") == (11, "second")
    assert line("spec.templates[second].container.env[0]") == (11, "second")
    assert line("spec.templates[third].container") == (6, "third")
    assert line("") == (1, "")


def test_places_of_broken_text_have_no_line() -> None:
    assert placed([Finding("AC103", "error", "x", "spec")], "wt.yaml", "a: [")[0].line == 0


def test_steps_of_a_flow_are_found_at_their_methods() -> None:
    flow = "class F(FlowSpec):\n    @step\n    def fit_all(self): ...\n\n    def start(self): ...\n"
    steps = [
        Finding("AC121", "error", "x", f"spec.templates[{name}]") for name in ("fit-all", "start", "gone")
    ]
    assert [(f.line, f.step) for f in placed(steps, "f.py", flow)] == [
        (3, "fit-all"),
        (5, "start"),
        (0, "gone"),
    ]


def test_the_error_of_a_pass_names_file_line_code_and_cure() -> None:
    document = workflow()
    document["spec"]["templates"][0]["container"]["image"] = "python:3.11"
    failed = LintFailed(placed(lint(document), "wt.yaml", "spec:\n  templates: []\n"))
    assert failed.reason == "LintFailed"
    assert failed.message == (
        "wt.yaml:2: spec.templates[main].container.image: found AC126 ('python:3.11' does not name its "
        "registry), expected no error of this rule; write docker.io/<org>/<image>:<tag>"
    )


def test_an_official_image_holds_no_code() -> None:
    own = "embedded: true\nenvironments: [dev, prod]\nimage: docker.io/team/flow:1\n"
    assert source_findings({"a": own}) == []
    for image in ("", "image: docker.io/library/python:3.12-slim\n"):
        (finding,) = source_findings({"a": f"embedded: true\nenvironments: [dev, prod]\n{image}"})
        assert (finding.code, finding.severity, finding.place) == ("AC133", "error", "image")
    assert source_findings({"a": "environments: [dev]\n"}) == []


def test_a_scenario_with_serving_templates_alone_is_not_shown() -> None:
    served = "apiVersion: ai.sap.com/v1alpha1\nkind: ServingTemplate\nmetadata: {name: churn-serve}\n"
    manifest = "template: t.yaml\nscenario: {id: churn}\nenvironments: [dev]\n"
    files = {"s/t.yaml": served, "s/aicore.yaml": manifest}
    sources = take_inventory([Part(files)], files.__getitem__, Defaults(), TENANTS).sources
    (finding,) = lint_source(sources, TENANTS, LintOptions())
    assert (finding.code, finding.severity, finding.file) == ("AC171", "warning", "s/aicore.yaml")
    flow = inventory({"a": "scenario: {id: churn}\nenvironments: [prod]\n"}).sources
    assert lint_source((*sources, *flow), TENANTS, LintOptions()) == ()
