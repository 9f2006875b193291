"""Files paired with manifests: one bad file never hides the others, and identity survives mistakes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aicore_sync.core.discover import find_flows
from aicore_sync.core.inventory import Inventory, Part, is_manifest, take_inventory
from aicore_sync.core.manifest import Defaults, parse_manifest

TENANTS = {"dev": "t1", "qa": "t1", "prod": "t2"}
TEMPLATE = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: hand-made}\n"


def flow(*names: str) -> str:
    classes = "".join(f"class {name}(FlowSpec): pass\n" for name in names)
    return f"from metaflow import FlowSpec\n{classes}if __name__ == '__main__':\n    {names[-1]}()\n"


def take(files: Mapping[str, str], defaults: Defaults | None = None) -> Inventory:
    return take_inventory(
        [Part(files)], files.__getitem__, defaults or Defaults(environments=("dev",)), TENANTS
    )


def named(inventory: Inventory) -> list[tuple[str, str, str]]:
    return [(s.manifest.executable.id, s.file, s.manifest_file) for s in inventory.sources]


def test_pairs() -> None:
    found = take(
        {
            "bare/alone.py": flow("AloneFlow"),
            "one/aicore.yaml": "version: '2'\n",
            "one/train.py": flow("TrainFlow"),
            "one/shared.py": "x = 1\n",
            "two/first.aicore.yaml": "",
            "two/first.py": flow("FirstFlow"),
            "two/second.py": flow("SecondFlow"),
            "hand/aicore.yaml": "template: t.yaml\n",
            "hand/t.yaml": TEMPLATE,
            "base/lib.py": "from metaflow import FlowSpec\nclass Library(FlowSpec): pass\n",
        }
    )
    assert found.broken == ()
    assert found.problems() == ()
    assert named(found) == [
        ("aloneflow", "bare/alone.py", ""),
        ("hand-made", "hand/t.yaml", "hand/aicore.yaml"),
        ("trainflow", "one/train.py", "one/aicore.yaml"),
        ("firstflow", "two/first.py", "two/first.aicore.yaml"),
        ("secondflow", "two/second.py", ""),
    ]
    assert (found.sources[2].directory, found.sources[2].script) == ("one", "train.py")


def test_a_broken_flow_keeps_its_manifest() -> None:
    files = {
        "a/aicore.yaml": "flow: train.py\nconfigurations: [{name: x, schedule: {cron: '@daily', suspend: true}}]\n",
        "a/train.py": flow("TrainFlow") + "def (:\n",
        "b/other.py": flow("OtherFlow"),
    }
    first, second = take(files).sources
    assert (first.manifest.executable.id, first.problems[0].file) == ("trainflow", "a/train.py")
    assert first.problems[0].line == 5
    schedule = first.manifest.configurations[0].schedule
    assert schedule is not None
    assert schedule.suspend is True
    assert second.problems == ()


@pytest.mark.parametrize(
    ("manifest", "executable"),
    [
        ("versoin: 1\nexecutable: {id: my-train}\n", "my-train"),
        ("versoin: 1\n", "trainflow"),
        ("a: [\n", "trainflow"),
    ],
)
def test_a_broken_manifest_keeps_its_identity_and_is_not_replaced_by_defaults(
    manifest: str, executable: str
) -> None:
    found = take({"a/aicore.yaml": manifest, "a/train.py": flow("TrainFlow"), "b/x.py": flow("OtherFlow")})
    assert [(b.file, b.executable) for b in found.broken] == [("a/aicore.yaml", executable)]
    assert [s.manifest.executable.id for s in found.sources] == ["otherflow"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a/aicore.yaml": "flow: trian.py", "a/train.py": flow("TrainFlow")}, "did you mean `train.py`?"),
        ({"a/aicore.yaml": ""}, "no flow in this directory"),
        ({"a/aicore.yaml": "", "a/x.py": flow("XFlow"), "a/y.py": flow("YFlow")}, "x.py, y.py"),
        ({"a/aicore.yaml": "flow: x.py:Nope", "a/x.py": flow("XFlow")}, "the class Nope in it"),
        ({"a/aicore.yaml": "template: t.yaml", "a/t.yaml": "kind: Secret"}, "a WorkflowTemplate"),
        ({"a/x.py": flow("Abc")}, "executable.id"),
    ],
)
def test_what_cannot_be_identified(files: Mapping[str, str], words: str) -> None:
    found = take(files)
    assert len(found.broken) == 1
    assert words in str(found.problems()[0])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("flow: x.py\nenvironments: [dev, prd]\n", 2, "did you mean `prod`?"),
        ("flow: x.py\noverlays:\n  stage: {}\n", 3, "an environment of the configuration"),
        ("flow: x.py\nenvironments: [dev, qa]\noverlays:\n  qa: {embedded: true}\n", 4, "isolate: true"),
    ],
)
def test_targets_are_checked_with_lines(text: str, line: int, words: str) -> None:
    (source,) = take({"aicore.yaml": text, "x.py": flow("XFlow")}, Defaults()).sources
    assert [p.line for p in source.problems] == [line]
    assert words in str(source.problems[0])


def test_a_manifest_for_a_flow_without_main_block_says_so() -> None:
    text = "from metaflow import FlowSpec\nclass XFlow(FlowSpec): pass\n"
    (source,) = take({"aicore.yaml": "", "x.py": text}).sources
    assert "never started" in source.problems[0].found
    assert "XFlow()" in source.problems[0].cure


def test_one_id_in_one_tenant_belongs_to_one_source() -> None:
    copies = {"a/x.py": flow("SameFlow"), "b/x.py": flow("SameFlow")}
    for source in take(copies).sources:
        assert "unique in tenant t1" in source.problems[0].expected
    assert take(copies, Defaults()).problems() == (), "nobody publishes them"
    apart = {**copies, "a/aicore.yaml": "environments: [dev]", "b/aicore.yaml": "environments: [prod]"}
    assert take(apart).problems() == (), "two tenants"


def test_names_of_manifests() -> None:
    assert [
        is_manifest(path) for path in ("aicore.yaml", "a/b.aicore.yaml", "a/.aicore.yaml", "xaicore.yaml")
    ] == [
        True,
        True,
        False,
        False,
    ]


def test_an_edit_of_one_flow_reads_no_other_anew() -> None:
    files = {f"f{n}/x.py": flow(f"F{n}Edited") for n in range(20)} | {
        f"f{n}/aicore.yaml": f"version: '{n}'" for n in range(20)
    }
    first = take(files)
    before = find_flows.cache_info().misses, parse_manifest.cache_info().misses
    second = take(files | {"f3/x.py": flow("F3EditedAgain"), "f4/aicore.yaml": "version: '44'"})
    assert find_flows.cache_info().misses - before[0] == 1
    assert parse_manifest.cache_info().misses - before[1] == 1
    changed = [s.file for s, old in zip(second.sources, first.sources, strict=True) if s != old]
    assert changed == ["f3/x.py", "f4/x.py"]
