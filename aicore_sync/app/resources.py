"""From settings to what is declared for a tenant."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping

from aicore_sync.aicore import ObjectStoreSecret, ServiceKey
from aicore_sync.config import Repository, SecretRef, Settings
from aicore_sync.config import Tenant as TenantSettings
from aicore_sync.config.resources import RegistrySecret, StoreSecret
from aicore_sync.controller.declared import Declared, DeclaredSecret
from aicore_sync.core.resources import EVERYWHERE, SecretId, WantGroup

PREFIX = "ext.ai.sap.com/"


def declared(settings: Settings, item: TenantSettings, key: Callable[[], ServiceKey]) -> Declared:
    """Everything that the configuration declares for a tenant; no value is read yet."""
    places = [place for place in settings.environments if place.tenant == item.name]
    groups = [
        WantGroup(
            place.resource_group, place.create_group, {PREFIX + k: v for k, v in place.group_labels.items()}
        )
        for place in places
        if place.create_group or place.group_labels
    ]
    found = [*_repository(settings.repository(item.repository))]
    found += [
        DeclaredSecret(SecretId("registry", "", s.name), _docker_config(s)) for s in item.registry_secrets
    ]
    for secret in item.secrets:
        group = EVERYWHERE if secret.scope == "everywhere" else ""
        found.append(DeclaredSecret(SecretId("secret", group, secret.name), _values(secret.data)))
    for place in places:
        group = place.resource_group
        found += [
            DeclaredSecret(SecretId("store", group, s.name), _values(s.data), _store(s))
            for s in place.object_stores
        ]
        found += [DeclaredSecret(SecretId("secret", group, s.name), _values(s.data)) for s in place.secrets]
    return Declared(tuple(groups), tuple(found), lambda: _marks_key(settings, key))


def _marks_key(settings: Settings, key: Callable[[], ServiceKey]) -> bytes:
    """The configured key, or one made from the service key's secret."""
    secret = settings.marks_key.read() if settings.marks_key else key().client_secret or key().private_key
    return hmac.new(secret.encode(), b"aicore-sync marks", hashlib.sha256).digest()


def _repository(item: Repository) -> Iterator[DeclaredSecret]:
    login = item.credentials
    if login is None:
        return

    def values() -> Mapping[str, str]:
        return {"username": login.username, "password": login.password.read()}

    yield DeclaredSecret(SecretId("repository", "", item.name), values)


def _values(data: Mapping[str, SecretRef]) -> Callable[[], Mapping[str, str]]:
    return lambda: {key: reference.read() for key, reference in data.items()}


def _docker_config(secret: RegistrySecret) -> Callable[[], Mapping[str, str]]:
    def values() -> Mapping[str, str]:
        if secret.docker_config:
            return {".dockerconfigjson": secret.docker_config.read()}
        assert secret.credentials is not None
        user, password = secret.credentials.username, secret.credentials.password.read()
        encoded = b64encode(f"{user}:{password}".encode()).decode()
        login = {"username": user, "password": password, "auth": encoded}
        return {".dockerconfigjson": json.dumps({"auths": {secret.server: login}}, sort_keys=True)}

    return values


def _store(secret: StoreSecret) -> ObjectStoreSecret:
    """All but the credentials."""
    return ObjectStoreSecret(
        name=secret.name,
        data={},
        type=secret.type,
        bucket=secret.bucket,
        endpoint=secret.endpoint,
        region=secret.region,
        path_prefix=secret.path_prefix,
        use_https=secret.use_https,
        verify_ssl=secret.verify_tls,
    )
