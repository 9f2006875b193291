"""Which templates have notes on the state branch: they are looked at too, so that no note of one that is gone stays."""

from __future__ import annotations

from collections.abc import Iterable

from aicore_sync.core.model import TemplateKey

_OF_TEMPLATES = ("refused", "paused", "pinned", "declined")  # <kind>/<tenant>/<executable>.json


def noted_templates(paths: Iterable[str], tenant: str) -> frozenset[TemplateKey]:
    """The templates of a tenant of which files of the state branch tell."""
    found = (path.removesuffix(".json").split("/") for path in paths if path.endswith(".json"))
    three = (parts for parts in found if len(parts) == 3 and parts[0] in _OF_TEMPLATES)
    return frozenset(TemplateKey(tenant, executable) for _, place, executable in three if place == tenant)
