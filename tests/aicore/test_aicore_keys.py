from __future__ import annotations

import json
from typing import Any

import pytest

from aicore_sync.aicore.keys import from_environment, parse_service_key
from aicore_sync.core.errors import InvalidInput

SECRET = {
    "clientid": "sb-1",
    "clientsecret": "very-secret",
    "url": "https://zone.authentication.eu10.hana.ondemand.com",
    "identityzone": "zone",
    "identityzoneid": "1234",
    "serviceurls": {"AI_API_URL": "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com"},
}
X509 = {key: value for key, value in SECRET.items() if key not in ("clientsecret", "url")} | {
    "certurl": "https://zone.authentication.cert.eu10.hana.ondemand.com/",
    "certificate": "-----BEGIN CERTIFICATE-----\\nAAA\\n-----END CERTIFICATE-----\\n",
    "key": "-----BEGIN RSA PRIVATE KEY-----\\nBBB\\n-----END RSA PRIVATE KEY-----\\n",
}
FLAT = {
    "AICORE_CLIENT_ID": "sb-2",
    "AICORE_CLIENT_SECRET": "other-secret",
    "AICORE_AUTH_URL": "https://other.test/oauth/token",
    "AICORE_BASE_URL": "https://api.test/v2/",
}


def no_files(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


def test_client_secret_key_is_normalised_and_masked() -> None:
    key = parse_service_key(json.dumps(SECRET), "key.json")
    assert key.api_url == "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com/v2"
    assert key.token_url == "https://zone.authentication.eu10.hana.ondemand.com/oauth/token"
    assert (key.zone, key.tenant_id, key.source) == ("zone", "1234", "key.json")
    assert "very-secret" not in repr(key)


def test_x509_key_goes_to_certurl_and_gets_real_line_ends() -> None:
    key = parse_service_key(json.dumps({"credentials": X509}), "key.json")
    assert key.token_url == "https://zone.authentication.cert.eu10.hana.ondemand.com/oauth/token"
    assert key.certificate.splitlines()[1] == "AAA"
    assert "BBB" not in repr(key)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"clientsecret": None}, "clientsecret: found nothing"),
        ({"serviceurls": None}, "serviceurls.AI_API_URL: found nothing"),
        ({"url": "zone.authentication"}, "url: found text that is no plain URL"),
        (
            {"serviceurls": {"AI_API_URL": "http://api.example.com"}},
            "found http://api.example.com, expected https",
        ),
        ({"certificate": "PEM"}, "one kind of credentials"),
    ],
)
def test_a_bad_key_names_the_field_and_never_a_value(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_service_key(json.dumps(SECRET | change), "key.json")
    assert named in caught.value.message
    assert caught.value.message.startswith("key.json: ")
    assert "very-secret" not in caught.value.message


def test_all_mistakes_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_service_key("{}", "key.json")
    assert [p.key for p in caught.value.problems] == [
        "clientid",
        "serviceurls.AI_API_URL",
        "url",
        "clientsecret",
    ]


@pytest.mark.parametrize("content", ["", "{'clientid'", "[]", "7"])
def test_what_is_no_key_at_all(content: str) -> None:
    with pytest.raises(InvalidInput, match=r"^key\.json"):
        parse_service_key(content, "key.json")


def test_a_sandbox_beside_us_may_speak_plain_http() -> None:
    near = SECRET | {"url": "http://127.0.0.1:8080", "serviceurls": {"AI_API_URL": "http://sandbox:8080"}}
    assert parse_service_key(json.dumps(near), "key.json").api_url == "http://sandbox:8080/v2"


def test_the_whole_key_wins_over_a_config_file() -> None:
    env = {"AICORE_SERVICE_KEY": json.dumps(SECRET), "AICORE_CONFIG": "/etc/aicore.json"}
    assert from_environment(env, lambda _: json.dumps(FLAT)).client_id == "sb-1"


def test_separate_variables() -> None:
    key = from_environment(FLAT | {"VCAP_SERVICES": "{}"}, no_files)
    assert (key.client_id, key.api_url, key.source) == ("sb-2", "https://api.test/v2", "environment")
    assert key.token_url == "https://other.test/oauth/token"


def test_an_incomplete_first_source_is_not_filled_up_from_the_next() -> None:
    with pytest.raises(
        InvalidInput, match=r"AICORE_CLIENT_SECRET.*all credentials must come from this source"
    ):
        from_environment({k: v for k, v in FLAT.items() if "SECRET" not in k}, lambda _: json.dumps(FLAT))


def test_two_instances_side_by_side_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one set of credentials"):
        from_environment(FLAT | {"AICORE_SERVICE_KEY": json.dumps(SECRET)}, no_files)


def test_config_file_of_a_profile_with_certificate_files() -> None:
    flat = {k: v for k, v in FLAT.items() if k not in ("AICORE_CLIENT_SECRET", "AICORE_AUTH_URL")} | {
        "AICORE_CERT_URL": "https://cert.test",
        "AICORE_CERT_FILE_PATH": "/c.pem",
        "AICORE_KEY_FILE_PATH": "/k.pem",
    }
    files = {"/home/u/.aicore/config_prod.json": json.dumps(flat), "/c.pem": "CERT", "/k.pem": "KEY"}
    key = from_environment({"HOME": "/home/u", "AICORE_PROFILE": "prod"}, files.__getitem__)
    assert (key.certificate, key.private_key) == ("CERT", "KEY")
    assert key.source == "/home/u/.aicore/config_prod.json"


def test_a_named_profile_must_exist_but_the_default_file_need_not() -> None:
    with pytest.raises(InvalidInput, match="AICORE_PROFILE=prod"):
        from_environment({"HOME": "/h", "AICORE_PROFILE": "prod"}, no_files)
    vcap = json.dumps({"aicore": [{"name": "a", "credentials": SECRET}]})
    assert from_environment({"HOME": "/h", "VCAP_SERVICES": vcap}, no_files).source == "VCAP_SERVICES"


def test_several_bindings_and_no_credentials_at_all() -> None:
    two = json.dumps({"aicore": [{"name": "a", "credentials": SECRET}, {"name": "b", "credentials": SECRET}]})
    with pytest.raises(InvalidInput, match=r"several bindings \(a, b\)"):
        from_environment({"VCAP_SERVICES": two}, no_files)
    with pytest.raises(InvalidInput, match="no AI Core credentials"):
        from_environment({}, no_files)
