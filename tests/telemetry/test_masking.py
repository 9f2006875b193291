from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from aicore_sync.telemetry import MASK, Masker

SECRET = "s3cr3t/Välue+&=\"quoted'"


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        repr(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_registered_secret_vanishes_in_every_spelling(spelling: str) -> None:
    text = Masker([SECRET])(f"before {spelling} after")
    assert text.replace('"', "").replace("'", "") == f"before {MASK} after"


def test_a_longer_secret_is_not_left_over_when_a_shorter_one_is_its_beginning() -> None:
    assert Masker(["abcdefgh", "abcdefgh-and-more"])("abcdefgh-and-more") == MASK


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    assert Masker(["demo"])("password demo of aicore-sync-demo, demonstrated") == (
        f"password {MASK} of aicore-sync-demo, demonstrated"
    )


def test_a_secret_of_a_letter_leaves_the_text_readable() -> None:
    text = "a flow of a team: a-b"
    assert Masker(["a", "of ", '{"clientsecret": "a"}'])(text) == text


def test_the_secrets_inside_a_service_key_are_known_too_but_not_its_urls() -> None:
    key = {
        "clientid": "sb-client!b1",
        "clientsecret": "deep-secret-1",
        "url": "https://auth.example",
        "credentials": {
            "key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----\n"
        },
        "serviceurls": {"AI_API_URL": "https://api.example"},
    }
    masked = Masker([json.dumps(key)])(
        "deep-secret-1 MIIEvQIBADANBgkqhkiG https://auth.example https://api.example"
    )
    assert masked == f"{MASK} {MASK} https://auth.example https://api.example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer eyJhbGciOi.x.y", f"Authorization: {MASK}"),
        ("{'Authorization': 'Basic dXNlcjpwdw=='}", f"{{'Authorization': '{MASK}'}}"),
        ("sent bearer AbCdEf123456", f"sent bearer {MASK}"),
        ("http.extraHeader=Authorization: Basic dXNlcjpwdw==", f"http.extraHeader=Authorization: {MASK}"),
        ("fetch https://user:p@ss@git.example/x.git", f"fetch https://{MASK}@git.example/x.git"),
        ("fetch https://ghp_token@git.example/x.git", f"fetch https://{MASK}@git.example/x.git"),
        ("ssh://bot:pw@git.example/x", f"ssh://bot:{MASK}@git.example/x"),
        (
            "client_secret=abc&grant_type=client_credentials",
            f"client_secret={MASK}&grant_type=client_credentials",
        ),
        (
            '{"access_token": "opaque", "expires_in": 3600}',
            f'{{"access_token": "{MASK}", "expires_in": 3600}}',
        ),
        ("AWS_SECRET_ACCESS_KEY=wJalr", f"AWS_SECRET_ACCESS_KEY={MASK}"),
        ("got ghp_0123456789abcdefghijABCD", f"got {MASK}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n", MASK),
    ],
)
def test_what_looks_like_a_secret_is_masked_without_being_known(text: str, expected: str) -> None:
    assert Masker()(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication failed for https://git.example/x.git",
        "ssh://git@github.com/org/repo.git",
        "config.yaml:7: repositories[0].credentials.password: found 3, expected {env: NAME} or {file: PATH}",
        "password: {env: GIT_PASSWORD}",
        "mail ops@example.com about https://api.example/v2",
        "the token expired; a bearer certificate is unknown",
        "https://git.example/a and me@example.com",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert Masker()(text) == text


def test_values_under_secret_names_and_inside_containers_are_masked() -> None:
    class Odd:
        def __str__(self) -> str:
            return "holds hidden-value"

    event = {
        "password": "x",
        "count": 3,
        "items": [("hidden-value",), b"hidden-value"],
        "odd": Odd(),
        "flow_key": "train/dev",
    }
    assert Masker(["hidden-value"]).value(event) == {
        "password": MASK,
        "count": 3,
        "items": [[MASK], MASK],
        "odd": f"holds {MASK}",
        "flow_key": "train/dev",
    }
