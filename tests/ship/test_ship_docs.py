"""What the pages on Kubernetes and on pipelines show can be used as it stands."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import jsonschema
import yaml
from ship_objects import CHART, DEPLOY, ROOT, load, merged

from aicore_sync.config import parse_settings

KUBERNETES = (ROOT / "docs/kubernetes.md").read_text()
PUSH = (ROOT / "docs/push-to-main.md").read_text()


def blocks(page: str) -> list[str]:
    return [textwrap.dedent(text) for text in re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```", page)]


def test_the_values_on_the_page_are_valid() -> None:
    (text,) = (block for block in blocks(KUBERNETES) if block.startswith("# values.yaml"))
    values = merged(load(CHART / "values.yaml"), yaml.safe_load(text))
    jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text()))
    config = merged(values["config"], {"sources": [{"name": "flows", "directory": "/source"}]})
    parse_settings(yaml.safe_dump(config), Path("config.yaml"), {})


def test_the_configuration_on_the_page_about_pipelines_is_valid() -> None:
    (text,) = (block for block in blocks(PUSH) if "owner:" in block)
    settings = parse_settings(text, ROOT / "aicore-sync.yaml", {})
    shown = {name: str(e.python) for name, e in settings.render.environments.items()}
    assert shown == load(CHART / "values.yaml")["render"]


def test_every_alert_is_on_the_page() -> None:
    rules = load(CHART / "rules/aicore-sync.yaml")["groups"][0]["rules"]
    rows = dict(re.findall(r"^\| (.*`AicoreSync.*) \| (\w+) \|", KUBERNETES, re.MULTILINE))
    shown = {name: severity for cell, severity in rows.items() for name in re.findall(r"`(\w+)`", cell)}
    assert shown == {rule["alert"]: rule["labels"]["severity"] for rule in rules}


def test_files_and_directories_that_the_pages_name_exist() -> None:
    named = re.findall(r"`((?:deploy|charts)/[\w./-]+)`", KUBERNETES + PUSH)
    assert len(named) > 6
    assert [name for name in named if not (ROOT / name).exists()] == []
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", KUBERNETES + PUSH)
    assert [link for link in links if not (DEPLOY.parent / "docs" / link).exists()] == []
