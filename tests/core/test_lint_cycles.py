"""AC170: flows that take each other's outputs in a ring."""

from __future__ import annotations

from collections.abc import Mapping

from aicore_sync.core.inventory import Part, take_inventory
from aicore_sync.core.lint import LintOptions, lint_source
from aicore_sync.core.manifest import Defaults

TENANTS = {"dev": "one", "prod": "one", "lab": "other"}


def messages(takes: Mapping[str, str]) -> list[str]:
    """Findings about flows; `takes` are configurations as YAML, by executable id."""
    files: dict[str, str] = {}
    for name, configurations in takes.items():
        title = name.title()
        flow = f"from metaflow import FlowSpec\nclass {title}(FlowSpec): ...\n"
        files[f"{name}/flow.py"] = flow + f"if __name__ == '__main__': {title}()\n"
        files[f"{name}/aicore.yaml"] = (
            f"flow: flow.py\nexecutable: {{id: {name}}}\nenvironments: [dev, prod]\n{configurations}\n"
        )
    found = take_inventory([Part(dict.fromkeys(files, ""))], files.__getitem__, Defaults(), TENANTS)
    assert [str(p) for p in found.problems()] == []
    return [f.message for f in lint_source(found.sources, TENANTS, LintOptions()) if f.code == "AC170"]


def takes(flow: str, more: str = "") -> str:
    return f"configurations: [{{name: c, inputs: {{in: {{flow: {flow}, output: o{more}}}}}}}]"


def test_a_chain_is_no_ring() -> None:
    assert messages({"prep": "", "train": takes("prep"), "score": takes("train")}) == []


def test_every_manifest_of_a_ring_is_told_and_others_are_not() -> None:
    ring = {"prep": takes("score"), "train": takes("prep"), "score": takes("train"), "after": takes("score")}
    found = messages(ring)
    assert len(found) == 6, "three flows in two environments"
    assert "flows wait for each other in dev: train ← prep ← score ← train" in found


def test_a_flow_that_takes_its_own_output_is_a_ring() -> None:
    assert "flows wait for each other in dev: train ← train" in messages({"train": takes("train")})


def test_one_output_by_its_id_breaks_a_ring() -> None:
    assert messages({"prep": takes("train", ", select: a-1"), "train": takes("prep")}) == []


def test_an_overlay_may_make_a_ring_in_one_environment_only() -> None:
    overlay = "overlays: {prod: {configurations: [{name: c, inputs: {in: {flow: train, output: o}}}]}}"
    found = messages({"prep": f"configurations: [{{name: c}}]\n{overlay}", "train": takes("prep")})
    assert {m.split(":")[0] for m in found} == {"flows wait for each other in prod"}


def test_isolated_flows_are_known_by_both_names() -> None:
    isolated = {"prep": f"isolate: true\n{takes('train')}", "train": takes("prep-dev")}
    assert {m.split(":")[0] for m in messages(isolated)} == {"flows wait for each other in dev"}
