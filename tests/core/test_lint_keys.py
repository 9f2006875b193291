"""Embedded keys: what must be found, and what must not."""

from __future__ import annotations

import pytest
from template_documents import workflow

from aicore_sync.core.lint import Finding, lint

# Put together here, so that no scanner takes this file for a leak.
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
KEYS = [
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + LETTERS,
    "glpat-" + LETTERS[:20],
    "xoxb-" + "123456789012-abcdefghij",
    "AIza" + LETTERS[:35],
    "sk-proj-" + LETTERS,
    "hf_" + LETTERS[:34],
    "DefaultEndpointsProtocol=https;AccountKey=" + LETTERS * 2 + "==",
    ".".join(["eyJ" + LETTERS, "eyJ" + LETTERS, LETTERS]),
    '{"clientsecret": "' + LETTERS + '"}',
    "git clone https://ann:" + "s3cr3t@git.example.com/x.git",
]
SECRETS = [
    "--password=hunter2Zq9Lk3",
    "--db-password hunter2Zq9Lk3",
    "export DB_PASSWORD='hunter2Zq9Lk3'",
    '{"api_key": "hunter2Zq9Lk3"}',
]
HARMLESS = [
    "--password=$DB_PASSWORD",
    "--token-file=/mnt/secrets/hunter2Zq9Lk3",
    "--max-tokens=1024",
    "--token-ttl 3600seconds99",
    "the password hunter2Zq9Lk3",
    "token=$(cat /mnt/secrets/token)",
    "docker.io/org/churn@sha256:" + "0123456789abcdef" * 4,
    "s3://bucket/metaflow/TrainFlow/data/3f/3fa2" + LETTERS,
    "https://git.example.com:8443/x.git",
    "https://{{workflow.parameters.user}}:{{workflow.parameters.word}}@host/x",
    "https://$USER:$PASSWORD@host/x",
    "the token is read from /mnt/secrets/token",
    "sk-learn is not a key",
    "H4sIAAAAAAAA" + LETTERS * 5,
]


def in_args(text: str) -> list[Finding]:
    document = workflow()
    document["spec"]["templates"][0]["container"]["args"] = [text]
    return [finding for finding in lint(document) if finding.code == "AC109"]


@pytest.mark.parametrize("text", KEYS)
def test_keys_are_found_and_never_repeated(text: str) -> None:
    (finding,) = in_args(f"run --with '{text}' now")
    assert finding.place == "spec.templates[main].container.args[0]"
    assert text[-12:] not in str(finding)


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_inside_a_command_are_found(text: str) -> None:
    (finding,) = in_args(f"run {text} now")
    assert "hunter2" not in str(finding)


def test_a_secret_behind_its_option_is_found() -> None:
    document = workflow()
    document["spec"]["templates"][0]["container"]["args"] = ["--user", "ann", "--password", "hunter2Zq9Lk3"]
    assert [f.place for f in lint(document) if f.code == "AC109"] == [
        "spec.templates[main].container.args[3]"
    ]


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_is_no_key(text: str) -> None:
    assert in_args(f"run --with '{text}' now") == []


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("DB_PASSWORD", "kJ8s92ksdLq0xxZ1", 1),
        ("apiKey", "9f8e7d6c5b4a39281706", 1),
        ("DB_PASSWORD", "kJ8stest93Lq2x", 1),
        ("DB_PASSWORD", "test-password-1", 0),
        ("DB_PASSWORD", "{{workflow.parameters.alpha}}", 0),
        ("PASSWORD_FILE", "kJ8s92ksdLq0xxZ1", 0),
        ("SECRET_NAME", "default-object-store-secret-1", 0),
        ("TOKEN_URL", "https://host/oauth/token", 0),
        ("PASSWORD", "changeme12345", 0),
        ("MAX_TOKENS", "1024", 0),
        ("MODEL", "kJ8s92ksdLq0xxZ1", 0),
    ],
)
def test_values_of_variables_are_judged_with_their_names(name: str, value: str, count: int) -> None:
    document = workflow()
    document["spec"]["templates"][0]["container"]["env"] = [{"name": name, "value": value}]
    found = [finding for finding in lint(document) if finding.code == "AC109"]
    assert [f.place for f in found] == [f"spec.templates[main].container.env[{name}].value"] * count


def test_the_default_of_a_parameter_counts_too() -> None:
    document = workflow()
    document["spec"]["arguments"]["parameters"].append({"name": "token", "default": "kJ8s92ksdLq0xxZ1"})
    found = [finding.place for finding in lint(document) if finding.code == "AC109"]
    assert found == ["spec.arguments.parameters[token].default"]
