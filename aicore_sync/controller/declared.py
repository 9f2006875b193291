"""What the configuration declares of a tenant, as live objects: values are read when they are needed, never kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aicore_sync.aicore import ObjectStoreSecret
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import Hold, TenantKey
from aicore_sync.core.resources import SecretId, WantGroup, WantSecret, WantTenant, mark_of


@dataclass(frozen=True)
class DeclaredSecret:
    """A secret; `values` reads it anew and may raise InvalidInput. `store` is what else an object store secret says."""

    id: SecretId
    values: Callable[[], Mapping[str, str]]
    store: ObjectStoreSecret | None = None

    @property
    def visible(self) -> Mapping[str, str]:
        """What AI Core shows of it, by the keys of its metadata; empty parts are not compared."""
        if self.store is None:
            return {}
        parts = {
            "bucket": self.store.bucket,
            "endpoint": self.store.endpoint,
            "region": self.store.region,
            "pathPrefix": self.store.path_prefix,
        }
        return {f"storage.ai.sap.com/{name}": text for name, text in parts.items() if text}


@dataclass(frozen=True)
class Declared:
    """Everything that is declared for one tenant. `key` gives the key of the marks and may raise SyncError."""

    groups: tuple[WantGroup, ...] = ()
    secrets: tuple[DeclaredSecret, ...] = ()
    key: Callable[[], bytes] = field(default=lambda: b"", repr=False)

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """Kinds and resource groups that are looked at; the resource groups themselves are a kind of their own."""
        return frozenset(secret.id[:2] for secret in self.secrets) | {("group", "")}

    def secret(self, identity: SecretId) -> DeclaredSecret | None:
        """The secret with this identity."""
        return next((secret for secret in self.secrets if secret.id == identity), None)

    def mark(self, secret: DeclaredSecret, values: Mapping[str, str]) -> str:
        """The mark of these values."""
        shown = dict(secret.visible)
        if secret.store:
            shown |= {"type": secret.store.type, "https": str(secret.store.use_https)}
            shown |= {"verify": str(secret.store.verify_ssl)}
        return mark_of(self.key(), secret.id, values, shown)

    def want(self, key: TenantKey, owner: str, blocked: tuple[Hold, ...]) -> WantTenant:
        """With the marks of the values as they are now."""
        return WantTenant(key, owner, self.groups, tuple(map(self._want, self.secrets)), blocked)

    def _want(self, secret: DeclaredSecret) -> WantSecret:
        try:
            mark = self.mark(secret, secret.values())
        except SyncError as error:
            return WantSecret(secret.id, unread=error.message)
        return WantSecret(secret.id, mark, secret.visible)
