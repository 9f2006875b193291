"""Eleven processes and ten Leases: each process has one at most, and whatever dies is replaced."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from lease_api import LeaseApi, lease_api
from lease_process import replica, until

from aicore_sync.lease import SeatOptions

SEATS = tuple(f"shard-{number}" for number in range(10))
OPTIONS = SeatOptions(SEATS, "", duration=6.0, renew_deadline=5.0, retry=0.5)


def held(api: LeaseApi) -> Counter[str]:
    """How many Leases each holder has."""
    return Counter(filter(None, map(api.holder, SEATS)))


@pytest.mark.slow
def test_of_many_processes_each_has_one_lease_and_dead_ones_are_replaced(tmp_path: Path) -> None:
    with lease_api(tmp_path, *SEATS) as api, ExitStack() as stack:
        names = [f"replica-{number}" for number in range(11)]
        processes = {name: stack.enter_context(replica(api, name, OPTIONS)) for name in names}
        until(lambda: len(held(api)) == 10)
        dead = sorted(held(api))[:3]
        for name in dead:
            processes.pop(name).kill()
        until(lambda: held(api) == Counter(list(processes)))  # the spare one has a Lease, two have nobody
        names = ["replica-11", "replica-12"]
        processes |= {name: stack.enter_context(replica(api, name, OPTIONS)) for name in names}
        until(lambda: held(api) == Counter(list(processes)))
        terms: dict[tuple[str, int], set[str]] = {}
        for write in api.writes:
            if write.holder:
                terms.setdefault((write.name, write.term), set()).add(write.holder)
        assert [who for who in terms.values() if len(who) > 1] == []
