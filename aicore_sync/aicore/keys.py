"""Service keys: the credentials of one AI Core instance, from their JSON or from the `AICORE_*` conventions.

Key names: SAP's service key page; environment names, precedence and normalisation: sap-ai-sdk-core 3.5.
All credentials come from the first source that has any; a mixture could join two tenants and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aicore_sync.core.errors import InvalidInput, Problem

ReadFile = Callable[[str], str]

_ENVIRONMENT = {
    "client_id": "AICORE_CLIENT_ID",
    "client_secret": "AICORE_CLIENT_SECRET",
    "auth_url": "AICORE_AUTH_URL",
    "api_url": "AICORE_BASE_URL",
    "cert_url": "AICORE_CERT_URL",
    "certificate": "AICORE_CERT_STR",
    "private_key": "AICORE_KEY_STR",
    "certificate_file": "AICORE_CERT_FILE_PATH",
    "private_key_file": "AICORE_KEY_FILE_PATH",
}
_JSON = {
    "client_id": "clientid",
    "client_secret": "clientsecret",
    "auth_url": "url",
    "api_url": "serviceurls.AI_API_URL",
    "cert_url": "certurl",
    "certificate": "certificate",
    "private_key": "key",
    "zone": "identityzone",
    "tenant_id": "identityzoneid",
}


@dataclass(frozen=True)
class ServiceKey:
    """Credentials of one AI Core instance; either `client_secret` or `certificate` and `private_key` (PEM) are set.

    `api_url` ends in `/v2`, `token_url` in `/oauth/token`. `zone` and `tenant_id` name the tenant where the key
    tells them, `source` says where the key came from. The secret fields do not appear in `repr`.
    """

    client_id: str
    api_url: str
    token_url: str
    client_secret: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    zone: str = ""
    tenant_id: str = ""
    source: str = ""


def parse_service_key(content: str, source: str) -> ServiceKey:
    """The service key in JSON text, with or without the `credentials` wrapper that `cf service-key` prints.

    `source` names the file or variable in errors. Raises InvalidInput.
    """
    try:
        body = json.loads(content)
    except json.JSONDecodeError as error:
        found = f"text that is not JSON at line {error.lineno}" if content.strip() else "nothing"
        raise _invalid(source, "", found, "the service key as JSON") from None
    return _from_json(body, source)


def from_environment(env: Mapping[str, str], read_file: ReadFile) -> ServiceKey:
    """The service key by the conventions of SAP's SDK.

    Order: `AICORE_SERVICE_KEY`, separate `AICORE_*` variables, the config file (`AICORE_CONFIG`, or
    `config[_<AICORE_PROFILE>].json` in `AICORE_HOME`, default `~/.aicore`), `VCAP_SERVICES`.
    `read_file` returns a file's text and raises OSError. Raises InvalidInput.
    """
    key = (
        _whole_key(env)
        or _from_flat(env, "environment", read_file)
        or _from_config(env, read_file)
        or _from_vcap(env.get("VCAP_SERVICES", ""))
    )
    if key is None:
        raise _invalid(
            "environment",
            "AICORE_*",
            "no AI Core credentials",
            "AICORE_SERVICE_KEY, or AICORE_CLIENT_ID and its companions, or ~/.aicore/config.json, or VCAP_SERVICES",
        )
    return key


# --- sources ---------------------------------------------------------------------------------------


def _whole_key(env: Mapping[str, str]) -> ServiceKey | None:
    content = env.get("AICORE_SERVICE_KEY", "")
    if not content.strip():
        return None
    key = parse_service_key(content, "AICORE_SERVICE_KEY")
    other = env.get("AICORE_CLIENT_ID", key.client_id)
    base = env.get("AICORE_BASE_URL", "")
    if other != key.client_id or (base and _api_url(base) != key.api_url):
        raise _invalid(
            "environment",
            "AICORE_SERVICE_KEY",
            "a service key beside AICORE_CLIENT_ID or AICORE_BASE_URL of another instance",
            "one set of credentials",
            "remove one of the two, so that nothing is sent to the wrong tenant",
        )
    return key


def _from_flat(values: Mapping[str, str], source: str, read_file: ReadFile) -> ServiceKey | None:
    fields = {name: values[key] for name, key in _ENVIRONMENT.items() if values.get(key)}
    if not fields:
        return None
    for part in ("certificate", "private_key"):
        path = fields.pop(f"{part}_file", None)
        if path is None:
            continue
        if part in fields:
            raise _invalid(source, _ENVIRONMENT[part], "PEM text and a file path", "one of them")
        fields[part] = _read(path, read_file, source, _ENVIRONMENT[f"{part}_file"])
    return _build(fields, source, _ENVIRONMENT)


def _from_config(env: Mapping[str, str], read_file: ReadFile) -> ServiceKey | None:
    home = env.get("AICORE_HOME") or f"{env.get('HOME', '')}/.aicore"
    profile = env.get("AICORE_PROFILE", "")
    named = env.get("AICORE_CONFIG", "")
    path = named or f"{home}/config{f'_{profile}' if profile else ''}.json"
    try:
        content = read_file(path)
    except FileNotFoundError:
        if named or profile:
            wanted = f"AICORE_PROFILE={profile}" if profile and not named else "AICORE_CONFIG"
            raise _invalid(path, "", "no such file", f"the file that {wanted} names") from None
        return None
    except OSError as error:
        raise _invalid(path, "", str(error.strerror or error), "a readable file") from None
    try:
        values = json.loads(content)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _invalid(path, "", "text that is not a JSON object", "AICORE_* names with their values")
    return _from_flat({k: v for k, v in values.items() if isinstance(v, str)}, path, read_file)


def _from_vcap(content: str) -> ServiceKey | None:
    if not content.strip():
        return None
    try:
        services = json.loads(content)
        bound = services.get("aicore", [])
    except (ValueError, AttributeError):
        raise _invalid(
            "VCAP_SERVICES", "", "text that is not a JSON object", "bindings by service label"
        ) from None
    if len(bound) > 1:
        names = ", ".join(str(service.get("name")) for service in bound)
        raise _invalid("VCAP_SERVICES", "aicore", f"several bindings ({names})", "one binding")
    return _from_json(bound[0], "VCAP_SERVICES") if bound else None


# --- from fields to a key --------------------------------------------------------------------------


def _from_json(body: object, source: str) -> ServiceKey:
    if isinstance(body, dict) and isinstance(body.get("credentials"), dict):
        body = body["credentials"]
    if not isinstance(body, dict):
        raise _invalid(source, "", type(body).__name__, "a JSON object with the service key")
    urls = body.get("serviceurls")
    flat = {**body, "serviceurls.AI_API_URL": urls.get("AI_API_URL") if isinstance(urls, dict) else None}
    fields = {name: flat[key] for name, key in _JSON.items() if isinstance(flat.get(key), str) and flat[key]}
    return _build(fields, source, _JSON)


def _build(fields: Mapping[str, str], source: str, names: Mapping[str, str]) -> ServiceKey:
    """Exactly one kind of credentials, complete, with usable URLs; every mistake is reported at once."""
    by_certificate = "certificate" in fields or "private_key" in fields
    if by_certificate and "client_secret" in fields:
        both = f"{names['client_secret']} and a certificate"
        raise _invalid(source, names["client_secret"], both, "one kind of credentials", "remove one of them")
    token = "cert_url" if by_certificate else "auth_url"
    needed = [
        "client_id",
        "api_url",
        token,
        *(("certificate", "private_key") if by_certificate else ("client_secret",)),
    ]
    cure = (
        "all credentials must come from this source" if names is _ENVIRONMENT else "create a new service key"
    )
    problems = [Problem(source, 0, names[n], "nothing", "a value", cure) for n in needed if not fields.get(n)]
    problems += [
        p for n in ("api_url", token) if fields.get(n) for p in _url_problems(fields[n], source, names[n])
    ]
    if problems:
        raise InvalidInput(problems, reason="InvalidServiceKey")
    return ServiceKey(
        client_id=fields["client_id"],
        api_url=_api_url(fields["api_url"]),
        token_url=_token_url(fields[token]),
        client_secret=fields.get("client_secret", ""),
        certificate=_pem(fields.get("certificate", "")),
        private_key=_pem(fields.get("private_key", "")),
        zone=fields.get("zone", ""),
        tenant_id=fields.get("tenant_id", ""),
        source=source,
    )


def _url_problems(url: str, source: str, key: str) -> list[Problem]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.query:
        return [Problem(source, 0, key, "text that is no plain URL", "https://host")]
    if parts.scheme == "http" and not _near(host):
        return [
            Problem(source, 0, key, f"http://{host}", f"https://{host}", "secrets do not travel in the clear")
        ]
    return []


def _near(host: str) -> bool:
    """Loopback and names without a dot or inside a cluster: a sandbox beside us may speak plain HTTP."""
    return "." not in host or host.startswith("127.") or host.endswith((".localhost", ".local", ".svc"))


def _api_url(url: str) -> str:
    return url.rstrip("/").removesuffix("/v2") + "/v2"


def _token_url(url: str) -> str:
    return url.rstrip("/").removesuffix("/oauth/token") + "/oauth/token"


def _pem(value: str) -> str:
    """PEM text; in service keys its line ends may be the two characters `\\n`."""
    return value.replace("\\n", "\n")


def _read(path: str, read_file: ReadFile, source: str, key: str) -> str:
    try:
        return read_file(path)
    except OSError as error:
        raise _invalid(source, key, f"{path}: {error.strerror or error}", "a readable PEM file") from None


def _invalid(source: str, key: str, found: str, expected: str, cure: str = "") -> InvalidInput:
    return InvalidInput([Problem(source, 0, key, found, expected, cure)], reason="InvalidServiceKey")
