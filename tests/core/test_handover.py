"""What a check hands over is read back as it was, and nothing else is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.handover import decode, encode, inventory_of
from aicore_sync.core.inventory import FlowSource, Part, take_inventory
from aicore_sync.core.manifest import Defaults
from aicore_sync.core.rights import Rights

EXAMPLES = Path(__file__).parents[2] / "examples/flows"
TENANTS = {"dev": "t", "prod": "t2"}
RIGHTS = {"flows": Rights("flows")}
RICH = """
template: t.yaml
environments: [dev, prod]
scenario: {id: tests, name: Tests}
executable: {id: rich-one}
timeout: 2h
isolate: false
artifacts: [{name: cases, kind: dataset, url: "ai://default/cases"}]
configurations:
  - name: nightly
    parameters: {alpha: "0.1"}
    inputs: {cases: cases, model: {flow: other-flow, output: model}}
    run: onChange
    onFailure: {retry: {times: 2, backoff: 10m}}
    retention: {keep: 3}
    schedule: {cron: "@daily", start: 2030-01-01T00:00:00Z}
overlays:
  prod: {configurations: [{name: nightly, schedule: {suspend: true}}]}
"""
TEMPLATE = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: rich-one}\nspec: {}\n"


def everything() -> tuple[FlowSource, ...]:
    files = {str(p.relative_to(EXAMPLES)): p.read_text() for p in EXAMPLES.rglob("*") if p.is_file()}
    files |= {"rich/aicore.yaml": RICH, "rich/t.yaml": TEMPLATE}
    part = Part(sorted(files), RIGHTS["flows"])
    found = take_inventory([part], files.__getitem__, Defaults(environments=("dev",)), TENANTS)
    assert not found.broken
    assert not found.problems()
    return found.sources


def test_flows_come_back_as_they_were() -> None:
    sources = everything()
    assert len(sources) >= 5
    again = inventory_of(decode(encode((s, None) for s in sources)), RIGHTS)
    for before, after in zip(sources, again.sources, strict=True):
        assert after.manifest == before.manifest
        assert after.manifest.model_fields_set == before.manifest.model_fields_set
        assert (after.file, after.directory, after.manifest_file, after.origin) == (
            before.file,
            before.directory,
            before.manifest_file,
            before.origin,
        )
        assert type(after.found) is type(before.found)


def test_the_same_flows_are_the_same_bytes() -> None:
    sources = everything()
    assert encode((s, None) for s in sources) == encode((s, None) for s in reversed(sources))


def test_a_source_gets_no_more_than_its_rights() -> None:
    sources = everything()
    narrow = {"flows": Rights("flows", frozenset({"dev"}))}
    again = inventory_of(decode(encode((s, None) for s in sources)), narrow)
    (rich,) = (s for s in again.sources if s.manifest.executable.id == "rich-one")
    assert (rich.manifest.environments, rich.denied) == (("dev",), ("prod",))


def spoiled(**change: Any) -> bytes:
    data = json.loads(encode((s, None) for s in everything()))
    data["flows"][0] |= change
    return json.dumps(data).encode()


def doubled() -> bytes:
    data = json.loads(encode((s, None) for s in everything()))
    data["flows"].append(data["flows"][0])
    return json.dumps(data).encode()


REFUSED = {
    "no JSON": (b"{", "EOF"),
    "another format": (b'{"format": 2, "flows": []}', "format"),
    "a key too many": (spoiled(command="rm"), "command"),
    "a kind that nobody has": (spoiled(kind="Secret"), "kind"),
    "a source that nobody named": (spoiled(source="theirs"), "theirs"),
    "a manifest with a key too many": (spoiled(manifest={"schedul": 1}), "schedul"),
    "a manifest that is none": (spoiled(manifest=[1]), "manifest"),
    "one flow twice": (doubled(), "two flows called"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_check_writes_is_refused(case: str) -> None:
    data, word = REFUSED[case]
    with pytest.raises(InvalidInput, match=word) as refused:
        inventory_of(decode(data), RIGHTS)
    assert "flows.json" in str(refused.value)
    assert "render --out" in str(refused.value)
