"""What the flows of one source may do: its own environments, its own names, nothing of its neighbours'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from aicore_sync.core.catalog import Catalog, catalog
from aicore_sync.core.inventory import FlowSource, Inventory, Part, take_inventory
from aicore_sync.core.manifest import Defaults
from aicore_sync.core.model import FlowKey, TemplateKey
from aicore_sync.core.rights import Rights

TENANTS = {"a-dev": "one", "b-dev": "one", "prod": "two"}
A = Rights("a", frozenset({"a-dev", "prod"}))
B = Rights("b", frozenset({"b-dev"}))


def flow(name: str) -> str:
    return f"""\
from metaflow import FlowSpec, step

class {name}(FlowSpec):
    @step
    def start(self):
        pass

if __name__ == "__main__":
    {name}()
"""


def taken(
    *parts: tuple[Rights, Mapping[str, str]], default: tuple[str, ...] = ()
) -> tuple[Inventory, Catalog]:
    files = {path: text for _, texts in parts for path, text in texts.items()}
    sources = [Part(tuple(texts), rights) for rights, texts in parts]
    inventory = take_inventory(sources, files.__getitem__, Defaults(environments=default), TENANTS)
    return inventory, catalog(inventory, TENANTS, complete_scan=True)


def told(source: FlowSource) -> str:
    return "\n".join(map(str, source.problems))


def test_a_source_has_keys_in_its_environments_only() -> None:
    files = {"b/x/flow.py": flow("TrainFlow"), "b/x/aicore.yaml": "environments: [b-dev, prod]"}
    inventory, found = taken((B, files))
    (source,) = inventory.sources
    assert set(found.flows) == {FlowKey("trainflow", "b-dev")}
    assert set(found.targets) == {TemplateKey("one", "trainflow")}
    assert source.denied == ("prod",)
    assert "b/x/aicore.yaml:1: environments[1]" in told(source)
    assert "an environment that source b may use (`environments` there): b-dev" in told(source)


def test_what_a_denied_flow_had_before_is_not_gone() -> None:
    files = {"b/x/flow.py": flow("TrainFlow"), "b/x/aicore.yaml": "environments: [prod]\nisolate: true"}
    _, found = taken((B, files))
    assert set(found.flows) == {FlowKey("trainflow", "")}
    assert {"trainflow", "trainflow-prod"} <= set(found.denied)


def test_a_source_without_environments_has_none() -> None:
    nothing = Rights("c", frozenset())
    files = {"c/x/flow.py": flow("TrainFlow"), "c/x/aicore.yaml": "environments: [b-dev]"}
    inventory, found = taken((nothing, files))
    assert not found.targets
    assert "may use (`environments` there): none" in told(inventory.sources[0])


def test_default_environments_are_those_that_the_source_may_use() -> None:
    files = {"b/x/flow.py": flow("TrainFlow")}
    inventory, found = taken((B, files), default=("a-dev", "b-dev", "prod"))
    assert set(found.flows) == {FlowKey("trainflow", "b-dev")}
    assert not inventory.sources[0].problems


def test_one_executable_id_of_a_tenant_in_two_sources_names_both_files() -> None:
    one = {"a/x/flow.py": flow("TrainFlow"), "a/x/aicore.yaml": "environments: [a-dev]"}
    other = {"b/y/flow.py": flow("TrainFlow"), "b/y/aicore.yaml": "environments: [b-dev]"}
    inventory, _ = taken((A, one), (B, other))
    first, second = inventory.sources
    assert [p.code for p in (*first.problems, *second.problems)] == ["AC161", "AC161"]
    for source, other_file in ((first, "b/y/flow.py"), (second, "a/x/flow.py")):
        assert source.manifest_file in told(source)
        assert other_file in told(source)


def test_a_name_of_others_is_refused_where_it_is_claimed_and_hurts_nobody_else() -> None:
    scoped = Rights("b", frozenset({"b-dev"}), ("team-b-*",))
    one = {"a/x/flow.py": flow("TrainFlow"), "a/x/aicore.yaml": "environments: [a-dev]"}
    other = {"b/y/flow.py": flow("TrainFlow"), "b/y/aicore.yaml": "environments: [b-dev]"}
    inventory, found = taken((A, one), (scoped, other))
    theirs, claimed = inventory.sources
    assert not theirs.problems
    assert "a name that source b may declare (`flows` there): team-b-*" in told(claimed)
    assert found.targets[TemplateKey("one", "trainflow")].source is theirs
    assert FlowKey("trainflow", "b-dev") not in found.flows


def test_an_overlay_cannot_borrow_a_name_either() -> None:
    scoped = Rights("b", frozenset({"b-dev"}), ("team-b-*",))
    text = "executable: {id: team-b-train}\nenvironments: [b-dev]\noverlays: {b-dev: {executable: {id: trainflow}}}"
    inventory, found = taken((scoped, {"b/y/flow.py": flow("TrainFlow"), "b/y/aicore.yaml": text}))
    assert not found.targets
    assert '"trainflow"' in told(inventory.sources[0])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("environments: [prod]\nrenderEnvironment: mll\n", ":2: renderEnvironment"),
        (
            "environments: [prod]\noverlays:\n  prod:\n    renderEnvironment: mll\n",
            ":4: overlays.prod.renderEnvironment",
        ),
    ],
)
def test_a_flow_names_a_rendering_environment_of_the_configuration(text: str, place: str) -> None:
    files = {"a/x/flow.py": flow("TrainFlow"), "a/x/aicore.yaml": text}
    files |= {"a/y/flow.py": flow("OtherFlow"), "a/y/aicore.yaml": "renderEnvironment: ml"}
    inventory, _ = taken((replace(A, rendering=frozenset({"ml", "offline"})), files))
    (train, other) = inventory.sources
    assert not other.problems
    assert told(train) == (
        f'a/x/aicore.yaml{place}: found "mll", expected one of render.environments in the configuration: '
        "ml, offline; did you mean `ml`?"
    )
    inventory, _ = taken((A, files))
    assert not any(source.problems for source in inventory.sources), "without a configuration nobody knows"
