"""Service keys as the clients read them: two tenants of ours are never one AI Core instance."""

from __future__ import annotations

import os
from pathlib import Path

from aicore_sync.aicore import ServiceKey, from_environment, parse_service_key
from aicore_sync.config import Tenant
from aicore_sync.core.errors import Stalled


class Keys:
    """The newest key of every tenant. Configuration files cannot show that two of them open the same instance."""

    def __init__(self) -> None:
        self._known: dict[str, ServiceKey] = {}

    def read(self, item: Tenant) -> ServiceKey:
        """The key as it is now. Raises Stalled (SameTenant) when another tenant has been found to have it too."""
        key = self._known[item.name] = service_key(item)
        for name, other in self._known.items():
            if name != item.name and _same(key, other):
                raise Stalled(
                    f"tenants {' and '.join(sorted((name, item.name)))} have service keys of one AI Core instance at "
                    f"{key.api_url}: both would own the same schedules; give each its own key, or make one of them "
                    "an environment of the other",
                    reason="SameTenant",
                )
        return key


def service_key(item: Tenant) -> ServiceKey:
    """The tenant's service key as it is now: from its reference, or by the conventions of SAP's SDK."""
    if item.service_key is None:
        return from_environment(os.environ, lambda path: Path(path).expanduser().read_text(encoding="utf-8"))
    return parse_service_key(item.service_key.read(), f"tenants.{item.name}.serviceKey")


def _same(one: ServiceKey, other: ServiceKey) -> bool:
    """Not every form of a key tells its zone."""
    zones = {key.tenant_id or key.zone for key in (one, other)} - {""}
    return (one.api_url, one.client_id) == (other.api_url, other.client_id) and len(zones) < 2
