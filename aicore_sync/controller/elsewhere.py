"""What git and AI Core still know besides the sources, tenant by tenant: joined anew only after a change."""

from __future__ import annotations

from dataclasses import dataclass

from aicore_sync.core.parts import Part


@dataclass(frozen=True)
class Known:
    """Of a tenant, or of all: flows by name, what is held of them, and fingerprints that people confirmed."""

    flows: frozenset[str] = frozenset()
    parts: frozenset[Part] = frozenset()
    confirmed: frozenset[str] = frozenset()


class Elsewhere:
    """Of a tenant that cannot be read, the last that was told still counts."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._all: Known | None = None
        self._counted = (frozenset[str](), frozenset[str](), 0)

    def tell(self, tenant: str, known: Known) -> None:
        """What is known of a tenant now."""
        if self._known.get(tenant) != known:
            self._known[tenant], self._all = known, None

    @property
    def all(self) -> Known:
        """Of all tenants."""
        if self._all is None:
            found = self._known.values()
            self._all = Known(
                frozenset[str]().union(*(known.flows for known in found)),
                frozenset[Part]().union(*(known.parts for known in found)),
                frozenset[str]().union(*(known.confirmed for known in found)),
            )
        return self._all

    def flow_count(self, here: frozenset[str]) -> int:
        """How many flows there are, `here` or elsewhere. Every pass asks, so it is counted once for equal answers."""
        there = self.all.flows
        if self._counted[0] is not here or self._counted[1] is not there:
            self._counted = (here, there, len(here | there))
        return self._counted[2]
