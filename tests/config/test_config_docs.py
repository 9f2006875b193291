"""The example, the schemas and the key tables are made from the models and committed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from aicore_sync.config import Settings, example_yaml, key_table, load_settings, parse_settings, schema
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.fields import Strict, duration_text, parse_duration, parse_size, size_text
from aicore_sync.core.manifest import Manifest, parse_manifest

ROOT = Path(__file__).parents[2]
Kind = Literal["config", "manifest"]
KINDS: tuple[Kind, ...] = ("config", "manifest")


def test_the_committed_example_is_current_and_loads() -> None:
    assert (ROOT / "config.example.yaml").read_text() == example_yaml(), (
        "write it with `aicore-sync config example`"
    )
    assert load_settings(ROOT / "config.example.yaml", {}).owner == "ml-team"


def uncommented() -> str:
    return re.sub(r"(?m)^(\s*)#(?! |$)", r"\1", example_yaml())


def test_every_key_of_the_example_is_valid_when_uncommented() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_settings(uncommented(), Path("config.yaml"), {})
    exclusive = [
        "sources[0]",
        "sources[0].git.tag",
        "sources[0].git.sshKey",
        "repositories[0].sshKey",
        "repositories[0].publish.mode",
        "defaults.instanceType",
    ]  # alternatives of keys that are there too
    assert [problem.key for problem in caught.value.problems] == exclusive


def test_defaults_in_the_example_are_the_defaults() -> None:
    bare = load_settings(ROOT / "config.example.yaml", {})
    for name in ("reconcile", "http", "log"):
        text = uncommented().partition(f"\n{name}:\n")[2].partition("\n\n")[0]
        shown = yaml.safe_load(text)
        made = getattr(bare, name)
        plain = {key: value for key, value in shown.items() if key not in ("publicUrl", "login", "webhooks")}
        assert type(made).model_validate(plain) == made


@pytest.mark.parametrize("kind", KINDS)
def test_committed_schemas_are_current_and_valid(kind: Kind) -> None:
    made = schema(kind)
    jsonschema.Draft202012Validator.check_schema(made)
    committed = json.loads((ROOT / "docs/schemas" / f"{kind}.json").read_text())
    assert committed == made, f"write it with `aicore-sync schema {kind}`"


def test_schema_and_loader_agree() -> None:
    validator = jsonschema.Draft202012Validator(schema("config"))
    assert not list(validator.iter_errors(yaml.safe_load(example_yaml())))
    assert not list(validator.iter_errors(yaml.safe_load(uncommented())))
    assert list(validator.iter_errors({**yaml.safe_load(example_yaml()), "ownr": "x"}))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("{}", True),
        ("flow: train.py:TrainFlow\nversion: '1.10'\nresourcePlan: {train: basic}", True),
        ("configurations: [{name: a, parameters: {x: 1.5, y: true}, inputs: {i: a, j: {flow: abcd, output: m}}}]\n"
         "artifacts: [{name: a, kind: model, url: 'ai://a/b'}]", True),
        ("overlays: {prod: {image: null, configurations: [{name: a, schedule: null, parameters: {x: null}}]}}", True),
        ("overlays: {prod: {artifacts: [{name: a, kind: dataset, url: 'ai://a/b'}], isolate: true}}", True),
        ("overlays: {prod: {outputs: {m: {kind: model, labels: null}}}}", True),
        ("version: 1.10", False),
        ("imge: x", False),
        ("overlays: {prod: {imge: x}}", False),
        ("overlays: {prod: {flow: x.py}}", False),
        ("configurations: [{run: manual}]", False),
        ("configurations: [{name: A}]", False),
        ("embedded: 'x'", False),
        ("timeout: often", False),
    ],
)  # fmt: skip
def test_manifest_schema_and_parser_agree(text: str, valid: bool) -> None:
    errors = list(jsonschema.Draft202012Validator(schema("manifest")).iter_errors(yaml.safe_load(text)))
    assert (not errors) is valid
    if valid:
        parse_manifest(text, "aicore.yaml")
    else:
        with pytest.raises(InvalidInput):
            parse_manifest(text, "aicore.yaml")


@pytest.mark.parametrize(("page", "model"), [("configuration", Settings), ("manifest", Manifest)])
def test_key_tables_in_the_documentation_are_current(page: str, model: type[BaseModel]) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert text.partition("<!-- keys -->\n")[2].partition("<!-- /keys -->")[0] == key_table(model)


@pytest.mark.parametrize("page", ["configuration", "manifest"])
def test_yaml_in_the_documentation_is_accepted(page: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        if page == "manifest":
            parse_manifest(block, "aicore.yaml")
        else:
            parse_settings(block, Path("config.yaml"), {})


@pytest.mark.parametrize("page", ["sources", "publishing"])
def test_parts_of_a_configuration_on_other_pages_are_accepted(page: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        whole = yaml.safe_load(example_yaml()) | yaml.safe_load(block)
        parse_settings(yaml.safe_dump(whole), Path("config.yaml"), {})


def test_every_key_is_documented() -> None:
    pending: list[type[BaseModel]] = [*Strict.__subclasses__()]
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        assert [name for name, field in model.model_fields.items() if not field.description] == [], model


@pytest.mark.parametrize("seconds", [0, 0.3, 1, 90, 5400, 86400, 90061.5])
def test_durations_read_what_they_write(seconds: float) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize("count", [1000, 1024, 2**20, 3 * 2**30])
def test_sizes_read_what_they_write(count: int) -> None:
    assert parse_size(size_text(count)) == count
