"""Declared secrets and groups: mistakes are told by key, values are only references, and the pages' examples hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from aicore_sync.config import parse_settings, secret_references
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.manifest import parse_manifest

DOCS = Path(__file__).parents[2] / "docs"
FILE = Path("/etc/aicore-sync/config.yaml")
BASE = """\
owner: ml-team
sources: [{name: flows, directory: flows}]
repositories: [{name: templates, url: https://git.example.com/ml/templates.git}]
"""


KEYS = {"AWS_ACCESS_KEY_ID": {"env": "A"}, "AWS_SECRET_ACCESS_KEY": {"env": "B"}}


def example(page: str) -> str:
    (text, *_) = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return str(text)


def test_the_example_on_the_page_loads_and_holds_only_references() -> None:
    settings = parse_settings(BASE + example("resources.md"), FILE, {})
    keys = [key for key, _ in secret_references(settings)]
    assert "tenants[0].registrySecrets[0].credentials.password" in keys
    assert "environments[0].objectStores[0].data.AWS_SECRET_ACCESS_KEY" in keys
    assert settings.environments[0].create_group


@pytest.mark.parametrize("page", ["deployments.md", "adopt.md"])
def test_the_manifests_on_the_pages_are_accepted(page: str) -> None:
    parse_manifest(example(page), "aicore.yaml")


@pytest.mark.parametrize(
    ("place", "key", "value", "told"),
    [
        (
            "tenants",
            "registrySecrets",
            [{"name": "Bad_", "dockerConfig": {"env": "A"}}],
            "registrySecrets[0].name",
        ),
        (
            "tenants",
            "registrySecrets",
            [{"name": "ok", "server": "ghcr.io"}],
            "either `server` and `credentials`",
        ),
        ("tenants", "secrets", [{"name": "a", "data": {"A": "plain"}}], "refer to a variable or a file"),
        ("tenants", "secrets", [{"name": "a", "data": {}}], "secrets[0].data"),
        ("environments", "secrets", [{"name": "a", "data": {"A": {"env": "A"}}}] * 2, "a second time"),
        ("environments", "objectStores", [{"data": {"KEY": {"env": "A"}}}], "AWS_ACCESS_KEY_ID"),
        (
            "environments",
            "objectStores",
            [{"endpoint": "https://s3", "data": KEYS}],
            "without a scheme",
        ),
        ("environments", "groupLabels", {"ext.ai.sap.com/x": "y"}, "groupLabels"),
    ],
)
def test_a_mistake_is_told_once_and_by_its_key(place: str, key: str, value: object, told: str) -> None:
    document = yaml.safe_load(BASE + example("resources.md"))
    document[place][0][key] = value
    with pytest.raises(InvalidInput) as refused:
        parse_settings(yaml.safe_dump(document), FILE, {})
    assert len(refused.value.problems) == 1
    assert told in str(refused.value)
    assert place in refused.value.problems[0].key


def test_what_serves_does_not_run() -> None:
    text = example("deployments.md") + "    schedule: {cron: '@daily'}\n"
    with pytest.raises(InvalidInput, match="`deployment` without `schedule`"):
        parse_manifest(text, "aicore.yaml")
