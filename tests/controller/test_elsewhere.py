"""What tenants tell is joined, and a tenant's newest word replaces its last."""

from __future__ import annotations

from aicore_sync.controller.elsewhere import Elsewhere, Known
from aicore_sync.core.parts import Part

ALPHA = Known(frozenset({"alpha"}), frozenset({Part("alpha", "dev")}), frozenset({"0123"}))
BETA = Known(frozenset({"beta"}), frozenset({Part("beta", "prod")}))


def test_all_tenants_count() -> None:
    found = Elsewhere()
    assert (found.all, found.flow_count(frozenset())) == (Known(), 0)
    found.tell("one", ALPHA)
    found.tell("two", BETA)
    assert found.all == Known(ALPHA.flows | BETA.flows, ALPHA.parts | BETA.parts, ALPHA.confirmed)
    here = frozenset({"alpha", "gamma"})
    assert found.flow_count(here) == 3
    found.tell("two", Known())
    assert found.all == ALPHA
    assert found.flow_count(here) == 2
    assert found.flow_count(frozenset({"gamma"})) == 2
